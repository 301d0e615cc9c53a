// `pnpm test`: install, build, every check, every test. The last line is the total: "N passed, N failed, N skipped".
// Two lanes at once after the build (docs/decisions/0012-two-lanes-of-tests.md): real processes alone in theirs; what only computes beside them.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { pnpmCommand } from "./lib/pnpm.mjs";
import { runStep, tail } from "./lib/run-step.mjs";
import { lowPriority, MOST_UNSTEADY, repeatFailures, testLane } from "./lib/test-lane.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const pnpm = pnpmCommand();
const script = (name) => [...pnpm, "run", "--silent", name];
const results = [];
const unsteady = [];
const started = process.hrtime.bigint();

const installed = await step("install", [...pnpm, "install", "--frozen-lockfile", "--config.confirmModulesPurge=false"]);
if (!installed) finish();
const built = await step("build", [...pnpm, "run", "build"]);

await Promise.all([realLane(), computingLane()]);
await repeat();
finish();

/** What starts processes or waits for real time: one thing at a time, at full priority. */
async function realLane() {
  await tests("real");
  await steps([
    ["documentation", "check:docs"],
    ["smoke test of the tarballs", "check:smoke"],
  ]);
}

/** What only computes and reads: takes the time that the other lane leaves. */
async function computingLane() {
  await steps(
    [
      ["types", "check:types"],
      ["format and lint", "check:style"],
      ["clock and randomness", "check:seams"],
      ["arrows", "check:arrows"],
      ["unused code", "check:unused"],
      ["shell scripts", "check:shell"],
      ["python", "check:python"],
    ],
    lowPriority,
  );
  await tests("pure", lowPriority);
  await steps([["mutants", "mutants"]], lowPriority);
  await steps(
    [
      ["packages", "check:packages"],
      ["public API reports", "check:api"],
      ["reference docs", "check:reference"],
    ],
    lowPriority,
  );
}

async function steps(list, prefix = []) {
  const needsBuild = ["check:docs", "check:smoke", "check:packages", "check:api", "check:reference"];
  for (const [name, of] of list) {
    if (built || !needsBuild.includes(of)) await step(name, [...prefix, ...script(of)]);
    else
      results.push({
        name,
        ok: false,
        seconds: 0,
        output: "",
        passed: 0,
        failed: [`${name}: not run, the build failed`],
        skipped: [],
      });
  }
}

async function step(name, argv) {
  const result = await runStep(name, argv, { cwd: root });
  results.push(result);
  const counts = result.passed + result.failed.length + result.skipped.length;
  const detail = counts > 1 ? `, ${result.passed} of ${counts} passed` : "";
  const lines = [`${result.ok ? "ok    " : "FAILED"} ${name} (${result.seconds.toFixed(1)} s${detail})`];
  if (!result.ok) lines.push(tail(result.output.replaceAll(/^(PASS|FILE) .*\n/gm, "")).replaceAll(/^/gm, "       "));
  console.log(lines.join("\n"));
  return result.ok;
}

async function tests(project, prefix = []) {
  const name = `${project} tests`;
  console.log(`       ${name}: begun, a line a file`);
  const result = await testLane(name, [...prefix, ...script("test:unit"), `--project=${project}`], root);
  results.push(result);
  console.log(`${result.ok ? "ok    " : "FAILED"} ${name} (${result.seconds.toFixed(1)} s)`);
}

/** A test with real processes that failed once may have met a machine that was too slow: its file runs once more, alone. It is told loudly. */
async function repeat() {
  const real = results.find((result) => result.name === "real tests");
  if (real === undefined || real.ok) return;
  const found = await repeatFailures(real, (files) => {
    console.log(`       again, alone: ${files.join(", ")}`);
    return testLane("repetition", [...script("test:unit"), "--project=real", ...files], root);
  });
  unsteady.push(...found);
  if (found.length > MOST_UNSTEADY) {
    real.ok = false;
    real.failed.push(`real tests: ${found.length} tests were unsteady, more than ${MOST_UNSTEADY}`);
  }
}

function finish() {
  const failed = results.flatMap((result) => result.failed);
  const skipped = results.flatMap((result) => result.skipped);
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  // A conformance case about what a provider does not declare is no gap in the tests: counted, not listed.
  const gaps = skipped.filter((line) => !line.includes(": not applicable: "));
  if (gaps.length > 0) console.log(`\nSkipped:\n${gaps.map((line) => `  ${line}`).join("\n")}`);
  if (gaps.length < skipped.length)
    console.log(`\n${skipped.length - gaps.length} conformance cases do not apply to what the providers under test declare.`);
  if (unsteady.length > 0) {
    console.log("\nUNSTEADY: failed once, passed when repeated alone. Each is a fault of the test or of what it tests; mend it:");
    for (const { name, error } of unsteady) console.log(`  ${name}\n${error.replaceAll(/^/gm, "    ")}`);
  }
  if (failed.length > 0) console.log(`\nFailed:\n${failed.map((line) => `  ${line}`).join("\n")}`);
  console.log(`\n${failed.length === 0 ? "All is well" : "Something is broken"} (${Math.round(seconds)} s).`);
  console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);
  process.exit(failed.length === 0 ? 0 : 1);
}
