import type { CostBreakdown } from "./cost.ts";
import { addCosts, costOfAll } from "./cost-of.ts";
import { hourlyBurn, segmentsOf } from "./record-cost.ts";
import type { PriceSegment, ResourceRecord } from "./resource-record.ts";
import { iso, timeOf } from "./segments.ts";

/**
 * What the next hours cost if nothing is started or stopped. Without known ends day is hourly × 24, week × 168 and month
 * × 720 (30 days), as the old tool projected (original.md §1.4); a known end (an allowance, a deadline) cuts its share.
 */
export interface CostForecast {
  /** ISO: from when it looks forward. */
  at: string;
  /** Burn per hour now. */
  hourly: CostBreakdown;
  day: CostBreakdown;
  week: CostBreakdown;
  month: CostBreakdown;
  /** Live resources in it. */
  resources: number;
}

/** @param ends ISO end by resource id, where it is known that the resource lives no longer. */
export function forecast(
  records: Iterable<ResourceRecord>,
  options: { now: number | string; ends?: Record<string, string> | undefined; currency?: string | undefined },
): CostForecast {
  const now = timeOf(options.now);
  const live = [...records].filter((record) => record.state !== "ended" && record.segments.some((segment) => segment.to === undefined));
  const next = (hours: number): CostBreakdown => {
    const until = now + hours * 3_600_000;
    const things = live.map((record) => {
      const known = options.ends?.[record.id];
      const end = known === undefined || Number.isNaN(timeOf(known)) ? until : Math.min(until, Math.max(now, timeOf(known)));
      const segments = segmentsOf(record)
        .filter((segment) => segment.to === undefined)
        .map((segment): PriceSegment => ({ ...segment, from: iso(now), to: iso(end) }));
      return { label: record.id, segments };
    });
    return costOfAll(things, { now: until, currency: options.currency });
  };
  return {
    at: iso(now),
    hourly: addCosts(
      live.map((record) => hourlyBurn(record)),
      options.currency,
    ),
    day: next(24),
    week: next(168),
    month: next(720),
    resources: live.length,
  };
}
