// `pnpm mutants [name…]`: puts deliberate faults into the engine, one at a time and never into the tree itself, and demands that the explorer finds each.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import type { Verdict } from "./hunter.ts";
import type { Edit, Mutant } from "./mutant.ts";
import { MUTANTS } from "./mutants.ts";

const PACKAGES = join(import.meta.dirname, "..", "..");
const DOC = join(PACKAGES, "..", "docs", "how-we-know.md");
/** Against hanging: a mutant may send the engine in circles. Long, for it runs at low priority. */
const LIMIT_MS = 600_000;

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !MUTANTS.some((mutant) => mutant.name === name));
if (unknown.length > 0)
  throw new Error(`There is no mutant ${unknown.join(", ")}. There are: ${MUTANTS.map(({ name }) => name).join(", ")}`);
const chosen = asked.length === 0 ? MUTANTS : MUTANTS.filter(({ name }) => asked.includes(name));

const temp = mkdtempSync(join(tmpdir(), "runctl-mutants-"));
try {
  // First: what finds fault with the sources as they are would prove nothing about mutants.
  const clean = await hunt("unmutated", [], chosen);
  for (const verdict of clean.verdicts) {
    if (verdict.found !== undefined)
      fail(`unmutated, hunt of ${verdict.name}: ${tell(verdict.found.broken)}\n    replay: ${verdict.found.id}`);
  }
  if (clean.problem !== undefined) fail(`unmutated: ${clean.problem}`);
  if (process.exitCode === undefined) console.log(`PASS the sources as they are keep every promise in ${sum(clean.verdicts)} cases`);
  for (const mutant of chosen) await check(mutant);
  if (asked.length === 0) documented();
} finally {
  rmSync(temp, { recursive: true, force: true });
}

async function check(mutant: Mutant): Promise<void> {
  let result: Awaited<ReturnType<typeof hunt>>;
  try {
    result = await hunt(mutant.name, mutant.edits, [mutant]);
  } catch (error) {
    return fail(`${mutant.name}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const [verdict] = result.verdicts;
  if (verdict === undefined) return fail(`${mutant.name}: ${result.problem ?? "it said nothing"}`);
  if (verdict.found === undefined)
    return fail(
      `${mutant.name} SURVIVED ${verdict.cases} cases (at most ${verdict.machines} machines, ${verdict.seconds} s): ${mutant.fault}`,
    );
  const { broken, id } = verdict.found;
  const named = broken.find(({ promise }) => mutant.breaks.includes(promise));
  if (named === undefined) return fail(`${mutant.name}: ${tell(broken)}, not ${mutant.breaks.join(" or ")}\n    ${id}`);
  console.log(`PASS ${mutant.name}: ${tell([named])} (case ${verdict.cases}, ${id})`);
}

function tell(broken: ReadonlyArray<{ promise: string; what: string }>): string {
  return broken.map(({ promise, what }) => `${promise}: ${what.slice(0, 160)}`).join("; ");
}

/** The engine with the edits, bundled with the hunter, in a process of its own. */
async function hunt(
  name: string,
  edits: readonly Edit[],
  mutants: readonly Mutant[],
): Promise<{ verdicts: Array<Verdict & { name: string }>; problem?: string | undefined }> {
  const program = join(temp, `${name}.mjs`);
  await bundle(program, edits);
  const child = spawn(process.execPath, [program, ...mutants.map((mutant) => mutant.name)], { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.on("close", (...ended) => resolve(ended));
  });
  clearTimeout(timer);
  const verdicts = out
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Verdict & { name: string });
  return { verdicts, ...(code === 0 ? {} : { problem: `the hunt ended with ${signal ?? code}: ${err.slice(-2000)}` }) };
}

/** @throws when an edit does not fit the sources any more, or was not read. */
async function bundle(outfile: string, edits: readonly Edit[]): Promise<void> {
  const left = new Map<string, Edit[]>();
  for (const edit of edits) {
    const path = join(PACKAGES, edit.file);
    left.set(path, [...(left.get(path) ?? []), edit]);
  }
  const patched = new Map(
    [...left].map(([path, list]) => {
      const text = list.reduce(
        (source, edit) => {
          const times = source.split(edit.find).length - 1;
          if (times !== 1)
            throw new Error(`the patch of ${edit.file} no longer applies: ${JSON.stringify(edit.find)} is there ${times} times`);
          return source.replace(edit.find, () => edit.replace);
        },
        readFileSync(path, "utf8"),
      );
      return [path, text];
    }),
  );
  const used = new Set<string>();
  await build({
    entryPoints: [join(import.meta.dirname, "hunter.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["@runctl/source"],
    logLevel: "error",
    plugins: [
      {
        name: "mutant",
        setup: ({ onLoad }) => {
          onLoad({ filter: /\.ts$/ }, ({ path }) => {
            const contents = patched.get(path);
            if (contents === undefined) return undefined;
            used.add(path);
            return { contents, loader: "ts" };
          });
        },
      },
    ],
  });
  const unread = [...patched.keys()].filter((path) => !used.has(path));
  if (unread.length > 0) throw new Error(`the engine does not read ${unread.join(", ")}`);
}

/** The table for sceptical readers names each mutant. */
function documented(): void {
  const text = readFileSync(DOC, "utf8");
  const missing = MUTANTS.filter(({ name, fault }) => !text.includes(`\`${name}\``) || !text.includes(fault));
  if (missing.length > 0)
    fail(`docs/how-we-know.md does not have, word for word: ${missing.map(({ name, fault }) => `\`${name}\`: ${fault}`).join("; ")}`);
}

function sum(verdicts: readonly Verdict[]): number {
  return verdicts.reduce((total, verdict) => total + verdict.cases, 0);
}

function fail(what: string): void {
  console.log(`FAIL ${what}`);
  process.exitCode = 1;
}
