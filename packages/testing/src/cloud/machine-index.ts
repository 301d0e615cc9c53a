import { TAGS } from "@runctl/core/provider";
import type { CloudMachine } from "./cloud-machine.ts";

/** Machines by what listings ask for, so that none of them looks at all machines. Ended ones leave it after a while; `byId` keeps them. */
export class MachineIndex {
  readonly byId = new Map<string, CloudMachine>();
  readonly #accounts = new Map<string, Set<CloudMachine>>();
  readonly #states = new Map<string, Set<CloudMachine>>();
  readonly #intents = new Map<string, Set<CloudMachine>>();
  readonly #places = new Map<CloudMachine, Array<[Map<string, Set<CloudMachine>>, string]>>();

  /** Enters a machine, or enters it anew when its tags changed. */
  enter(machine: CloudMachine, tags: Record<string, string>): void {
    this.byId.set(machine.id, machine);
    const places: Array<[Map<string, Set<CloudMachine>>, string]> = [[this.#accounts, machine.account]];
    const state = tags[TAGS.state];
    const intent = tags[TAGS.intent];
    if (state !== undefined) places.push([this.#states, `${machine.account} ${state}`]);
    if (intent !== undefined) places.push([this.#intents, `${machine.account} ${intent}`]);
    const before = this.#places.get(machine);
    // A tag that no listing asks by moves nothing.
    if (before?.length === places.length && before.every(([map, key], index) => map === places[index]?.[0] && key === places[index]?.[1]))
      return;
    this.leave(machine);
    for (const [map, key] of places) {
      const set = map.get(key) ?? new Set();
      map.set(key, set.add(machine));
    }
    this.#places.set(machine, places);
  }

  /** No listing shows it any more. */
  leave(machine: CloudMachine): void {
    for (const [map, key] of this.#places.get(machine) ?? []) {
      const set = map.get(key);
      set?.delete(machine);
      if (set?.size === 0) map.delete(key);
    }
    this.#places.delete(machine);
  }

  isListed(machine: CloudMachine): boolean {
    return this.#places.has(machine);
  }

  ofAccount(account: string): Iterable<CloudMachine> {
    return this.#accounts.get(account) ?? [];
  }

  ofState(account: string, stateId: string): Iterable<CloudMachine> {
    return this.#states.get(`${account} ${stateId}`) ?? [];
  }

  ofIntent(account: string, intentId: string): Iterable<CloudMachine> {
    return this.#intents.get(`${account} ${intentId}`) ?? [];
  }
}
