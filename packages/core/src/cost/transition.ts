import type { Money } from "../provider/money.ts";
import type { MachineState } from "../provider/resource.ts";
import type { Evidence, PriceSegment, ResourceRecord } from "./resource-record.ts";
import { repairSegment, timeOf } from "./segments.ts";

/** What was seen of a resource at a moment. */
export interface Observation {
  state: MachineState;
  /** ISO. */
  at: string;
  evidence: Evidence;
  /** Price of compute from now on; default: the price of the last compute segment. */
  pricePerHour?: Money | undefined;
  /** Price of the disk from now on; default: the price of the last storage segment, none where there never was one. */
  storagePricePerHour?: Money | undefined;
}

// Doubt costs money: a machine that is ending, or that we cannot see, is billed until it is known to be gone (P-05).
const COMPUTE_IS_BILLED: Record<MachineState, boolean> = {
  pending: true,
  running: true,
  stopping: true,
  stopped: false,
  ending: true,
  ended: false,
  unknown: true,
};

/**
 * The record after an observation. A stop closes the compute segment at that moment, which freezes its cost; a start opens
 * a new one, so that stopped hours are never counted; storage goes on until the thing ended. A new price closes the segment
 * and opens another. An `at` before the open segment's beginning (a clock jumped) counts 0 and is marked inferred.
 * An ended record stays ended. Does not change its argument.
 */
export function transition(record: ResourceRecord, seen: Observation): ResourceRecord {
  if (record.state === "ended") return record;
  let segments = advance(record.segments, "compute", COMPUTE_IS_BILLED[seen.state], seen.pricePerHour, seen);
  const hasStorage = seen.storagePricePerHour !== undefined || segments.some((segment) => segment.what === "storage");
  segments = advance(segments, "storage", hasStorage && seen.state !== "ended", seen.storagePricePerHour, seen);
  if (seen.state !== "ended") return { ...record, state: seen.state, segments };
  segments = segments.map((segment) => (segment.to === undefined ? close(segment, seen) : segment));
  return { ...record, state: "ended", endedAt: latest(record.createdAt, seen.at), segments };
}

function advance(
  segments: readonly PriceSegment[],
  what: "compute" | "storage",
  billed: boolean,
  price: Money | undefined,
  seen: Observation,
): PriceSegment[] {
  const open = segments.findIndex((segment) => segment.what === what && segment.to === undefined && segment.evidence !== "billed");
  const current = open < 0 ? undefined : segments[open];
  if (current !== undefined) {
    const samePrice =
      price === undefined || (current.pricePerHour?.amount === price.amount && current.pricePerHour.currency === price.currency);
    if (billed && samePrice) return [...segments];
    const closed = segments.map((segment, index) => (index === open ? close(segment, seen) : segment));
    return billed ? [...closed, begin(what, price, seen)] : closed;
  }
  if (!billed) return [...segments];
  const last = segments.findLast((segment) => segment.what === what && segment.evidence !== "billed");
  return [...segments, begin(what, price ?? last?.pricePerHour, seen)];
}

function begin(what: "compute" | "storage", price: Money | undefined, seen: Observation): PriceSegment {
  return { from: seen.at, what, evidence: seen.evidence, ...(price === undefined ? {} : { pricePerHour: price }) };
}

function close(segment: PriceSegment, seen: Observation): PriceSegment {
  return repairSegment({ ...segment, to: seen.at, evidence: weaker(segment.evidence, seen.evidence) });
}

/** An interval is only as well known as its worse bound. */
function weaker(a: Evidence, b: Evidence): Evidence {
  const order: Evidence[] = ["inferred", "told-by-host", "observed", "billed"];
  return order[Math.min(order.indexOf(a), order.indexOf(b))] ?? "inferred";
}

function latest(a: string, b: string): string {
  return timeOf(b) < timeOf(a) ? a : b;
}
