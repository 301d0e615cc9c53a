import type { PriceSegment, ResourceRecord } from "../../src/cost/resource-record.ts";

/** A running machine at $1/h since 2026-01-01T00:00Z, changed by `over`. */
export function record(over: Partial<ResourceRecord> = {}): ResourceRecord {
  const ref = over.ref ?? { provider: "mem", kind: "machine", id: "m-1" };
  return {
    id: `${ref.provider}/${ref.kind}/${ref.id}`,
    ref,
    name: ref.id,
    state: "running",
    stateId: "state-a",
    project: "digits",
    user: "ann",
    tags: {},
    createdAt: "2026-01-01T00:00:00.000Z",
    segments: [segment()],
    ...over,
  };
}

/** $1/h of compute since 2026-01-01T00:00Z, changed by `over`. */
export function segment(over: Partial<PriceSegment> = {}): PriceSegment {
  return { from: "2026-01-01T00:00:00.000Z", what: "compute", pricePerHour: usd(1), evidence: "observed", ...over };
}

export function usd(amount: number): { amount: number; currency: string } {
  return { amount, currency: "USD" };
}
