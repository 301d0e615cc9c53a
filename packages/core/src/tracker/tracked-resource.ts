import type { CostBreakdown } from "../cost/cost.ts";
import { hourlyBurn, recordCost, segmentsOf } from "../cost/record-cost.ts";
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

// An ended record is final, so its figures are, too: lists of ten thousand do not add them up again.
const FINAL = new WeakMap<ResourceRecord, Pick<TrackedResource, "cost" | "hourly" | "ageMs">>();

export function track(record: ResourceRecord, usage: UsageSample[], now: number): TrackedResource {
  const known = FINAL.get(record);
  if (known !== undefined) return { ...record, ...known, usage };
  const end = record.endedAt === undefined ? now : timeOf(record.endedAt);
  const age = end - timeOf(record.createdAt);
  const figures = { cost: recordCost(record, { now }), hourly: hourlyBurn(record), ageMs: Number.isFinite(age) ? Math.max(0, age) : 0 };
  // A bill may reach past the end (minimum billing): until then the sum still grows.
  const settled = segmentsOf(record).every((segment) => segment.to !== undefined && timeOf(segment.to) <= now);
  if (record.state === "ended" && settled && end <= now) FINAL.set(record, figures);
  return { ...record, ...figures, usage };
}
