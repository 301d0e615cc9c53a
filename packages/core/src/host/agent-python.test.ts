import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";

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
    const install = ["-m", "pip", "install", "--quiet", "--retries", "0", "--no-deps", "--only-binary", ":all:", "--target", folder, "uv"];
    await run("python3", install, { timeout: 2 * MINUTES });
    return join(folder, "bin", "uv");
  } catch {
    return undefined;
  }
}

async function suite(python: string, file: string, env: Record<string, string>): Promise<string> {
  try {
    const { stderr } = await run(python, ["-W", "error::ResourceWarning", "-m", "unittest", "-v", `tests.${file}`], {
      cwd: AGENT,
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", ...env },
      timeout: 8 * MINUTES,
      maxBuffer: 64 << 20,
    });
    return stderr;
  } catch (error) {
    const said = error as { stdout?: string; stderr?: string; message: string };
    throw new Error(`${python}: ${said.message.slice(0, 200)}\n${(said.stderr ?? "").slice(-8000)}`, { cause: error });
  }
}

function skipped(report: string): string[] {
  return [...report.matchAll(/^(\w+) \(.*\) \.\.\. skipped (.*)$/gm)].map((match) => `${match[1]}: ${match[2]}`);
}

const files = readdirSync(join(AGENT, "tests"))
  .filter((name) => /^test_\w+\.py$/.test(name))
  .map((name) => name.slice(0, -".py".length))
  // The long ones first: the short ones fill the gaps.
  .sort((a, b) => Number(b === "test_deps") - Number(a === "test_deps"));

const folder = mkdtempSync(join(tmpdir(), "runctl-agent-python-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let uv: Promise<string | undefined> | undefined;

const pythons: Array<[name: string, find: () => Promise<string | undefined>, settings: Record<string, string>]> = [
  ["this machine's python3", async () => "python3", {}],
  // Docker and torchrun are the same programs whichever Python calls them, and 10,000 files are as many: once is enough.
  ["Python 3.8, the oldest the agent claims", () => findPython("3.8"), { RUNCTL_TEST_ENGINES: "0", RUNCTL_TEST_CROWDS: "0" }],
];

// One process a file: they share nothing, and most of their time is waiting.
describe.concurrent.each(pythons)("the host agent's Python tests on %s", (_name, find, settings) => {
  it.each(files)("%s", { timeout: 9 * MINUTES }, async (file) => {
    const python = await find();
    if (python === undefined) return; // there is no such Python on this machine
    const env: Record<string, string> = { ...settings };
    if (file === "test_deps") {
      uv ??= findUv(join(folder, "uv"));
      env.RUNCTL_TEST_UV = (await uv) ?? "";
    }
    const report = await suite(python, file, env);
    expect(report).toMatch(/Ran \d+ tests?[\s\S]*\nOK/);
    for (const line of skipped(report)) console.info(`${file} skipped ${line}`);
  });
});
