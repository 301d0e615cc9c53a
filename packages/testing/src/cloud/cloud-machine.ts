import type { Intent, Machine, MachineState, Timer } from "@runctl/core/provider";
import { iso } from "./cloud-time.ts";
import type { MachineHost, MachineNotice } from "./machine-host.ts";
import type { Pool } from "./pool.ts";

/** A state and when it begins; entries of the future are what will happen if nothing else does. */
export interface LifeEntry {
  at: number;
  state: MachineState;
  reason?: string | undefined;
}

/** A stretch of power, which is what compute is billed by. */
export interface PoweredStretch {
  /** When it was switched on. */
  on: number;
  /** From when it is billed: at once, or when it runs. One that was switched off before is not billed. */
  from: number;
  to?: number | undefined;
  /** The cloud took the machine back: it may cost nothing then. */
  reclaimed?: boolean | undefined;
}

/** "boot": never gets past pending. "connect": runs, and lets nobody in. "ending", "stopping": never done with it, and billed. */
export type Hang = "boot" | "connect" | "ending" | "stopping";

/** A machine in the cloud's own books. */
export interface CloudMachine {
  readonly id: string;
  readonly account: string;
  /** Name of the client that bought it. */
  readonly client: string;
  readonly pool: Pool;
  readonly createdAt: number;
  readonly visibleAt: number;
  /** Price per hour when it was bought. */
  readonly price: number;
  readonly diskGib: number;
  name: string;
  /** As the cloud keeps them. */
  tags: Record<string, string>;
  life: LifeEntry[];
  stretches: PoweredStretch[];
  endedAt?: number | undefined;
  notice?: MachineNotice | undefined;
  hang?: Hang | undefined;
  host?: MachineHost | undefined;
  /** Until it ended and was forgotten by listings. */
  intent?: Intent | undefined;
  readonly intentId?: string | undefined;
  /** What the create call asked for. */
  readonly intendedTags: Readonly<Record<string, string>>;
  /** Power is on and the boot over. */
  booted: boolean;
  /** How often it was booted: a way in belongs to one boot. */
  boots: number;
  /** Volumes attached to it. */
  volumes: string[];
  egressGb: number;
  timers: Timer[];
  /** Grows with every change that a listing shows. */
  version: number;
  shown?: { version: number; entry: LifeEntry; machine: Machine } | undefined;
}

/** What it is at this moment. */
export function lifeAt(machine: CloudMachine, now: number): LifeEntry {
  const { life } = machine;
  for (let i = life.length - 1; i > 0; i--) {
    const entry = life[i];
    if (entry !== undefined && entry.at <= now) return entry;
  }
  return life[0] ?? { at: machine.createdAt, state: "unknown" };
}

/** The state of this moment. */
export function stateAt(machine: CloudMachine, now: number): MachineState {
  return lifeAt(machine, now).state;
}

/** Forgets what would have happened and writes down what happens instead. */
export function enter(machine: CloudMachine, now: number, ...entries: LifeEntry[]): void {
  machine.life = [...machine.life.filter((entry) => entry.at <= now), ...entries];
  machine.version += 1;
}

/** What a provider shows of machines: tags and name as its client reads them. */
export interface Showing {
  provider: string;
  currency: string;
  tagsOf(machine: CloudMachine): Record<string, string>;
  nameOf(machine: CloudMachine): string;
}

/** The machine as listed at `asOf`. Frozen, and the same object until something changes: a thousand runs look every few seconds. */
export function showMachine(machine: CloudMachine, showing: Showing, asOf: number): Machine {
  const entry = lifeAt(machine, asOf);
  const known = machine.shown;
  if (known !== undefined && known.version === machine.version && known.entry === entry) return known.machine;
  const { pool } = machine;
  const reason =
    entry.reason ?? (machine.notice === undefined || entry.state !== "running" ? undefined : `marked-for-${machine.notice.action}`);
  const shown: Machine = {
    ref: Object.freeze({ provider: showing.provider, account: machine.account, region: pool.region, kind: "machine", id: machine.id }),
    name: showing.nameOf(machine),
    state: entry.state,
    tags: Object.freeze({ ...showing.tagsOf(machine) }),
    type: pool.type.name,
    market: pool.market,
    zone: pool.zone,
    createdAt: iso(machine.createdAt),
    ...(entry.state === "ended" && machine.endedAt !== undefined ? { endedAt: iso(machine.endedAt) } : {}),
    ...(pool.hidePrice ? {} : { pricePerHour: Object.freeze({ amount: machine.price, currency: showing.currency }) }),
    ...(entry.state === "running" ? { address: Object.freeze({ host: `${machine.id}.${pool.region}.cloud.test` }) } : {}),
    ...(reason === undefined ? {} : { stateReason: reason }),
  };
  machine.shown = { version: machine.version, entry, machine: Object.freeze(shown) };
  return shown;
}
