import type { Intent, Machine, Random } from "@runctl/core/provider";
import type { BillingRules } from "./billing-rules.ts";
import type { CloudErrors } from "./cloud-errors.ts";
import type { CloudEvent, CloudEvents } from "./cloud-events.ts";
import { type CloudMachine, enter, type Hang, lifeAt, showMachine, stateAt } from "./cloud-machine.ts";
import type { ListingOptions, Tagging, TransitionOptions } from "./cloud-options.ts";
import type { CloudTime } from "./cloud-time.ts";
import type { MachineHostFactory } from "./machine-host.ts";
import { MachineIndex } from "./machine-index.ts";
import type { MachinePlan } from "./machine-plan.ts";
import { readName } from "./names.ts";
import type { Network } from "./network.ts";
import { type Pool, room } from "./pool.ts";
import type { Quota } from "./quota.ts";

const HOUR_MS = 3_600_000;

/** What a fleet needs from its cloud. */
export interface FleetParts {
  provider: string;
  time: CloudTime;
  random: Random;
  errors: CloudErrors;
  events: CloudEvents;
  network: Network;
  quota: Quota;
  rules: BillingRules;
  tagging: Tagging;
  transitions: TransitionOptions;
  listing: ListingOptions;
  onPowerOff: "terminate" | "stop" | "keeps-billing";
  host: MachineHostFactory | undefined;
  /** The spot market's hooks: a machine of it is on, or is not any more. */
  poweredOn(machine: CloudMachine, plan: MachinePlan | undefined): void;
  poweredOff(machine: CloudMachine): void;
  /** Volumes of a machine that ended are free again. */
  released(machine: CloudMachine): void;
}

/** What a new machine is made of. */
export interface NewMachine {
  account: string;
  client: string;
  name: string;
  tags: Record<string, string>;
  pool: Pool;
  intent?: Intent | undefined;
  plan?: MachinePlan | undefined;
}

/** All machines of a cloud and their lives. States that only time changes are worked out from timestamps when asked for. */
export class Fleet {
  readonly index = new MachineIndex();
  readonly #parts: FleetParts;
  /** Ended machines in the order in which listings forget them. */
  readonly #ended: CloudMachine[] = [];
  #count = 0;
  #living = 0;

  constructor(parts: FleetParts) {
    this.#parts = parts;
  }

  /** Machines that have not ended. */
  get living(): number {
    return this.#living;
  }

