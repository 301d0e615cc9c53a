import type { CostBreakdown, CostWindow } from "./cost.ts";
import { costOfAll } from "./cost-of.ts";
import type { PriceSegment, ResourceRecord } from "./resource-record.ts";

/** The segments of a record that count. An ended thing costs nothing after its end, whatever its segments forgot to say. */
export function segmentsOf(record: ResourceRecord): readonly PriceSegment[] {
  if (record.state !== "ended" || record.endedAt === undefined) return record.segments;
  const endedAt = record.endedAt;
  return record.segments.map((segment) => (segment.to === undefined ? { ...segment, to: endedAt } : segment));
}

/** Cost of one record in a window, with its parts. */
export function recordCost(record: ResourceRecord, window: CostWindow): CostBreakdown {
  return costOfAll([{ label: record.id, segments: segmentsOf(record) }], window);
}

/** Cost of many records in a window: compute, storage, transfer and their sum. Something never listed costs nothing. */
export function breakdown(records: Iterable<ResourceRecord>, window: CostWindow): CostBreakdown {
  const things: Array<{ label: string; segments: readonly PriceSegment[] }> = [];
  for (const record of records) things.push({ label: record.id, segments: segmentsOf(record) });
  return costOfAll(things, window);
}

/**
 * What one record burns per hour right now: its open segments. A stopped machine burns its storage only; an ended one nothing.
 */
export function hourlyBurn(record: ResourceRecord, currency?: string | undefined): CostBreakdown {
  const open = record.state === "ended" ? [] : record.segments.filter((segment) => segment.to === undefined);
  const hour = open.map((segment): PriceSegment => ({ ...segment, from: HOUR_FROM, to: HOUR_TO }));
  return costOfAll([{ label: record.id, segments: hour }], { now: HOUR_TO, currency });
}

// Any hour will do: a burn has no date.
const HOUR_FROM = "2000-01-01T00:00:00.000Z";
const HOUR_TO = "2000-01-01T01:00:00.000Z";
