// `pnpm test`: install, build, every check, every test. The last line is the total: "N passed, N failed, N skipped".
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { pnpmCommand } from "./lib/pnpm.mjs";
import { runStep, tail } from "./lib/run-step.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const pnpm = pnpmCommand();
const script = (name) => [...pnpm, "run", "--silent", name];
const results = [];

const installed = await step("install", [...pnpm, "install", "--frozen-lockfile", "--config.confirmModulesPurge=false"]);
if (!installed) finish();
const built = await step("build", [...pnpm, "run", "build"]);

// Two at a time: the checks are read-only. What measures time or starts trainings comes afterwards, alone.
await lanes(2, [
  ["types", script("check:types")],
  ["format and lint", script("check:style")],
  ["clock and randomness", script("check:seams")],
  ["arrows", script("check:arrows")],
  ["unused code", script("check:unused")],
  ["shell scripts", script("check:shell")],
  ["python", script("check:python")],
  ...onlyBuilt([
    ["packages", script("check:packages")],
    ["public API reports", script("check:api")],
    ["reference docs", script("check:reference")],
  ]),
]);
await tests();
for (const [name, argv] of onlyBuilt([
  ["documentation", script("check:docs")],
  ["smoke test of the tarballs", script("check:smoke")],
])) {
  await step(name, argv);
}
finish();

function onlyBuilt(steps) {
  if (built) return steps;
  for (const [name] of steps) {
    results.push({ name, ok: false, seconds: 0, output: "", passed: 0, failed: [`${name}: not run, the build failed`], skipped: [] });
  }
  return [];
}

async function step(name, argv, options = {}) {
  const result = await runStep(name, argv, { cwd: root, ...options });
  results.push(result);
  const counts = result.passed + result.failed.length + result.skipped.length;
  const detail = counts > 1 ? `, ${result.passed} of ${counts} passed` : "";
  console.log(`${result.ok ? "ok    " : "FAILED"} ${name} (${result.seconds.toFixed(1)} s${detail})`);
  if (!result.ok) console.log(tail(result.output.replaceAll(/^(PASS|FILE) .*\n/gm, "")).replaceAll(/^/gm, "       "));
  return result.ok;
}

async function lanes(width, steps) {
  const queue = [...steps];
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let next = queue.shift(); next; next = queue.shift()) await step(next[0], next[1]);
    }),
  );
}

/** vitest takes minutes: each file is a sign of life, each failure is shown when it happens. */
async function tests() {
  console.log("tests (some minutes)");
  let failing = false;
  const result = await runStep("tests", [...script("test:unit"), "--reporter=./tools/lib/vitest-reporter.ts"], {
    cwd: root,
    onLine: (line) => {
      failing = line.startsWith("FAIL ") || (failing && line.startsWith("    "));
      if (line.startsWith("FILE ")) console.log(`       ${line.slice(5)}`);
      else if (failing) console.log(`       ${line}`);
    },
  });
  results.push(result);
  if (!result.ok && !/^FAIL /m.test(result.output)) console.log(tail(result.output));
  console.log(`${result.ok ? "ok    " : "FAILED"} tests (${result.seconds.toFixed(1)} s)`);
}

function finish() {
  const failed = results.flatMap((result) => result.failed);
  const skipped = results.flatMap((result) => result.skipped);
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0);
  if (skipped.length > 0) console.log(`\nSkipped:\n${skipped.map((line) => `  ${line}`).join("\n")}`);
  if (failed.length > 0) console.log(`\nFailed:\n${failed.map((line) => `  ${line}`).join("\n")}`);
  console.log(`\n${failed.length === 0 ? "All is well" : "Something is broken"} (${Math.round(seconds)} s of work).`);
  console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);
  process.exit(failed.length === 0 ? 0 : 1);
}