  /** Makes a machine and switches it on. Whether it may exist was decided before. */
  make(wanted: NewMachine): CloudMachine {
    const { time, quota, rules, transitions } = this.#parts;
    const now = time.now();
    const { pool, plan } = wanted;
    this.#count += 1;
    const machine: CloudMachine = {
      id: `i-${this.#count.toString(16).padStart(10, "0")}`,
      account: wanted.account,
      client: wanted.client,
      pool,
      createdAt: now,
      visibleAt: now + (plan?.lagMs ?? this.#lag()),
      price: pool.price.at(now),
      diskGib: wanted.intent?.diskBytes === undefined ? rules.defaultDiskGib : wanted.intent.diskBytes / 2 ** 30,
      name: wanted.name,
      tags: wanted.tags,
      life: [{ at: now, state: (transitions.pendingMs ?? 0) > 0 || plan?.hang === "boot" ? "pending" : "running" }],
      stretches: [],
      hang: plan?.hang,
      intent: wanted.intent,
      intentId: wanted.intent?.id,
      intendedTags: wanted.intent?.tags ?? {},
      booted: false,
      boots: 0,
      volumes: [],
      egressGb: 0,
      timers: [],
      version: 0,
    };
    this.#living += 1;
    quota.countMachine(machine.account, 1);
    this.#reindex(machine);
    this.#event("made", machine, pool.id);
    machine.host = wanted.intent === undefined ? undefined : this.#inside(machine, wanted.intent);
    this.#powerOn(machine, plan);
    return machine;
  }

  /** Tags as a reader of this cloud sees them: its own, or those in the name. */
  tagsOf(machine: CloudMachine): Record<string, string> {
    return this.#parts.tagging === "in-name" ? readName(machine.name).tags : machine.tags;
  }

  nameOf(machine: CloudMachine): string {
    return this.#parts.tagging === "in-name" ? readName(machine.name).name : machine.name;
  }

  /** Sets name or tags anew. */
  rename(machine: CloudMachine, change: { name?: string; tags?: Record<string, string> }): void {
    if (change.name !== undefined) machine.name = change.name;
    if (change.tags !== undefined) machine.tags = change.tags;
    machine.version += 1;
    if (this.index.isListed(machine)) this.#reindex(machine);
    this.#event("tagged", machine);
  }

  /** The machine as a listing of this moment shows it. */
  show(machine: CloudMachine): Machine {
    const { provider, rules, time, listing } = this.#parts;
    return showMachine(
      machine,
      {
        provider,
        currency: rules.currency,
        tagsOf: (one) => this.tagsOf(one),
        nameOf: (one) => this.nameOf(one),
      },
      time.now() - (listing.stateLagMs ?? 0),
    );
  }

  /** The machine of this id that the account may speak of. */
  find(account: string, id: string): CloudMachine | undefined {
    const machine = this.index.byId.get(id);
    return machine?.account === account ? machine : undefined;
  }

  state(machine: CloudMachine): CloudMachine["life"][number]["state"] {
    return stateAt(machine, this.#parts.time.now());
  }

  /** Ends a machine for good; ending one that ended changes nothing. */
  end(machine: CloudMachine, reason: string, options: { reclaimed?: boolean } = {}): void {
    const { time, quota, transitions } = this.#parts;
    const now = time.now();
    const state = stateAt(machine, now);
    if (state === "ended" || machine.endedAt !== undefined) return;
    if (machine.hang === "ending") {
      if (state !== "ending") enter(machine, now, { at: now, state: "ending", reason });
      this.#halt(machine, "gone");
      return;
    }
    const endingMs = transitions.endingMs ?? 0;
    const ended = { at: now + endingMs, state: "ended" as const, reason };
    enter(machine, now, ...(endingMs > 0 ? [{ at: now, state: "ending" as const, reason }, ended] : [ended]));
    machine.endedAt = now;
    this.#powerOff(machine, options.reclaimed === true);
    this.#halt(machine, "gone");
    this.#parts.released(machine);
    this.#living -= 1;
    quota.countMachine(machine.account, -1);
    this.#ended.push(machine);
    this.#event("ended", machine, reason);
  }

  /** Switches a machine off; its disk stays. @throws ConflictError, UnsupportedCapabilityError as the cloud would. */
  stop(machine: CloudMachine, reason: string, options: { reclaimed?: boolean } = {}): void {
    const { errors, time, transitions } = this.#parts;
    const now = time.now();
    const state = stateAt(machine, now);
    if (state === "stopped" || state === "stopping") return;
    if (state !== "running")
      throw errors.conflict("IncorrectInstanceState", `The instance '${machine.id}' is not in a state from which it can be stopped.`);
    if (machine.hang === "stopping") {
      enter(machine, now, { at: now, state: "stopping", reason });
      this.#halt(machine, "kept");
      return;
    }
    const stoppingMs = transitions.stoppingMs ?? 0;
    const stopped = { at: now + stoppingMs, state: "stopped" as const, reason };
    enter(machine, now, ...(stoppingMs > 0 ? [{ at: now, state: "stopping" as const, reason }, stopped] : [stopped]));
    this.#powerOff(machine, options.reclaimed === true);
    this.#halt(machine, "kept");
    this.#event("stopped", machine, reason);
  }

  /** Switches a stopped machine on again. @throws ConflictError, NoCapacityError, QuotaError as the cloud would. */
  start(machine: CloudMachine): void {
    const { errors, quota, time, transitions } = this.#parts;
    const now = time.now();
    const state = stateAt(machine, now);
    if (state === "running" || state === "pending") return;
    if (state !== "stopped")
      throw errors.conflict("IncorrectInstanceState", `The instance '${machine.id}' is not in a state from which it can be started.`);
    const { pool } = machine;
    quota.check(machine.account, pool.region, pool.market, { machines: 0, cpus: pool.type.cpus });
    if (room(pool, now) < 1) throw errors.noCapacity(pool.type.name, pool.zone);
    enter(machine, now, { at: now, state: (transitions.pendingMs ?? 0) > 0 ? "pending" : "running" });
    machine.notice = undefined;
    this.#powerOn(machine, undefined);
    this.#event("started", machine);
  }

  /** From now on the machine hangs in this way; undefined lets go, and what was asked of it is done. A change under way goes on. */
  hang(machine: CloudMachine, how: Hang | undefined): void {
    const { time } = this.#parts;
    const now = time.now();
    const { state, reason = "" } = lifeAt(machine, now);
    const was = machine.hang;
    if (was === how || (machine.endedAt ?? Number.POSITIVE_INFINITY) <= now) return;
    machine.hang = how;
    if (how !== undefined) this.#event("hung", machine, how);
    // Nothing will come of the boot that is under way.
    if (how === "boot" && state === "pending") enter(machine, now);
    if (was === "boot" && state === "pending") this.#boot(machine);
    else if (was === "ending" && state === "ending") this.end(machine, reason);
    else if (was === "stopping" && state === "stopping") {
      enter(machine, now, { at: now, state: "stopped", reason });
      this.#powerOff(machine, false);
    }
  }

  /** Takes ended machines out of the listings when their time there is over. */
  forget(): void {
    const before = this.#parts.time.now() - (this.#parts.listing.keepEndedMs ?? HOUR_MS) - (this.#parts.listing.stateLagMs ?? 0);
    let count = 0;
    while ((this.#ended[count]?.endedAt ?? Number.POSITIVE_INFINITY) < before) {
      const machine = this.#ended[count] as CloudMachine;
      this.index.leave(machine);
      machine.shown = undefined;
      machine.intent = undefined;
      count += 1;
    }
    if (count > 0) this.#ended.splice(0, count);
  }

  #inside(machine: CloudMachine, intent: Intent): CloudMachine["host"] {
    const { network, errors } = this.#parts;
    const isOnline = (): boolean => network.isCut("host-world", { machine: machine.id, region: machine.pool.region }) === undefined;
    return this.#parts.host?.({
      id: machine.id,
      intent,
      zone: machine.pool.zone,
      isOnline,
      powerOff: () => this.#poweredItselfOff(machine),
      endItself: async () => {
        if (!isOnline()) throw errors.unreachable("The cloud's API", "the machine's network is cut");
        this.end(machine, "Client.UserInitiatedShutdown: User initiated shutdown");
      },
    });
  }

