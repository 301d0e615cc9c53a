import type { ConformanceOptions, ProviderFactory } from "./options.ts";
import { providerCases } from "./provider-cases.ts";
import type { ConformanceReport } from "./report.ts";
import { settle, type TestFunctions, testFunctions } from "./runner.ts";
import { isWanted, ProviderSuite } from "./suite.ts";

/** Options of `testProvider`. */
export interface TestProviderOptions extends ConformanceOptions, Partial<TestFunctions> {
  /** The name of the group. Default "provider conformance". */
  name?: string | undefined;
  /** Called with the report after the last case. */
  onReport?: ((report: ConformanceReport) => void | Promise<void>) | undefined;
}

/**
 * Registers every case of the provider suite with a test runner: one test each. Capabilities choose the cases; a case that is not
 * applicable or not provable is skipped with its reason, never passed.
 * @throws ConfigurationError when no runner is found.
 */
export function testProvider(factory: ProviderFactory, options: TestProviderOptions = {}): void {
  const { describe, it } = testFunctions(options);
  describe(options.name ?? "provider conformance", () => {
    const suite = new ProviderSuite(factory, options);
    for (const one of providerCases) {
      if (!isWanted(one, options.only)) continue;
      // No declared parameter: mocha would take one for a callback.
      it(`${one.id}: ${one.title}`, async function (this: unknown, ...given: unknown[]) {
        settle(this, given[0], await suite.run(one));
      });
    }
    it("nothing was left behind, and the class is what was declared", async () => {
      const report = await suite.report();
      await options.onReport?.(report);
      if (report.leftovers.length > 0) throw new Error(`Left behind: ${report.leftovers.join("; ")}`);
      const { class: found } = report;
      if (options.only === undefined && found !== undefined && found.class !== found.declared)
        throw new Error(
          `Declared class ${found.declared}, proven ${found.class}. Against it: ${found.against.join(", ") || "cases that did not run"}.`,
        );
    });
  });
}
