// The documentation is code: every `ts` block is type-checked as a user's compiler would, and executed unless it says `no-run <reason>`.
// A `ts` block whose first line is `// file: name` is a file of its page: type-checked beside the page's other files, and there for its
// `sh` blocks, which run only when marked `run`. Relative links must lead somewhere. Paths as arguments limit the files.
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import ts from "typescript";
import { type Block, blocksOf } from "./docs/blocks.ts";
import { brokenLinks, unlisted } from "./docs/links.ts";
import { root } from "./lib/workspace.ts";

const TIMEOUT_MS = 90_000;
const PARALLEL = 2;

const everything = [
  join(root, "README.md"),
  join(root, "CONTRIBUTING.md"),
  join(root, "SECURITY.md"),
  ...markdown(join(root, "packages")),
  ...markdown(join(root, "docs")),
  ...markdown(join(root, "examples")),
];
const asked = process.argv.slice(2).map((path) => resolve(path));
const files = asked.length > 0 ? asked : everything;

const temp = mkdtempSync(join(tmpdir(), "runctl-docs-"));
try {
  // As in a user's project: the built packages by name, none of this workspace's own settings.
  symlinkSync(join(root, "node_modules"), join(temp, "node_modules"));
  const prepared = files.flatMap((file) => prepare(blocksOf(file)));
  report("links", brokenLinks(files));
  if (asked.length === 0) report("index of the documentation", unlisted(files, join(root, "docs", "README.md")));
  const mistyped = typeErrors(prepared.filter((one) => one.block.language === "ts"));
  for (const one of prepared) if (mistyped.has(one.folder)) fail(`${one.block.where} types`, mistyped.get(one.folder) ?? "");
  const types = prepared.filter((one) => one.block.language === "ts").length;
  if (mistyped.size === 0 && types > 0) console.log(`PASS types of ${types} code blocks`);
  const queue = prepared.filter((one) => runs(one.block) && !mistyped.has(one.folder));
  await Promise.all(Array.from({ length: PARALLEL }, () => work(queue)));
} finally {
  rmSync(temp, { recursive: true, force: true, maxRetries: 3 });
}

interface Prepared {
  block: Block;
  folder: string;
  /** The file in the folder that the block is. */
  entry: string;
}

/** A folder for each block to type-check or run; blocks whose first line is `# file: name` (`//` in TypeScript) give files to all blocks of their page. */
function prepare(blocks: Block[]): Prepared[] {
  const pageFiles = blocks.flatMap((block) => {
    const name = fileName(block);
    return name === undefined ? [] : [{ name, code: block.code }];
  });
  return blocks
    .filter((block) => block.language === "ts" || block.language === "sh")
    .map((block) => {
      const folder = join(temp, block.where.replaceAll(/[^\w.]+/g, "-"));
      mkdirSync(folder);
      writeFileSync(join(folder, "package.json"), `${JSON.stringify({ name: "docs", private: true, type: "module" })}\n`);
      cpSync(join(root, "tools", "docs", "train.py"), join(folder, "train.py"));
      for (const { name, code } of pageFiles) writeFileSync(join(folder, name), code);
      const entry = fileName(block) ?? (block.language === "ts" ? "main.ts" : "main.sh");
      writeFileSync(join(folder, entry), block.code);
      return { block, folder, entry };
    });
}

function fileName(block: Block): string | undefined {
  return /^(?:#|\/\/) file: (\S+)/.exec(block.code)?.[1];
}

function runs(block: Block): boolean {
  if (block.language === "sh") return block.info.startsWith("run");
  if (fileName(block) !== undefined) return false;
  if (!block.info.startsWith("no-run")) return true;
  if (block.info.slice("no-run".length).trim() === "") fail(block.where, "`no-run` needs a reason after it");
  else console.log(`SKIP ${block.where}: ${block.info.slice("no-run".length).trim()}`);
  return false;
}

/** One program for all blocks: the declarations of the packages are read once. */
function typeErrors(prepared: Prepared[]): Map<string, string> {
  const program = ts.createProgram(
    prepared.map((one) => join(one.folder, one.entry)),
    {
      target: ts.ScriptTarget.ES2022,
      lib: ["lib.es2023.d.ts"],
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      moduleDetection: ts.ModuleDetectionKind.Force,
      // The files of a page name one another as tsx and Node read them.
      allowImportingTsExtensions: true,
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: true,
      noEmit: true,
      types: ["node"],
      typeRoots: [join(root, "node_modules", "@types")],
    },
  );
  const found = new Map<string, string>();
  for (const diagnostic of ts.getPreEmitDiagnostics(program)) {
    const folder = prepared.find((one) => diagnostic.file?.fileName.startsWith(`${one.folder}/`))?.folder ?? temp;
    const line = diagnostic.file?.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line ?? 0;
    const said = `line ${line + 1}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n  ")}`;
    found.set(folder, [found.get(folder), said].filter((text) => text !== undefined).join("\n"));
  }
  if (found.has(temp)) fail("types of the documentation", found.get(temp) ?? "");
  return found;
}

async function work(queue: Prepared[]): Promise<void> {
  for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
    const { ok, output, seconds } = await execute(one);
    if (ok) console.log(`PASS ${one.block.where} (${seconds.toFixed(1)} s)`);
    else fail(one.block.where, output);
  }
}

/** Executes a block in its own folder and its own home, so that it sees no machine of this computer's user. */
function execute({ block, folder }: Prepared): Promise<{ ok: boolean; output: string; seconds: number }> {
  const argv =
    block.language === "ts"
      ? [process.execPath, join(root, "node_modules", "tsx", "dist", "cli.mjs"), "main.ts"]
      : ["sh", "-eu", "main.sh"];
  const started = performance.now();
  return new Promise((done) => {
    const child = spawn(argv[0] ?? "", argv.slice(1), {
      cwd: folder,
      env: { ...process.env, RUNCTL_LOCAL_HOME: join(folder, ".machines") },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const timer = setTimeout(() => {
      output += `\nnot ended after ${TIMEOUT_MS / 1000} s`;
      child.kill("SIGKILL");
    }, TIMEOUT_MS);
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("close", (code) => {
      clearTimeout(timer);
      done({ ok: code === 0, output: `exit code ${code}\n${output.slice(-3000)}`, seconds: (performance.now() - started) / 1000 });
    });
  });
}

function markdown(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md") && !path.endsWith(".api.md") && !/(^|\/)(node_modules|dist|CHANGELOG\.md)(\/|$)/.test(path))
    .filter((path) => !path.startsWith("api/"))
    .sort()
    .map((path) => join(folder, path));
}

function report(what: string, problems: string[]): void {
  if (problems.length === 0) console.log(`PASS ${what}`);
  else fail(what, problems.join("\n"));
}

function fail(what: string, why: string): void {
  console.log(`FAIL ${what}\n    ${why.trimEnd().replaceAll("\n", "\n    ")}`);
  process.exitCode = 1;
}
