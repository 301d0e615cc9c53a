import { describe, expect, it } from "vitest";
import { SCENARIOS } from "../src/explore/all-scenarios.ts";
import { formatReport } from "../src/explore/exploration-report.ts";
import { explore } from "../src/explore/explore.ts";
import { caseRunner } from "../src/explore/run-case.ts";

// The bounded exploration: every boundary of the eight stories, and a sample of everything else. `pnpm explore --full` runs all of it.
describe("death at every boundary, class A (token and tags at create)", () => {
  it.each(SCENARIOS)("P-01 P-02 P-03 P-06 P-07 P-16 P-27: $title", { timeout: 600_000 }, async (scenario) => {
    const report = await explore(scenario, caseRunner());
    const story = formatReport(report);
    expect(report.broken, story).toEqual([]);
    expect(report.boundariesCovered, story).toBe(report.boundaries);
    expect(report.cases["level-1"].run, story).toBe(report.cases["level-1"].of);
    expect(report, story).toMatchObject({
      leakedSeconds: 0,
      trainedTwice: 0,
      overlapSeconds: 0,
      duplicates: { total: 0 },
      duplicateVolumes: { total: 0 },
      checkpointsLost: 0,
      stepsThrownAway: 0,
      foreignTouched: 0,
      unledgered: 0,
    });
    expect(report.worstObservedShare, story).toBeLessThanOrEqual(0.001);
  });
});
