// What the root `test` command shows of vitest: one line a file, failures in full, skips with their reasons.
import { relative } from "node:path";
import type { Reporter, TestCase, TestModule } from "vitest/node";

/** Prints `PASS`, `FAIL` and `SKIP` lines that tools/lib/run-step.mjs counts. */
export default class LineReporter implements Reporter {
  onTestModuleEnd(module: TestModule): void {
    const file = relative(process.cwd(), module.moduleId);
    const tests = [...module.children.allTests()];
    for (const test of tests) console.log(verdict(file, test));
    for (const error of module.errors()) console.log(failure(`${file}: (file) ${error.message}`, [error.stack ?? error.message]));
    if (tests.length === 0 && module.errors().length === 0) console.log(`FAIL ${file}: (file) it has no tests`);
    // Last: whoever reads along knows that the file is complete.
    const seconds = (module.diagnostic().duration / 1000).toFixed(1);
    console.log(`FILE ${file} (${tests.length} tests, ${seconds} s)`);
  }

  onTestRunEnd(_modules: readonly TestModule[], errors: readonly { message: string; stack?: string | undefined }[]): void {
    for (const error of errors) console.log(failure(`outside any test: ${error.message}`, [error.stack ?? error.message]));
  }
}

function verdict(file: string, test: TestCase): string {
  const result = test.result();
  const name = `${file}: ${test.fullName}`.replaceAll("\n", " ");
  if (result.state === "passed") return `PASS ${name}`;
  if (result.state === "skipped") return `SKIP ${name}: ${result.note ?? (test.options.mode === "todo" ? "to do" : "no reason given")}`;
  return failure(
    name,
    (result.errors ?? []).map((error) => `${error.stack ?? error.message}${error.diff ? `\n${error.diff}` : ""}`),
  );
}

/** One line that is counted, and why below it. */
function failure(name: string, why: string[]): string {
  const lines = why.join("\n").split("\n");
  const own = lines.filter((line) => !/^\s+at .*(node_modules|<anonymous>)/.test(line));
  return [`FAIL ${name.replaceAll("\n", " ")}`, ...own].join("\n    ");
}
