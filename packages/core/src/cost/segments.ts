import type { PriceSegment } from "./resource-record.ts";

/** Milliseconds of ISO text or a number; NaN for what is neither. */
export function timeOf(value: number | string): number {
  return typeof value === "number" ? value : Date.parse(value);
}

/** A segment that ends before it begins (a clock jumped) lasts 0 and its bounds are only inferred. */
export function repairSegment(segment: PriceSegment): PriceSegment {
  if (segment.to === undefined || !(timeOf(segment.to) < timeOf(segment.from))) return segment;
  return { ...segment, to: segment.from, evidence: "inferred" };
}

/**
 * The segments that count: repaired, and with the provider's own record ("billed") in place of ours where both speak about
 * the same time and the same thing. What no bill covers yet stays as we saw it. `now` bounds open billed segments.
 */
export function effectiveSegments(segments: readonly PriceSegment[], now: number): PriceSegment[] {
  const repaired = segments.map(repairSegment);
  const billed = repaired.filter((segment) => segment.evidence === "billed");
  if (billed.length === 0) return repaired;
  return [...billed, ...repaired.filter((segment) => segment.evidence !== "billed").flatMap((segment) => without(segment, billed, now))];
}

/** The parts of `segment` that no bill of the same kind covers. */
function without(segment: PriceSegment, billed: readonly PriceSegment[], now: number): PriceSegment[] {
  let parts: PriceSegment[] = [segment];
  for (const bill of billed) {
    if (bill.what !== segment.what) continue;
    const from = timeOf(bill.from);
    const to = bill.to === undefined ? now : timeOf(bill.to);
    if (!(from < to)) continue;
    parts = parts.flatMap((part) => cut(part, from, to));
  }
  return parts;
}

function cut(part: PriceSegment, from: number, to: number): PriceSegment[] {
  const start = timeOf(part.from);
  const end = part.to === undefined ? Number.POSITIVE_INFINITY : timeOf(part.to);
  if (!(start < to && from < end)) return [part];
  const left: PriceSegment[] = start < from ? [{ ...part, to: iso(from) }] : [];
  const right: PriceSegment[] = to < end ? [{ ...part, from: iso(to) }] : [];
  return [...left, ...right];
}

/** ISO text of milliseconds since the epoch. */
export function iso(ms: number): string {
  return new Date(ms).toISOString();
}
