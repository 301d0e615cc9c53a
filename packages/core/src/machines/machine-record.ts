import type { ResourceRecord } from "../cost/resource-record.ts";
import { transition } from "../cost/transition.ts";
import type { Intent } from "../provider/intent.ts";
import { formatRef, type Machine } from "../provider/resource.ts";

/** The ledger record of a machine that was just bought, at the price it was bought at. */
export function machineRecord(
  machine: Machine,
  intent: Pick<Intent, "offers">,
  owner: { stateId: string; project: string; user: string; now: string },
): ResourceRecord {
  const offer =
    intent.offers.find((candidate) => candidate.type === machine.type && candidate.market === machine.market) ?? intent.offers[0];
  const createdAt = machine.createdAt ?? owner.now;
  const blank: ResourceRecord = {
    id: formatRef(machine.ref),
    ref: machine.ref,
    name: machine.name,
    state: "pending",
    stateId: owner.stateId,
    project: owner.project,
    user: owner.user,
    tags: machine.tags,
    type: machine.type ?? offer.type,
    market: machine.market ?? offer.market,
    region: machine.ref.region ?? offer.region,
    zone: machine.zone ?? offer.zone,
    createdAt,
    segments: [],
  };
  const pricePerHour = machine.pricePerHour ?? offer.pricePerHour;
  return transition(blank, { state: machine.state, at: createdAt, evidence: "observed", pricePerHour });
}
