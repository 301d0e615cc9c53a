import type { PriceSegment, ResourceRecord, ResourceSource } from "./resource-record.ts";

/**
 * All records of several sources, each thing once. Two sources that know the same id would count its cost twice: the first
 * source's record stays, with the other's tags beneath its own and the other's billed segments, which are the provider's word.
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

/** One record out of two about the same thing; `first` leads. */
export function mergeRecord(first: ResourceRecord, second: ResourceRecord): ResourceRecord {
  const has = new Set(first.segments.filter((segment) => segment.evidence === "billed").map(keyOf));
  const bills = second.segments.filter((segment) => segment.evidence === "billed" && !has.has(keyOf(segment)));
  return { ...first, tags: { ...second.tags, ...first.tags }, segments: [...first.segments, ...bills] };
}

function keyOf(segment: PriceSegment): string {
  return `${segment.what} ${segment.from} ${segment.pricePerHour?.amount ?? ""} ${segment.pricePerHour?.currency ?? ""}`;
}
