import type { CostBreakdown } from "../cost/cost.ts";
import { addCosts, costOfAll } from "../cost/cost-of.ts";
import { hourlyBurn } from "../cost/record-cost.ts";
import type { TrackedResource } from "../tracker/tracked-resource.ts";

/** What stopping would do; data, to be looked at first. */
export interface StopPlan {
  v: 1;
  /** ISO; `applyStop` refuses after ten minutes. */
  createdAt: string;
  stateId: string;
  items: Array<{ id: string; name: string; provider: string; runId?: string | undefined; saves: CostBreakdown }>;
  /** Running, ours and fitting the filter, but not to be stopped. */
  kept: Array<{ id: string; name: string; why: string }>;
  /** What is no longer spent: per hour, in 8 hours (a night, as the old tool showed), in a day. Storage goes on. */
  savings: { hour: CostBreakdown; eightHours: CostBreakdown; day: CostBreakdown };
}

/** What stopping one machine saves in an hour: its compute, not its disk. */
export function savingOf(resource: TrackedResource): CostBreakdown {
  return hourlyBurn({ ...resource, segments: resource.segments.filter((segment) => segment.what !== "storage") });
}

export function savingsOf(items: readonly TrackedResource[]): StopPlan["savings"] {
  const hour = addCosts(items.map(savingOf));
  return { hour, eightHours: times(hour, 8), day: times(hour, 24) };
}

function times(cost: CostBreakdown, hours: number): CostBreakdown {
  const begin = Date.UTC(2000, 0, 1);
  const end = begin + hours * 3_600_000;
  const from = new Date(begin).toISOString();
  const scaled = costOfAll([{ segments: [{ from, what: "compute", pricePerHour: cost.known, evidence: "observed" }] }], {
    now: end,
    currency: cost.known.currency,
  });
  // What is unknown per hour is unknown per day.
  if (cost.complete) return scaled;
  const { total: _total, ...rest } = scaled;
  return { ...rest, complete: false, missing: cost.missing };
}
