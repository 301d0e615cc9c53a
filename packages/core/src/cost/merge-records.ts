import type { PriceSegment, ResourceRecord, ResourceSource } from "./resource-record.ts";

/**
 * All records of several sources, each thing once. Two sources that know the same id would count its cost twice: the first
 * source's record leads, see `mergeRecord`.
 */
export async function mergeRecords(
  sources: readonly ResourceSource[],
  options: { from?: string | undefined } = {},
): Promise<ResourceRecord[]> {
  const byId = new Map<string, ResourceRecord>();
  for (const source of sources) {
    for await (const record of source.records(options)) {
      const known = byId.get(record.id);
      byId.set(record.id, known === undefined ? record : mergeRecord(known, record));
    }
  }
  return [...byId.values()];
}

/**
 * One record out of two about the same thing. `first` leads; the other adds tags beneath, the provider's bills, and a deletion
 * that `first` does not know of yet: "ending" and "ended" are never taken back.
 */
export function mergeRecord(first: ResourceRecord, second: ResourceRecord): ResourceRecord {
  const has = new Set(first.segments.filter((segment) => segment.evidence === "billed").map(keyOf));
  const bills = second.segments.filter((segment) => segment.evidence === "billed" && !has.has(keyOf(segment)));
  const merged = { ...first, tags: { ...second.tags, ...first.tags }, segments: [...first.segments, ...bills] };
  if (first.state === "ended" || (second.state !== "ended" && second.state !== "ending")) return merged;
  if (second.state === "ending" || second.endedAt === undefined) return { ...merged, state: second.state };
  return { ...merged, state: "ended", endedAt: second.endedAt };
}

function keyOf(segment: PriceSegment): string {
  return `${segment.what} ${segment.from} ${segment.pricePerHour?.amount ?? ""} ${segment.pricePerHour?.currency ?? ""}`;
}
