import type { CostBreakdown } from "../cost/cost.ts";
import { forecast } from "../cost/forecast.ts";
import { breakdown } from "../cost/record-cost.ts";
import { iso } from "../cost/segments.ts";
import { type CostThresholds, crossedThresholds, type ThresholdWarning } from "../cost/thresholds.ts";
import type { Notice } from "../provider/plan.ts";
import type { TrackedResource } from "./tracked-resource.ts";

/** Everything at a glance, at one moment. */
export interface ResourceSummary {
  /** ISO. */
  at: string;
  /** Burn per hour now. */
  hourly: CostBreakdown;
  /** Everything ever, ended things too. */
  accumulated: CostBreakdown;
  /** Since 00:00 UTC. */
  today: CostBreakdown;
  /** Burn × 24 and × 168. */
  projectedDay: CostBreakdown;
  projectedWeek: CostBreakdown;
  /** Resources that have not ended, by state, provider and project. */
  counts: { total: number; byState: Record<string, number>; byProvider: Record<string, number>; byProject: Record<string, number> };
  /** Every limit that is passed now, also those already warned about. */
  warnings: ThresholdWarning[];
  /** Parts of the state that could not be read: the sums lack them. */
  problems: Notice[];
}

const DAY_MS = 86_400_000;

/** Pure. */
export function summarise(
  resources: readonly TrackedResource[],
  now: number,
  thresholds: CostThresholds,
  problems: Notice[] = [],
): ResourceSummary {
  const live = resources.filter((resource) => resource.state !== "ended");
  const accumulated = breakdown(resources, { now });
  const currency = accumulated.known.currency;
  const next = forecast(live, { now, currency });
  const snapshot = {
    machines: live
      .filter((resource) => resource.ref.kind === "machine")
      .map(({ id, hourly, cost }) => ({ id, hourly: hourly.known, accumulated: cost.known })),
    hourly: next.hourly.known,
    projectedDay: next.day.known,
    accumulated: accumulated.known,
  };
  return {
    at: iso(now),
    hourly: next.hourly,
    accumulated,
    today: breakdown(resources, { now, from: Math.floor(now / DAY_MS) * DAY_MS, currency }),
    projectedDay: next.day,
    projectedWeek: next.week,
    counts: {
      total: live.length,
      byState: count(live, (resource) => resource.state),
      byProvider: count(live, (resource) => resource.ref.provider),
      byProject: count(live, (resource) => resource.project),
    },
    warnings: crossedThresholds(snapshot, thresholds, new Set()),
    problems,
  };
}

function count(resources: readonly TrackedResource[], key: (resource: TrackedResource) => string): Record<string, number> {
  const counts = new Map<string, number>();
  for (const resource of resources) counts.set(key(resource), (counts.get(key(resource)) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
