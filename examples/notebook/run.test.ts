import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "..", "..");
const DENO = "2.9.6";
const NBCLIENT = "nbclient==0.11.0";
const UNREACHABLE =
  /Temporary failure in name resolution|Name or service not known|Connection refused|Network is unreachable|timed? ?out|ProxyError|No matching distribution|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT/i;

let temp: string;
beforeEach(async () => {
  temp = await mkdtemp(join(tmpdir(), "notebook-"));
});
afterEach(async () => {
  await rm(temp, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
});

it("the notebook runs headless in Deno's Jupyter kernel", { timeout: 400_000 }, async (context) => {
  // Deno resolves the packages as a user's project does: what is tested is the build.
  expect(existsSync(join(root, "packages", "core", "dist", "index.js")), "run the build first").toBe(true);

  const venv = await execute("python3", ["-m", "venv", join(temp, "venv")]);
  if (venv.code !== 0) return context.skip(`python3 has no venv module: ${lastLine(venv.output)}`);
  const python = join(temp, "venv", "bin", "python");
  const pip = await execute(python, [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--timeout",
    "20",
    "--retries",
    "1",
    NBCLIENT,
  ]);
  if (pip.code !== 0 && UNREACHABLE.test(pip.output)) return context.skip(`PyPI is out of reach: ${lastLine(pip.output)}`);
  expect(pip.code, pip.output).toBe(0);

  const deno = await findDeno();
  if (typeof deno !== "string") return context.skip(deno.missing);

  const { code, output } = await execute(python, [join(here, "execute.py"), join(here, "digits.ipynb"), deno], {
    TMPDIR: temp,
    DENO_DIR: join(temp, "deno"),
    DENO_NO_UPDATE_CHECK: "1",
    IPYTHONDIR: join(temp, "ipython"),
    JUPYTER_RUNTIME_DIR: join(temp, "runtime"),
    RUNCTL_LOCAL_HOME: join(temp, "home"),
  });
  expect(output).toMatch(/epoch 4 {2}#+ +[89]\d\.\d %\n/);
  expect(output).toMatch(
    /succeeded, [1-4] checkpoints, newest epoch-04\.json\ncost known: true, more than nothing: true\nnotebook: \$0\.\d{6}\nclosed\n$/,
  );
  expect(code).toBe(0);
  expect((await readdir(temp)).filter((name) => name.startsWith("runctl-"))).toEqual([]);
});

/** The one that the smoke tests of this workspace use, else one from npm. */
async function findDeno(): Promise<string | { missing: string }> {
  const present = join(root, "tools", "smoke", "node_modules", ".bin", "deno");
  if ((await execute(present, ["--version"])).code === 0) return present;
  const installed = await execute("npm", ["install", "--prefix", temp, "--no-audit", "--no-fund", `deno@${DENO}`]);
  if (installed.code !== 0 && UNREACHABLE.test(installed.output)) return { missing: `npm is out of reach: ${lastLine(installed.output)}` };
  expect(installed.code, installed.output).toBe(0);
  return join(temp, "node_modules", ".bin", "deno");
}

function execute(program: string, args: string[], env: Record<string, string> = {}): Promise<{ code: number; output: string }> {
  return new Promise((done) => {
    execFile(program, args, { env: { ...process.env, ...env, NODE_OPTIONS: "" }, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      // Its own remarks go first: what counts is the end of the notebook's output.
      done({ code, output: `${stderr}${stdout}` });
    });
  });
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
