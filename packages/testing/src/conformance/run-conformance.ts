import type { ConformanceOptions, ProviderFactory } from "./options.ts";
import { providerCases } from "./provider-cases.ts";
import type { CaseResult, ConformanceReport } from "./report.ts";
import { ProviderSuite } from "./suite.ts";

/**
 * Runs every case of the provider suite without a test runner, one after the other, and resolves with the report. Never rejects for
 * what the provider does. Costs nothing offline; live it buys a machine for most cases, at most `live.spendCap` in all.
 * @param onCase called after each case.
 */
export async function runConformance(
  factory: ProviderFactory,
  options: ConformanceOptions = {},
  onCase?: (result: CaseResult) => void,
): Promise<ConformanceReport> {
  const suite = new ProviderSuite(factory, options);
  for (const one of providerCases) {
    const result = await suite.run(one);
    onCase?.(result);
  }
  return suite.report();
}
