import type { MachineState } from "@runctl/core/provider";
import { type CloudMachine, lifeAt, type PoweredStretch } from "./cloud-machine.ts";
import type { Fleet } from "./fleet.ts";
import type { MachineNotice } from "./machine-host.ts";

/** A machine as it is, for tests and audits. Times in milliseconds of the cloud's clock. */
export interface MachineTruth {
  id: string;
  name: string;
  account: string;
  /** Name of the client that bought it. */
  client: string;
  region: string;
  zone: string;
  type: string;
  market: string;
  /** The offer it was bought by. */
  pool: string;
  state: MachineState;
  reason?: string | undefined;
  tags: Readonly<Record<string, string>>;
  /** The purchase it came from; absent for what was planted. */
  intentId?: string | undefined;
  /** Tags of that purchase, whether or not the machine bears them (yet). */
  intendedTags: Readonly<Record<string, string>>;
  createdAt: number;
  /** When billing of it ended for good. */
  endedAt?: number | undefined;
  /** When it was on. */
  stretches: readonly Readonly<PoweredStretch>[];
  notice?: MachineNotice | undefined;
  /** Price per hour when it was bought. */
  price: number;
}

/** The truth about a machine now; a copy. */
export function machineTruth(machine: CloudMachine, fleet: Fleet, now: number): MachineTruth {
  const { state, reason } = lifeAt(machine, now);
  return {
    id: machine.id,
    name: machine.name,
    account: machine.account,
    client: machine.client,
    region: machine.pool.region,
    zone: machine.pool.zone,
    type: machine.pool.type.name,
    market: machine.pool.market,
    pool: machine.pool.id,
    state,
    reason,
    tags: { ...fleet.tagsOf(machine) },
    intentId: machine.intentId,
    intendedTags: machine.intendedTags,
    createdAt: machine.createdAt,
    endedAt: machine.endedAt,
    stretches: machine.stretches.map((stretch) => ({ ...stretch })),
    notice: machine.notice,
    price: machine.price,
  };
}
