import type { PriceSegment, ResourceRecord } from "../cost/resource-record.ts";
import type { Notice } from "../provider/plan.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import type { Machine } from "../provider/resource.ts";
import { TAGS } from "../provider/tags.ts";
import type { ResourceEvent } from "./resource-events.ts";

/** What one provider said about its records: events to append, by record id. */
export interface Refreshed {
  events: Map<string, ResourceEvent[]>;
  failures: Notice[];
}

/**
 * Asks one provider for the states and bills of records. A machine that is not in the listing is left as it is: absence of
 * sight is not death. A failure of one record does not stop the others.
 */
export async function refreshProvider(
  provider: TrainingProvider,
  records: readonly ResourceRecord[],
  options: { stateId: string; now: string; leads: (record: ResourceRecord) => boolean },
): Promise<Refreshed> {
  const events = new Map<string, ResourceEvent[]>();
  const failures: Notice[] = [];
  const machines = records.filter((record) => record.ref.kind === "machine");
  const seen = new Map<string, Machine>();
  try {
    const found = await provider.find({ ids: machines.map((record) => record.ref.id), kinds: ["machine"], includeForeign: true });
    for (const machine of found.machines) seen.set(machine.ref.id, machine);
  } catch (error) {
    failures.push(failure("states-unknown", `${provider.name} did not list its machines.`, error));
  }
  for (const record of machines) {
    const own: ResourceEvent[] = [];
    const machine = seen.get(record.ref.id);
    // Somebody else's machine under a reused id must not write into our ledger.
    const ours = machine !== undefined && (machine.tags[TAGS.state] === undefined || machine.tags[TAGS.state] === options.stateId);
    if (machine !== undefined && ours && options.leads(record) && record.state !== "ended" && differs(machine, record)) {
      own.push({
        type: "observed",
        state: machine.state,
        at: machine.state === "ended" && machine.endedAt !== undefined ? machine.endedAt : options.now,
        evidence: "observed",
        pricePerHour: machine.pricePerHour,
        tags: machine.tags,
      });
    }
    try {
      const intervals = await provider.costs(machine ?? asMachine(record), record.createdAt, options.now);
      const segments = intervals
        .filter((interval) => interval.evidence === "billed" || !record.segments.some((segment) => segment.what === interval.what))
        .map((interval): PriceSegment => ({ ...interval, evidence: "billed" }))
        .filter((bill) => !record.segments.some((known) => sameBill(known, bill)));
      if (segments.length > 0) own.push({ type: "billed", segments });
    } catch (error) {
      failures.push(failure("bill-unknown", `${provider.name} did not tell what ${record.id} costs.`, error));
    }
    if (own.length > 0) events.set(record.id, own);
  }
  return { events, failures };
}

function differs(machine: Machine, record: ResourceRecord): boolean {
  if (machine.state !== record.state) return true;
  const price = record.segments.findLast((segment) => segment.what === "compute" && segment.evidence !== "billed")?.pricePerHour;
  return (
    machine.pricePerHour !== undefined &&
    (machine.pricePerHour.amount !== price?.amount || machine.pricePerHour.currency !== price.currency)
  );
}

function sameBill(known: PriceSegment, bill: PriceSegment): boolean {
  return (
    known.evidence === "billed" &&
    known.what === bill.what &&
    known.from === bill.from &&
    known.to === bill.to &&
    known.pricePerHour?.amount === bill.pricePerHour?.amount &&
    known.pricePerHour?.currency === bill.pricePerHour?.currency
  );
}

/** A record as the machine that a provider is asked about when it lists it no more. */
export function asMachine(record: ResourceRecord): Machine {
  return {
    ref: record.ref,
    name: record.name,
    state: record.state,
    tags: record.tags,
    type: record.type,
    market: record.market,
    zone: record.zone,
    createdAt: record.createdAt,
    endedAt: record.endedAt,
  };
}

function failure(id: string, what: string, error: unknown): Notice {
  return {
    id,
    what,
    why: error instanceof Error ? (error.message.split("\n")[0] ?? "") : "",
    fix: ["Try again later; the figures so far are what was seen."],
  };
}
