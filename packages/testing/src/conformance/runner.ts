import { ConfigurationError } from "@runctl/core/provider";
import type { CaseResult } from "./report.ts";

/** `describe` and `it` of any test runner: vitest, node:test, mocha, jest, bun. */
export interface TestFunctions {
  describe: (name: string, body: () => void) => unknown;
  it: (name: string, body: () => Promise<void>) => unknown;
}

/** The runner that was passed in, or the one whose functions are global. @throws ConfigurationError when there is none. */
export function testFunctions(given: Partial<TestFunctions>): TestFunctions {
  const found = globalThis as unknown as Partial<TestFunctions>;
  const describe = given.describe ?? found.describe;
  const it = given.it ?? found.it;
  if (typeof describe === "function" && typeof it === "function") return { describe, it };
  throw new ConfigurationError({
    what: "No test runner was found: there is no global describe() and it().",
    fix: [
      'Pass them: import { describe, it } from "vitest" (or "node:test"), then testProvider(factory, { describe, it }).',
      "Or run without a runner: await runConformance(factory).",
    ],
  });
}

/** Tells the runner how a case ended: failed cases throw, those that prove nothing are skipped with their reason. */
export function settle(runner: unknown, context: unknown, result: CaseResult): void {
  if (result.status === "passed") return;
  const why = `${result.status.replace("-", " ")}: ${result.why ?? ""}`;
  if (result.status === "failed") throw new Error(`${result.id}: ${result.why ?? "failed"}`);
  // vitest and node:test hand a context over, mocha binds `this`. Others show it as passed, so it is said aloud.
  const able = [context, runner].find(
    (one): one is { skip: (note?: string) => void } => typeof (one as { skip?: unknown } | undefined)?.skip === "function",
  );
  if (able === undefined) console.info(`${result.id}: ${why}`);
  else able.skip(why);
}