  #poweredItselfOff(machine: CloudMachine): void {
    if (!machine.booted) return;
    const reason = "Client.InstanceInitiatedShutdown: Instance initiated shutdown";
    this.#event("powered-off", machine);
    if (this.#parts.onPowerOff === "terminate") this.end(machine, reason);
    else if (this.#parts.onPowerOff === "stop") this.stop(machine, reason);
    else this.#halt(machine, "kept");
  }

  #powerOn(machine: CloudMachine, plan: MachinePlan | undefined): void {
    const { quota, rules, time, transitions } = this.#parts;
    const now = time.now();
    const runsAt = now + (transitions.pendingMs ?? 0);
    const { pool } = machine;
    pool.used += 1;
    quota.countCpus(machine.account, pool.region, pool.market, pool.type.cpus, 1);
    machine.stretches.push({ on: now, from: rules.from === "running" ? runsAt : now });
    this.#parts.poweredOn(machine, plan);
    if (plan?.failBoot !== undefined) {
      const reason = plan.failBoot;
      machine.timers.push(time.at(runsAt, () => this.end(machine, reason)));
    } else if (machine.hang !== "boot") {
      if (runsAt > now) {
        machine.life.push({ at: runsAt, state: "running" });
        machine.timers.push(time.at(runsAt, () => this.#boot(machine)));
      } else this.#boot(machine);
    }
  }

  #boot(machine: CloudMachine): void {
    if (machine.hang === "boot" || machine.booted) return;
    const now = this.#parts.time.now();
    if (stateAt(machine, now) === "pending") enter(machine, now, { at: now, state: "running" });
    machine.booted = true;
    machine.boots += 1;
    this.#event("running", machine);
    machine.host?.boot();
  }

  #powerOff(machine: CloudMachine, reclaimed: boolean): void {
    const now = this.#parts.time.now();
    const open = machine.stretches.at(-1);
    if (open === undefined || open.to !== undefined) return;
    open.to = now;
    open.reclaimed = reclaimed;
    const { pool } = machine;
    pool.used -= 1;
    this.#parts.quota.countCpus(machine.account, pool.region, pool.market, pool.type.cpus, -1);
    for (const timer of machine.timers.splice(0)) timer.cancel();
    this.#parts.poweredOff(machine);
  }

  #halt(machine: CloudMachine, disk: "kept" | "gone"): void {
    if (!machine.booted && disk === "kept") return;
    machine.booted = false;
    const { host } = machine;
    // What has lost its disk is not spoken to again.
    if (disk === "gone") machine.host = undefined;
    host?.halt(disk);
  }

  #lag(): number {
    const lag = this.#parts.listing.lagMs ?? 0;
    if (typeof lag === "number") return lag;
    return lag[0] + Math.floor(this.#parts.random.next() * (lag[1] - lag[0]));
  }

  #reindex(machine: CloudMachine): void {
    this.index.enter(machine, this.tagsOf(machine));
  }

  #event(kind: CloudEvent["kind"], machine: CloudMachine, detail?: string): void {
    const { events, time } = this.#parts;
    if (events.wanted) events.push({ at: time.now(), kind, id: machine.id, account: machine.account, client: machine.client, detail });
  }
}
