import { type FindQuery, type Machine, type ResourceRef, TAGS } from "@runctl/core/provider";
import type { CloudMachine } from "./cloud-machine.ts";
import type { Fleet } from "./fleet.ts";

/** What one listing may see. */
export interface ListingView {
  fleet: Fleet;
  account: string;
  now: number;
  /** Regions that answer. */
  regions: ReadonlySet<string>;
}

/** Machines that the query names and that a listing of this moment shows. Never looks at more than the query must. */
export function listMachines(query: FindQuery, view: ListingView): Machine[] {
  if (query.kinds !== undefined && !query.kinds.includes("machine")) return [];
  view.fleet.forget();
  const machines: Machine[] = [];
  for (const machine of candidates(query, view)) {
    if (machine.account !== view.account || machine.visibleAt > view.now || !view.regions.has(machine.pool.region)) continue;
    const shown = view.fleet.show(machine);
    if (fits(shown, query)) machines.push(shown);
  }
  return machines;
}

/** Whether a thing is what the query asks for. */
export function fits(thing: { ref: ResourceRef; tags: Record<string, string> }, query: FindQuery): boolean {
  return (
    (query.ids === undefined || query.ids.includes(thing.ref.id)) &&
    (query.kinds === undefined || query.kinds.includes(thing.ref.kind)) &&
    (query.intentId === undefined || thing.tags[TAGS.intent] === query.intentId) &&
    (query.includeForeign === true || query.stateId === undefined || thing.tags[TAGS.state] === query.stateId)
  );
}

function candidates(query: FindQuery, { fleet, account }: ListingView): Iterable<CloudMachine> {
  const { index } = fleet;
  if (query.ids !== undefined) {
    return query.ids.flatMap((id) => {
      const machine = index.byId.get(id);
      return machine !== undefined && index.isListed(machine) ? [machine] : [];
    });
  }
  if (query.intentId !== undefined) return index.ofIntent(account, query.intentId);
  if (query.stateId !== undefined && query.includeForeign !== true) return index.ofState(account, query.stateId);
  return index.ofAccount(account);
}
