// P-32: the packed tarballs, installed as a user installs them, run the README's ten lines under every runtime we name.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { blocksOf } from "../docs/blocks.ts";
import { pnpmCommand } from "../lib/pnpm.mjs";
import { pack, packages, root } from "../lib/workspace.ts";

const TIMEOUT_MS = 60_000;
const runtimes = join(root, "tools", "smoke", "node_modules");
const bin = (name: string): string => join(root, "node_modules", ".bin", name);

const tenLines = blocksOf(join(root, "README.md")).find((block) => block.language === "ts")?.code ?? "";
/** CommonJS has no top-level await and no static import of ES modules. */
const commonJs = `(async () => {\n${tenLines.replaceAll(/^import (\{.*\}) from (".*");$/gm, "const $1 = await import($2);")}})();\n`;

interface Case {
  name: string;
  /** File name and text of the program. */
  file: string;
  text: string;
  /** The program that runs it; its path must exist for the case to run. */
  argv: string[];
  optional?: boolean;
}

const cases: Case[] = [
  { name: `Node ${process.versions.node}, ESM`, file: "main.mjs", text: tenLines, argv: [process.execPath] },
  { name: "Node, from CommonJS", file: "main.cjs", text: commonJs, argv: [process.execPath] },
  { name: "Node 22", file: "main.mjs", text: tenLines, argv: [join(runtimes, "node22", "bin", "node")], optional: true },
  { name: "Node 24", file: "main.mjs", text: tenLines, argv: [join(runtimes, "node24", "bin", "node")], optional: true },
  { name: "tsx", file: "main.ts", text: tenLines, argv: [process.execPath, join(root, "node_modules", "tsx", "dist", "cli.mjs")] },
  {
    name: "Deno",
    file: "main.ts",
    text: tenLines,
    argv: [join(runtimes, ".bin", "deno"), "run", "-A", "--node-modules-dir=manual"],
    optional: true,
  },
  { name: "Bun", file: "main.ts", text: tenLines, argv: [join(runtimes, "bun-linux-x64", "bin", "bun"), "run"], optional: true },
];

const temp = mkdtempSync(join(tmpdir(), "runctl-smoke-"));
try {
  install();
  for (const one of cases) await run(one);
  await bundle();
} finally {
  rmSync(temp, { recursive: true, force: true, maxRetries: 3 });
}

/** The tarballs instead of the registry's packages, everything else as a registry gives it. */
function install(): void {
  const tarballs = Object.fromEntries(packages().map(({ name, folder }) => [name, `file:${pack(folder, temp)}`]));
  writeFileSync(
    join(temp, "package.json"),
    JSON.stringify({ name: "smoke", private: true, type: "module", dependencies: tarballs, pnpm: { overrides: tarballs } }),
  );
  const [program = "pnpm", ...args] = pnpmCommand();
  const options = ["install", "--ignore-workspace", "--prefer-offline", "--no-frozen-lockfile", "--reporter=silent"];
  execFileSync(program, [...args, ...options], { cwd: temp, stdio: ["ignore", "inherit", "inherit"] });
  console.log("PASS the tarballs install");
}

async function run(one: Case): Promise<void> {
  if (one.optional && (!existsSync(one.argv[0] ?? "") || spawnSync(one.argv[0] ?? "", ["--version"]).status !== 0)) {
    console.log(`SKIP P-32 ${one.name}: its npm package has no program for this platform`);
    return;
  }
  const folder = project(one.name, one.file, one.text);
  symlinkSync(join(temp, "node_modules"), join(folder, "node_modules"));
  verdict(one.name, await execute(folder, [...one.argv, one.file]));
}

/** One file without node_modules: everything that core needs is in it, the host agent too. */
async function bundle(): Promise<void> {
  const folder = project("bundle", "main.mjs", tenLines);
  const out = join(temp, "bundle.mjs");
  symlinkSync(join(temp, "node_modules"), join(folder, "node_modules"));
  execFileSync(
    bin("esbuild"),
    ["main.mjs", "--bundle", "--platform=node", "--format=esm", "--target=node20", "--minify", `--outfile=${out}`, "--log-level=warning"],
    {
      cwd: folder,
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  rmSync(join(folder, "node_modules"));
  rmSync(join(temp, "node_modules"), { recursive: true });
  cpSync(out, join(folder, "main.mjs"));
  verdict(
    `one esbuild bundle (${Math.round(statSync(out).size / 1024)} KiB minified)`,
    await execute(folder, [process.execPath, "main.mjs"]),
  );
}

function project(name: string, file: string, text: string): string {
  const folder = join(temp, name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-"));
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "smoke-case", private: true, type: "module" }));
  writeFileSync(join(folder, file), text);
  cpSync(join(root, "tools", "docs", "train.py"), join(folder, "train.py"));
  return folder;
}

interface Outcome {
  code: number | null;
  output: string;
  seconds: number;
}

function execute(folder: string, argv: string[]): Promise<Outcome> {
  const started = performance.now();
  return new Promise((done) => {
    const env = { ...process.env, RUNCTL_LOCAL_HOME: join(folder, ".machines"), NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
    const child = spawn(argv[0] ?? "", argv.slice(1), { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("error", (error) => (output += error.message));
    child.on("close", (code) => {
      clearTimeout(timer);
      done({ code, output, seconds: (performance.now() - started) / 1000 });
    });
  });
}

/** Every line of the training once and in order, then the summary, then an exit by itself. */
function verdict(name: string, { code, output, seconds }: Outcome): void {
  const epochs = [...output.matchAll(/^epoch (\d+)\/20 /gm)].map((match) => Number(match[1]));
  const wanted = Array.from({ length: 20 }, (_, index) => index + 1);
  // Runtimes print objects on one line or several.
  const summary = /\nsucceeded 0 \{ amount: 0, currency: .USD.,? \} file:\/\/\/\S+\/ckpt\/1\/\d{6}\/\S*\s*$/.test(
    output.replaceAll(/\n {2,}|,?\n\}/g, (part) => (part.includes("}") ? " }" : " ")),
  );
  if (code === 0 && summary && epochs.join() === wanted.join()) console.log(`PASS P-32 ${name} (${seconds.toFixed(1)} s)`);
  else {
    console.log(
      `FAIL P-32 ${name}\n    exit code ${code} after ${seconds.toFixed(1)} s\n    ${output.slice(-2500).trimEnd().replaceAll("\n", "\n    ")}`,
    );
    process.exitCode = 1;
  }
}
