import { type Capabilities, type Clock, type Random, systemClock, systemRandom, type TrainingProvider } from "@runctl/core/provider";
import { asIntervals, type Charge, chargesOf } from "./billing.ts";
import { type BillingRules, DEFAULT_BILLING } from "./billing-rules.ts";
import { capabilitiesOf, givesNotice } from "./capabilities.ts";
import { makePools, type OfferFacts } from "./catalogue.ts";
import { type ClientOptions, cloudClient } from "./client.ts";
import { CloudErrors } from "./cloud-errors.ts";
import { type CloudEvent, CloudEvents } from "./cloud-events.ts";
import { type CloudMachine, type Hang, lifeAt } from "./cloud-machine.ts";
import {
  checkCloudOptions,
  DEFAULT_REGIONS,
  type EmulatedCloudOptions,
  type ListingOptions,
  OUR_TAGS,
  type ProviderClass,
  type Tagging,
} from "./cloud-options.ts";
import { CloudTime } from "./cloud-time.ts";
import type { VolumeTruth } from "./cloud-volume.ts";
import { type CloudOp, FaultScript } from "./faults.ts";
import { Fleet } from "./fleet.ts";
import { drawUp, type Invoice, type InvoiceLine, invoiceLine } from "./invoice.ts";
import type { MachinePlan } from "./machine-plan.ts";
import { Network } from "./network.ts";
import type { Pool } from "./pool.ts";
import { PurchaseDesk } from "./purchase-desk.ts";
import { Quota } from "./quota.ts";
import { RequestQueue } from "./request-queue.ts";
import { SpotMarket } from "./spot-market.ts";
import { Throttle } from "./throttle.ts";
import { Tokens } from "./tokens.ts";
import { type MachineTruth, machineTruth } from "./truth.ts";
import { VolumeShelf } from "./volume-shelf.ts";
import { volumeTruths } from "./volume-truths.ts";
import { Wire } from "./wire.ts";

const TAGGING: Record<ProviderClass, Tagging> = { A: "at-create", B: "in-name", C: "after-create" };

/** An emulated cloud's time and chance. */
export interface CloudWorld {
  /** Default: the computer's. */
  clock?: Clock | undefined;
  /** Default: the operating system's. */
  random?: Random | undefined;
}

/**
 * A cloud that exists only in this process, but behaves like one: it has a market, quotas, lag, faults, a network that can be cut, and
 * an invoice from its own meters. It outlives its clients; each `client()` is one program's view of it. Costs nothing.
 * @throws ValidationError for wrong options.
 */
export function emulatedCloud(options: EmulatedCloudOptions & CloudWorld = {}): EmulatedCloud {
  return new EmulatedCloud(options);
}

/** The far side. What tests do to it (reclaims, hangs, cuts, faults) is done here; what programs do goes through a client. */
export class EmulatedCloud {
  readonly name: string;
  readonly class: ProviderClass;
  readonly accounts: readonly string[];
  readonly capabilities: Capabilities;
  readonly options: EmulatedCloudOptions;
  readonly time: CloudTime;
  /** Which calls go wrong. */
  readonly faults = new FaultScript();
  /** Who can reach whom. */
  readonly network: Network;
  readonly pools: ReadonlyMap<string, Pool>;
  readonly rules: BillingRules;
  /** How listings lag and what they leave out; may be changed at any time. */
  readonly listing: ListingOptions;
  readonly tagging: Tagging;
  /** @internal */
  readonly fleet: Fleet;
  /** @internal */
  readonly shelf: VolumeShelf;
  /** @internal */
  readonly queue: RequestQueue;
  /** @internal Regions by zone. */
  readonly zones: ReadonlyMap<string, string>;
  /** @internal */
  readonly desk: PurchaseDesk;
  /** @internal */
  readonly wire: Wire;
  /** @internal */
  readonly errors: CloudErrors;
  /** Listings by "account/region": a provider that lists once for all its runs keeps this low. */
  readonly listCalls = new Map<string, number>();
  readonly #events: CloudEvents;
  readonly #spot: SpotMarket;
  readonly #clock: Clock;
  readonly #plans: Array<MachinePlan | undefined> = [];
  #clients = 0;

