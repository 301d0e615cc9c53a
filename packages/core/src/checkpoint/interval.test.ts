import { describe, expect, test } from "vitest";
import { recommendInterval } from "./interval.ts";

describe("recommendInterval", () => {
  test("Daly's higher-order figure lies near √(2CM) for cheap saves", () => {
    const { intervalMs, expectedOverhead, formula } = recommendInterval({ saveMs: 15_000, meanTimeBetweenInterruptionsMs: 3_600_000 });
    const young = Math.sqrt(2 * 15_000 * 3_600_000);
    expect(formula).toBe("daly");
    // √(2·15·3600) s = 328.63 s; × (1 + ⅓·√(15/7200) + 15/64800) − 15 s = 318.71 s
    expect(intervalMs / 1000).toBeCloseTo(318.71, 1);
    expect(Math.abs(intervalMs / young - 1)).toBeLessThan(0.05);
    expect(expectedOverhead).toBeGreaterThan(0.08);
    expect(expectedOverhead).toBeLessThan(0.1);
  });

  test("it is the best of its neighbours under the exponential model it comes from", () => {
    // Daly's exact expected time per unit of work: M·e^{R/M}(e^{(τ+C)/M} − 1)/τ; R does not move the optimum.
    for (const [save, mean] of [
      [15, 3600],
      [60, 10_800],
      [180, 28_800],
      [120, 600],
    ] as const) {
      const best = recommendInterval({ saveMs: save, meanTimeBetweenInterruptionsMs: mean }).intervalMs;
      const cost = (tau: number): number => (mean * Math.expm1((tau + save) / mean)) / tau;
      for (const factor of [0.8, 1.25]) expect(cost(best)).toBeLessThan(cost(best * factor));
    }
  });

  test("saves dearer than the time between interruptions", () => {
    expect(recommendInterval({ saveMs: 100, meanTimeBetweenInterruptionsMs: 50 })).toMatchObject({ intervalMs: 50, formula: "limit" });
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, "5" as unknown as number])("refuses %s and names the field", (value) => {
    expect(() => recommendInterval({ saveMs: value, meanTimeBetweenInterruptionsMs: 1 })).toThrow(/saveMs must be a positive number/);
  });
});
