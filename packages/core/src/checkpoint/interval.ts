import { ValidationError } from "../errors/kinds.ts";

/** How often to save. */
export interface IntervalAdvice {
  /** Time between the end of one save and the begin of the next, in milliseconds. */
  intervalMs: number;
  /** Expected share of time lost to saving and to repeating work at that interval, 0 to 1. */
  expectedOverhead: number;
  /** "daly": the higher-order formula; "limit": saves cost so much that the interval equals the mean time between interruptions. */
  formula: "daly" | "limit";
}

/**
 * The save interval that loses least. With C the cost of one save and M the mean time between interruptions:
 * first order √(2·C·M) (J. W. Young, "A first order approximation to the optimum checkpoint interval", CACM 17(9), 1974); used here is
 * the higher-order √(2·C·M)·(1 + ⅓·√(C/2M) + C/(18·M)) − C for C < 2·M, else M (J. T. Daly, "A higher order estimate of the optimum
 * checkpoint interval for restart dumps", Future Generation Computer Systems 22(3), 2006, eq. 37). The overhead figure is the first-order
 * model C/τ + (τ + C)/2M. Throws ValidationError unless both are positive and finite.
 */
export function recommendInterval(input: { saveMs: number; meanTimeBetweenInterruptionsMs: number }): IntervalAdvice {
  for (const field of ["saveMs", "meanTimeBetweenInterruptionsMs"] as const) {
    const value: unknown = input[field];
    if (typeof value === "number" && Number.isFinite(value) && value > 0) continue;
    throw new ValidationError({
      what: `${field} must be a positive number of milliseconds, not ${String(value)} (${typeof value}).`,
      fix: ["For example { saveMs: 15_000, meanTimeBetweenInterruptionsMs: 3_600_000 }."],
    });
  }
  const save = input.saveMs;
  const mean = input.meanTimeBetweenInterruptionsMs;
  const limit = save >= 2 * mean;
  const intervalMs = limit ? mean : Math.sqrt(2 * save * mean) * (1 + Math.sqrt(save / (2 * mean)) / 3 + save / (18 * mean)) - save;
  const expectedOverhead = Math.min(1, save / (intervalMs + save) + (intervalMs + save) / (2 * mean));
  return { intervalMs, expectedOverhead, formula: limit ? "limit" : "daly" };
}
