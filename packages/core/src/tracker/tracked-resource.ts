import type { CostBreakdown } from "../cost/cost.ts";
import { hourlyBurn, recordCost } from "../cost/record-cost.ts";
import type { ResourceRecord } from "../cost/resource-record.ts";
import { timeOf } from "../cost/segments.ts";
import type { UsageSample } from "./resource-events.ts";

/** A record with its figures at one moment. */
export interface TrackedResource extends ResourceRecord {
  /** Accumulated so far. */
  cost: CostBreakdown;
  /** Burn per hour now. */
  hourly: CostBreakdown;
  /** Milliseconds since creation, up to the end for ended ones; 0 after a clock's jump back. */
  ageMs: number;
  /** The newest 1,000 samples, oldest first. */
  usage: UsageSample[];
}

export function track(record: ResourceRecord, usage: UsageSample[], now: number): TrackedResource {
  const end = record.endedAt === undefined ? now : timeOf(record.endedAt);
  const age = end - timeOf(record.createdAt);
  return {
    ...record,
    cost: recordCost(record, { now }),
    hourly: hourlyBurn(record),
    ageMs: Number.isFinite(age) ? Math.max(0, age) : 0,
    usage,
  };
}
