// What the root `test` command shows of vitest: one line a file, failures in full, skips with their reasons.
import { relative } from "node:path";
import type { Reporter, TestCase, TestModule } from "vitest/node";

/** Prints `PASS`, `FAIL` and `SKIP` lines that tools/lib/run-step.mjs counts. */
export default class LineReporter implements Reporter {
  onTestModuleEnd(module: TestModule): void {
    const file = relative(process.cwd(), module.moduleId);
    const tests = [...module.children.allTests()];
    for (const test of tests) console.log(verdict(file, test));
    const seconds = (module.diagnostic().duration / 1000).toFixed(1);
    console.log(`FILE ${file} (${tests.length} tests, ${seconds} s)`);
    for (const error of module.errors()) console.log(`FAIL ${file}: ${error.message}\n${error.stack ?? ""}`);
    if (tests.length === 0 && module.errors().length === 0) console.log(`FAIL ${file}: it has no tests`);
  }

  onTestRunEnd(_modules: readonly TestModule[], errors: readonly { message: string; stack?: string | undefined }[]): void {
    for (const error of errors) console.log(`FAIL outside any test: ${error.message}\n${error.stack ?? ""}`);
  }
}

function verdict(file: string, test: TestCase): string {
  const result = test.result();
  const name = `${file}: ${test.fullName}`.replaceAll("\n", " ");
  if (result.state === "passed") return `PASS ${name}`;
  if (result.state === "skipped") return `SKIP ${name}: ${result.note ?? (test.options.mode === "todo" ? "to do" : "no reason given")}`;
  const why = (result.errors ?? []).map((error) => `${error.stack ?? error.message}${error.diff ? `\n${error.diff}` : ""}`);
  return [`FAIL ${name}`, ...why.join("\n").split("\n")].join("\n    ");
}
