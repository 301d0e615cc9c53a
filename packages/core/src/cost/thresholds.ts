import { z } from "zod";
import type { Money } from "../provider/money.ts";
import { DEFAULT_CURRENCY } from "./money.ts";

/** Amounts in USD at which one warning is given. `false` switches one off. They warn; budgets stop. */
export interface CostThresholds {
  /** Burn of one machine per hour. Default 5. */
  machinePerHour?: number | false | undefined;
  /** Accumulated cost of one machine. Default 10. */
  machineTotal?: number | false | undefined;
  /** Burn of everything per hour. Default 50. */
  perHour?: number | false | undefined;
  /** Projected cost of a day (burn × 24). Default 100. */
  perDay?: number | false | undefined;
  /** Accumulated cost of everything. Default 500. */
  total?: number | false | undefined;
}

/** Source: the old tool's fixed warnings, original.md §1.4; §2.5 advises to keep them as defaults. */
export const DEFAULT_THRESHOLDS = { machinePerHour: 5, machineTotal: 10, perHour: 50, perDay: 100, total: 500 } as const;

const limit = z.union([z.literal(false), z.number().finite().positive()]).optional();

/** What an options object may say about thresholds. */
export const costThresholdsSchema = z.strictObject({
  machinePerHour: limit,
  machineTotal: limit,
  perHour: limit,
  perDay: limit,
  total: limit,
});

/** The figures that thresholds are held against. */
export interface CostSnapshot {
  machines: Array<{ id: string; hourly: Money; accumulated: Money }>;
  hourly: Money;
  projectedDay: Money;
  accumulated: Money;
}

/** One warning. `key` is its identity: give the keys already warned about, and each warning comes once. */
export interface ThresholdWarning {
  key: string;
  threshold: keyof typeof DEFAULT_THRESHOLDS;
  limit: Money;
  actual: Money;
  resourceId?: string | undefined;
}

/**
 * The warnings whose limit is reached and whose key is not in `warned`. Pure: the caller remembers the keys. Amounts in
 * other currencies than USD are not compared, for there is no exchange rate.
 */
export function crossedThresholds(snapshot: CostSnapshot, thresholds: CostThresholds, warned: ReadonlySet<string>): ThresholdWarning[] {
  const warnings: ThresholdWarning[] = [];
  const check = (threshold: keyof typeof DEFAULT_THRESHOLDS, actual: Money, resourceId?: string): void => {
    const bound = thresholds[threshold] ?? DEFAULT_THRESHOLDS[threshold];
    const key = resourceId === undefined ? threshold : `${threshold}:${resourceId}`;
    if (bound === false || actual.currency !== DEFAULT_CURRENCY || actual.amount < bound || warned.has(key)) return;
    const warning = { key, threshold, limit: { amount: bound, currency: DEFAULT_CURRENCY }, actual };
    warnings.push(resourceId === undefined ? warning : { ...warning, resourceId });
  };
  for (const machine of snapshot.machines) {
    check("machinePerHour", machine.hourly, machine.id);
    check("machineTotal", machine.accumulated, machine.id);
  }
  check("perHour", snapshot.hourly);
  check("perDay", snapshot.projectedDay);
  check("total", snapshot.accumulated);
  return warnings;
}
