import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

// The host agent's own tests are Python; this runs them on the machine's Python and on the oldest one that the agent claims.

const run = promisify(execFile);
const AGENT = fileURLToPath(new URL("../../agent", import.meta.url));
const MINUTES = 60_000;

/** Interpreters of one minor version at the usual places: on the PATH, from the system, from pyenv. */
async function findPython(minor: string): Promise<string | undefined> {
  const pyenv = join(process.env.PYENV_ROOT ?? join(process.env.HOME ?? "/root", ".pyenv"), "versions");
  const versions = existsSync(pyenv) ? (await readdir(pyenv)).filter((name) => name.startsWith(`${minor}.`)).sort() : [];
  const candidates = [...versions.reverse().map((name) => join(pyenv, name, "bin", "python3")), `python${minor}`];
  return candidates.find((path) => spawnSync(path, ["-c", "import sys, unittest, json; print(sys.version)"]).status === 0);
}

/** uv from the PATH, else from the package index where it is reachable: its tests say why they are skipped otherwise. */
async function findUv(folder: string): Promise<string | undefined> {
  if (process.env.RUNCTL_TEST_UV) return process.env.RUNCTL_TEST_UV;
  const found = spawnSync("uv", ["--version"]);
  if (found.status === 0) return spawnSync("sh", ["-c", "command -v uv"], { encoding: "utf8" }).stdout.trim();
  try {
    await run("python3", ["-m", "venv", folder], { timeout: MINUTES });
    await run(join(folder, "bin", "python"), ["-m", "pip", "install", "--quiet", "--retries", "0", "--only-binary", ":all:", "uv"], {
      timeout: 2 * MINUTES,
    });
    return join(folder, "bin", "uv");
  } catch {
    return undefined;
  }
}

async function suite(python: string, env: Record<string, string>): Promise<string> {
  try {
    const { stderr } = await run(
      python,
      ["-W", "error::ResourceWarning", "-m", "unittest", "discover", "-v", "-t", AGENT, "-s", join(AGENT, "tests")],
      {
        cwd: AGENT,
        env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", ...env },
        timeout: 8 * MINUTES,
        maxBuffer: 64 << 20,
      },
    );
    return stderr;
  } catch (error) {
    const said = error as { stdout?: string; stderr?: string; message: string };
    throw new Error(`${python}: ${said.message.slice(0, 200)}\n${(said.stderr ?? "").slice(-8000)}`, { cause: error });
  }
}

function skipped(report: string): string[] {
  return [...report.matchAll(/^(\w+) \(.*\) \.\.\. skipped (.*)$/gm)].map((match) => `${match[1]}: ${match[2]}`);
}

describe("the host agent's Python tests", () => {
  let folder = "";
  const env: Record<string, string> = {};

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "runctl-agent-python-"));
    const uv = await findUv(join(folder, "uv"));
    if (uv) env.RUNCTL_TEST_UV = uv;
  }, 4 * MINUTES);
  afterAll(async () => {
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it("pass on this machine's python3", { timeout: 9 * MINUTES }, async ({ annotate }) => {
    const report = await suite("python3", env);
    expect(report).toMatch(/Ran \d\d+ tests[\s\S]*\nOK/);
    for (const line of skipped(report)) await annotate(`skipped: ${line}`);
  });

  it("pass on Python 3.8, the oldest the agent claims", { timeout: 9 * MINUTES }, async ({ skip, annotate }) => {
    const python = await findPython("3.8");
    if (!python) return skip("there is no Python 3.8 on this machine");
    // Docker and torchrun are the same programs whichever Python calls them: once is enough.
    const report = await suite(python, { ...env, RUNCTL_TEST_ENGINES: "0" });
    expect(report).toMatch(/Ran \d\d+ tests[\s\S]*\nOK/);
    for (const line of skipped(report)) await annotate(`skipped: ${line}`);
  });
});
