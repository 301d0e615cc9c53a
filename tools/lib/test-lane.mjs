// One lane of tests: vitest on one project of vitest.config.ts, a line a file while it works, each failure in full when it happens.
import { spawnSync } from "node:child_process";
import { runStep, tail } from "./run-step.mjs";

/** A failure by chance that the net may catch; more than these in one run fail it. */
export const MOST_UNSTEADY = 2;

/** Leading arguments that run a program at low priority, where the system has `nice`: it takes what others leave. */
export const lowPriority = spawnSync("nice", ["-n", "10", "true"], { stdio: "ignore" }).status === 0 ? ["nice", "-n", "10"] : [];

/**
 * @param {string} name What the reader sees.
 * @param {string[]} argv vitest and its arguments.
 * @param {string} cwd
 */
export async function testLane(name, argv, cwd) {
  let failing = [];
  const result = await runStep(name, [...argv, "--cache=false", "--reporter=./tools/lib/vitest-reporter.ts"], {
    cwd,
    onLine: (line) => {
      // A file's failures come together and before its FILE line: two lanes never print into one another's.
      if (line.startsWith("FAIL ") || (failing.length > 0 && line.startsWith("    "))) failing.push(line);
      else if (line.startsWith("FILE ")) {
        console.log([...failing, line.slice(5)].map((each) => `       ${each}`).join("\n"));
        failing = [];
      }
    },
  });
  if (failing.length > 0) console.log(failing.map((each) => `       ${each}`).join("\n"));
  if (!result.ok && !/^FAIL /m.test(result.output)) console.log(tail(result.output.replaceAll(/^(PASS|FILE) .*\n/gm, "")));
  return result;
}

/**
 * Repeats the files with failures once, and settles what counts: a test that then passes is unsteady, one that fails is a failure. Failures that belong to
 * no file stay failures.
 * @param {import("./run-step.mjs").StepResult} first The lane's result. Changed in place.
 * @param {(files: string[]) => Promise<import("./run-step.mjs").StepResult>} repeat
 * @returns {Promise<{ name: string, error: string }[]>} The unsteady tests, each with its first error.
 */
export async function repeatFailures(first, repeat) {
  const fileOf = (failure) => /^(\S+\.test\.ts): /.exec(failure)?.[1];
  const files = [...new Set(first.failed.map(fileOf).filter((file) => file !== undefined))];
  if (files.length === 0) return [];
  const second = await repeat(files);
  // A test that never ran again, because the repetition broke down, has not passed.
  const passedNow = new Set(marked(second.output, "PASS"));
  const unsteady = first.failed.filter((failure) => passedNow.has(failure) || (isWholeFile(failure) && ranWell(failure, second)));
  const failed = first.failed.filter((failure) => !unsteady.includes(failure));
  for (const failure of second.failed) if (!failed.includes(failure)) failed.push(failure);
  const passedBefore = new Set(marked(first.output, "PASS"));
  first.passed += [...passedNow].filter((name) => !passedBefore.has(name)).length;
  first.failed = failed;
  first.ok = failed.length === 0;
  first.seconds += second.seconds;
  return unsteady.map((failure) => ({ name: failure, error: errorOf(first.output, failure) }));

  /** A failure outside its tests: of a hook or an import. */
  function isWholeFile(failure) {
    return failure.startsWith(`${fileOf(failure)}: (file) `);
  }

  function ranWell(failure, run) {
    const file = fileOf(failure);
    return run.output.includes(`\nFILE ${file} (`) && !run.failed.some((each) => fileOf(each) === file);
  }
}

function marked(text, word) {
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${word} `))
    .map((line) => line.slice(word.length + 1));
}

/** The lines below a FAIL line, up to the first of its stack. */
function errorOf(output, failure) {
  const lines = output.split("\n");
  const below = lines.slice(lines.indexOf(`FAIL ${failure}`) + 1);
  const end = below.findIndex((line) => !line.startsWith("    ") || /^\s+at /.test(line));
  return below
    .slice(0, Math.min(end < 0 ? below.length : end, 12))
    .map((line) => line.trim())
    .join("\n");
}