  constructor(options: EmulatedCloudOptions & CloudWorld = {}) {
    checkCloudOptions(options);
    const clock = options.clock ?? systemClock;
    const random = options.random ?? systemRandom;
    this.options = options;
    this.#clock = clock;
    this.name = options.name ?? "cloud";
    this.class = options.class ?? "A";
    this.tagging = options.tagging ?? TAGGING[this.class];
    this.accounts = options.accounts ?? ["acct-1"];
    this.rules = { ...DEFAULT_BILLING, ...options.billing };
    this.listing = { ...options.listing };
    const time = new CloudTime(clock);
    this.time = time;
    const errors = new CloudErrors(this.name);
    this.errors = errors;
    const events = new CloudEvents(options.keepEvents ?? 10_000, options.onEvent);
    this.#events = events;
    this.network = new Network(() => time.now());
    this.pools = makePools(options, time.start);
    this.zones = new Map((options.regions ?? DEFAULT_REGIONS).flatMap((region) => region.zones.map((zone) => [zone, region.name])));
    const quota = new Quota(options.quota ?? {}, errors);
    this.queue = new RequestQueue(time);
    this.#spot = new SpotMarket({
      time,
      random,
      events,
      options: options.spot ?? {},
      end: (machine, reason, how) => this.fleet.end(machine, reason, how),
      stop: (machine, reason, how) => this.fleet.stop(machine, reason, how),
    });
    this.fleet = new Fleet({
      provider: this.name,
      time,
      random,
      errors,
      events,
      network: this.network,
      quota,
      rules: this.rules,
      tagging: this.tagging,
      transitions: options.transitions ?? {},
      listing: this.listing,
      onPowerOff: options.onPowerOff ?? "terminate",
      host: options.host,
      poweredOn: (machine, plan) => this.#spot.poweredOn(machine, plan),
      poweredOff: (machine) => {
        this.#spot.poweredOff(machine);
        this.queue.serve(machine.pool);
      },
      released: (machine) => this.shelf.release(machine),
    });
    this.shelf = new VolumeShelf({
      time,
      errors,
      events,
      rules: this.rules,
      zones: this.zones,
      creatingMs: options.transitions?.volumeMs ?? 0,
      lagMs: () => this.listing.volumeLagMs ?? 0,
      state: (machine) => this.fleet.state(machine),
    });
    this.capabilities = capabilitiesOf(this);
    this.desk = new PurchaseDesk({
      class: this.class,
      tagging: this.tagging,
      tokenScope: options.tokenScope ?? "account",
      limits: {
        provider: this.name,
        pools: this.pools,
        multiPool: this.capabilities.multiPool,
        gang: this.capabilities.gang,
        volumes: options.without?.includes("volumes") !== true,
        userData: this.capabilities.boot !== "session",
        requiredTags: options.requiredTags ?? (this.class === "C" ? [] : OUR_TAGS),
      },
      time,
      random,
      errors,
      fleet: this.fleet,
      quota,
      tokens: new Tokens(time, errors),
      queue: options.whenFull === "queue" ? this.queue : undefined,
      plan: () => this.#plans.shift(),
      checkVolumes: (intent, account, pool) => {
        for (const { ref } of intent.volumes) this.shelf.checkFree(this.shelf.must(account, ref.id), pool.zone);
      },
    });
    const { latencyMs } = options;
    this.wire = new Wire({
      time,
      errors,
      events,
      faults: this.faults,
      network: this.network,
      throttle: new Throttle<CloudOp>(options.throttle ?? {}),
      latencyMs: (op) => (typeof latencyMs === "number" ? latencyMs : (latencyMs?.[op] ?? 0)),
      clientTimeoutMs: options.clientTimeoutMs ?? 60_000,
    });
  }

  /** A program's view of this cloud. Each call is a client (a process) of its own. @throws ValidationError for an unknown account. */
  client(options: ClientOptions = {}): TrainingProvider {
    this.#clients += 1;
    return cloudClient(this, {
      ...options,
      name: options.name ?? options.user ?? `client-${this.#clients}`,
      clock: options.clock ?? this.#clock,
    });
  }

  /** What happened, newest last; see `keepEvents`. */
  get events(): readonly CloudEvent[] {
    return this.#events.list;
  }

  /** Calls so far, by operation. */
  get counts(): Readonly<Partial<Record<CloudOp, number>>> {
    return this.wire.counts;
  }

  /** Machines that have not ended, whoever owns them. */
  get living(): number {
    return this.fleet.living;
  }

  /** The truth about every machine that ever was, oldest first: no lag, no fault. */
  *machines(): Generator<MachineTruth> {
    for (const machine of this.fleet.index.byId.values()) yield machineTruth(machine, this.fleet, this.time.now());
  }

  /** The truth about one machine; undefined when there never was one. */
  machine(id: string): MachineTruth | undefined {
    const machine = this.fleet.index.byId.get(id);
    return machine === undefined ? undefined : machineTruth(machine, this.fleet, this.time.now());
  }

  /** The truth about every volume and snapshot that ever was. */
  volumes(): Generator<VolumeTruth> {
    return volumeTruths(this.shelf);
  }

  /** A volume is mounted so that it does not let go: detaching it fails until it is forced. */
  stick(volumeId: string): void {
    const volume = this.shelf.volumes.get(volumeId);
    if (volume === undefined) throw this.errors.notFound("InvalidVolume.NotFound", `The volume '${volumeId}' does not exist.`);
    volume.stuck = true;
  }

  /** What shall happen to the next machines, one each; undefined leaves one alone. */
  plan(...plans: Array<MachinePlan | undefined>): void {
    this.#plans.push(...plans);
  }

  /** A machine that somebody made by other means: not through a client, with whatever tags. Its id. */
  plant(options: { account?: string; name?: string; tags?: Record<string, string>; offer?: string; plan?: MachinePlan } = {}): string {
    const pool = this.pools.get(options.offer ?? "") ?? [...this.pools.values()][0];
    if (pool === undefined) throw this.errors.invalid("InvalidParameterValue", "This cloud has no pools.");
    return this.fleet.make({
      account: options.account ?? this.accounts[0] ?? "",
      client: "somebody",
      name: options.name ?? "somebody's",
      tags: { ...options.tags },
      pool,
      plan: options.plan,
    }).id;
  }

  /** The market takes a machine back. `noticeMs` default: the market's. */
  reclaim(id: string, options: { noticeMs?: number; action?: "terminate" | "stop" } = {}): void {
    this.#spot.reclaim(this.#must(id), options);
  }

  /** A hint that the machine may be taken soon. */
  rebalance(id: string): void {
    this.#spot.hint(this.#must(id));
  }

  /** Maintenance is announced and then ends or stops the machine, spot or not. */
  maintenance(id: string, options: { noticeMs: number; action?: "terminate" | "stop" }): void {
    const reason = "Server.ScheduledStop: Stopped due to a scheduled retirement";
    const { noticeMs, action = "stop" } = options;
    this.#spot.announce(this.#must(id), { action, noticeMs, reason, reclaimed: false, kind: "maintenance" });
  }

  /** The hardware dies: no notice, no disk. */
  crash(id: string): void {
    const machine = this.#must(id);
    machine.hang = undefined;
    this.fleet.end(machine, "Server.InternalError: Internal error on launch or of the host");
  }

  /** From now on the machine hangs; undefined lets it go on. */
  hang(id: string, how: Hang | undefined): void {
    this.fleet.hang(this.#must(id), how);
  }

  /** Traffic out of a machine, for the bill. */
  addEgress(id: string, gigabytes: number): void {
    this.#must(id).egressGb += gigabytes;
  }

  /** The bill so far, from the cloud's own meters; of one account or of all. Looks at every machine that ever was. */
  invoice(account?: string): Invoice {
    const now = this.time.now();
    const lines: InvoiceLine[] = [];
    const add = (kind: InvoiceLine["kind"], thing: Pick<InvoiceLine, "id" | "account" | "tags">, charges: readonly Charge[]): void => {
      if (account === undefined || thing.account === account)
        lines.push(invoiceLine({ id: thing.id, kind, account: thing.account, tags: thing.tags }, charges));
    };
    for (const machine of this.fleet.index.byId.values())
      add("machine", { ...machine, tags: this.fleet.tagsOf(machine) }, chargesOf(machine, this.rules, now));
    for (const volume of this.shelf.volumes.values()) add("volume", volume, this.shelf.chargesOf(volume, now));
    for (const snapshot of this.shelf.snapshots.values()) add("snapshot", snapshot, this.shelf.chargesOf(snapshot, now));
    return drawUp(lines, this.rules.currency, now);
  }

  /** @internal Records of one machine's cost, as late as the rules say. */
  costsOf(machine: CloudMachine, from: number, to: number): ReturnType<typeof asIntervals> {
    const known = this.time.now() - this.rules.recordsLagSeconds * 1000;
    return asIntervals(chargesOf(machine, this.rules, known), this.rules, from, to);
  }

  /** @internal */
  get regionNames(): readonly string[] {
    return (this.options.regions ?? DEFAULT_REGIONS).map((region) => region.name);
  }

  /** @internal */
  get noticeMs(): number {
    return this.#spot.noticeMs;
  }

  /** @internal */
  get offerFacts(): OfferFacts {
    const { name: provider, rules, options } = this;
    const canStop = options.without?.includes("stop") !== true;
    return {
      provider,
      currency: rules.currency,
      canStop: (market) => canStop && (market !== "spot" || this.stopsSpot),
      givesNotice: givesNotice(options, this.noticeMs),
      endsItself: this.capabilities.guard !== "none",
      firstHourFree: rules.firstHourFreeOnReclaim,
    };
  }

  /** @internal Whether a user may stop spot machines: not where the market ends them, as at EC2. */
  get stopsSpot(): boolean {
    return this.options.spot?.onReclaim === "stop";
  }

  /** @internal */
  get hidesFull(): boolean {
    return this.listing.hideFullOffers ?? false;
  }

  /** @internal Whether the machine's inside can be reached now, but for the network. */
  isUp(machine: CloudMachine): boolean {
    return machine.booted && machine.hang !== "connect" && lifeAt(machine, this.time.now()).state === "running";
  }

  #must(id: string): CloudMachine {
    const machine = this.fleet.index.byId.get(id);
    if (machine === undefined) throw this.errors.notFound("InvalidInstanceID.NotFound", `The instance ID '${id}' does not exist.`);
    return machine;
  }
}
