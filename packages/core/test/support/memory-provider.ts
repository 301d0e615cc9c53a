import {
  AmbiguousOutcomeError,
  ConflictError,
  NotFoundError,
  PermissionError,
  QuotaError,
  ThrottledError,
  UnsupportedCapabilityError,
  ValidationError,
} from "../../src/errors/kinds.ts";
import { defineProvider } from "../../src/provider/define-provider.ts";
import type { HostSession } from "../../src/provider/host-session.ts";
import type { Intent } from "../../src/provider/intent.ts";
import type { Offer } from "../../src/provider/offer.ts";
import type { BilledInterval, Capabilities, MachineUsage, TrainingProvider } from "../../src/provider/provider.ts";
import type { ForeignOrOtherResource, Machine, MachineState, ResourceRef } from "../../src/provider/resource.ts";
import { TAGS } from "../../src/provider/tags.ts";
import type { Clock } from "../../src/util/clock.ts";
import { canonicalJson } from "../../src/util/json.ts";

/** "lost": never applied, no answer. "reply-lost": applied, no answer. "lie": says yes, does nothing. "hang": no answer ever. */
export type Fault =
  | "lost"
  | "reply-lost"
  | "raw-error-after-effect"
  | "throttle"
  | "permission"
  | "quota"
  | "unavailable"
  | "lie"
  | "hang"
  | "incomplete"
  | "down";

interface Held {
  machine: Machine;
  request: string;
  visibleAt: number;
  /** Every change of the meter: the invoice is made of this and of nothing the engine says. */
  meter: Array<{ at: number; on: boolean }>;
  madeAt: number;
  goneAt?: number;
  disk: number;
  egressGb: number;
}

/** The far side: lives on when a provider object (a process) is gone. Strict: refuses what a real cloud would refuse. */
export class MemoryCloud {
  readonly clock: Clock;
  readonly held = new Map<string, Held>();
  readonly others = new Map<string, ForeignOrOtherResource>();
  readonly calls: string[] = [];
  readonly usage = new Map<string, MachineUsage | Error>();
  account = "acct-1";
  lagMs = 0;
  price = 1;
  diskPrice = 0.01;
  egressPricePerGb = 0.09;
  minimumBilledMs = 60_000;
  /** Ended machines are no longer listed. */
  vanish = false;
  answers = true;
  readonly #faults = new Map<string, Fault[]>();
  readonly #forever = new Map<string, Fault>();
  #count = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** The next calls of `op` meet these faults, one each; "always" keeps the last. */
  fault(op: string, faults: Fault[] | { always: Fault } | undefined): void {
    this.#forever.delete(op);
    this.#faults.delete(op);
    if (faults === undefined) return;
    if (Array.isArray(faults)) this.#faults.set(op, [...faults]);
    else this.#forever.set(op, faults.always);
  }

  takeFault(op: string): Fault | undefined {
    this.calls.push(op);
    return this.#faults.get(op)?.shift() ?? this.#forever.get(op);
  }

  make(name: string, tags: Record<string, string>, request: string, offer?: Offer): Held {
    const id = `m-${++this.#count}`;
    const at = this.clock.now();
    const machine: Machine = {
      ref: { provider: "mem", kind: "machine", id },
      name,
      state: "running",
      tags: { ...tags },
      createdAt: new Date(at).toISOString(),
      pricePerHour: { amount: offer?.pricePerHour?.amount ?? this.price, currency: "USD" },
      ...(offer === undefined ? {} : { type: offer.type, market: offer.market }),
    };
    const held: Held = { machine, request, visibleAt: at + this.lagMs, meter: [{ at, on: true }], madeAt: at, disk: 1, egressGb: 0 };
    this.held.set(id, held);
    return held;
  }

  /** Somebody else's machine, or one of ours with odd tags. */
  add(tags: Record<string, string>, over: Partial<Machine> = {}): Machine {
    const held = this.make(over.name ?? "other", tags, "");
    Object.assign(held.machine, over);
    return held.machine;
  }

  set(id: string, state: MachineState): void {
    const held = this.mustHave(id);
    const on = state !== "stopped" && state !== "ended";
    if (held.meter.at(-1)?.on !== on) held.meter.push({ at: this.clock.now(), on });
    if (state === "ended") held.goneAt ??= this.clock.now();
    held.machine.state = state;
  }

  mustHave(id: string): Held {
    const held = this.held.get(id);
    if (held === undefined) throw new NotFoundError({ what: `No machine ${id}.` });
    return held;
  }

  alive(): Machine[] {
    return [...this.held.values()].map((held) => held.machine).filter((machine) => machine.state !== "ended");
  }

  /** The bill, from the meters alone: seconds × price, at least the minimum for every start, disk while it exists, egress by the GB. */
  invoice(): number {
    let sum = 0;
    const now = this.clock.now();
    for (const held of this.held.values()) {
      for (let i = 0; i < held.meter.length; i++) {
        const entry = held.meter[i];
        if (entry === undefined || !entry.on) continue;
        const until = held.meter[i + 1]?.at ?? now;
        sum += (Math.max(this.minimumBilledMs, until - entry.at) / 3_600_000) * (held.machine.pricePerHour?.amount ?? 0);
      }
      sum += (((held.goneAt ?? now) - held.madeAt) / 3_600_000) * held.disk * this.diskPrice;
      sum += held.egressGb * this.egressPricePerGb;
    }
    return sum;
  }
}

const DEFAULTS: Capabilities = {
  identity: "token",
  boot: "session",
  guard: "os-poweroff",
  containers: "none",
  spot: true,
  multiPool: false,
  gang: true,
  tagsAtCreate: true,
  settleMs: 60_000,
  pollMs: 10_000,
};

/** A provider over a MemoryCloud. Each call of this function is a new process looking at the same cloud. */
export function memoryProvider(
  cloud: MemoryCloud,
  options: { capabilities?: Partial<Capabilities>; without?: Array<keyof TrainingProvider> } = {},
): TrainingProvider {
  const capabilities = { ...DEFAULTS, ...options.capabilities };
  const refuse = (fault: Fault | undefined): void => {
    if (fault === "throttle") throw new ThrottledError({ what: "Rate exceeded." });
    if (fault === "permission") throw new PermissionError({ what: "Not allowed." });
    if (fault === "quota") throw new QuotaError({ what: "Quota reached." });
    if (fault === "down") throw new Error("ECONNRESET");
    if (fault === "lost") throw new AmbiguousOutcomeError({ what: "No answer." });
  };
  const after = (fault: Fault | undefined): void => {
    if (fault === "reply-lost") throw new AmbiguousOutcomeError({ what: "No answer." });
    if (fault === "raw-error-after-effect") throw new TypeError("fetch failed; Authorization: Bearer sk-secret");
  };
  const provider: TrainingProvider = {
    specVersion: "v1",
    name: "mem",
    capabilities,
    async offers() {
      cloud.calls.push("offers");
      return [offer("small", 1), offer("big", 4), { ...offer("spot-small", 0.3), market: "spot" }];
    },
    async create(intent: Intent) {
      const fault = cloud.takeFault("create");
      for (const key of [TAGS.state, TAGS.intent, TAGS.createdBy])
        if (!(key in intent.tags)) throw new ValidationError({ what: `The request lacks the tag ${key}.` });
      refuse(fault);
      if (fault === "hang") return new Promise(() => undefined);
      if (fault === "unavailable") return { kind: "unavailable", pools: [{ offerId: intent.offers[0].id, scope: "zone", tried: true }] };
      const request = canonicalJson(intent);
      const known = [...cloud.held.values()].filter((held) => held.machine.tags[TAGS.intent] === intent.id);
      let made: Machine[] = [];
      if (capabilities.identity === "token" && known.length > 0) {
        if (known.some((held) => held.request !== request)) throw new ConflictError({ what: "Same token, other parameters." });
        made = known.map((held) => held.machine);
      } else
        for (let node = 0; node < intent.nodes; node++) made.push(cloud.make(intent.name, intent.tags, request, intent.offers[0]).machine);
      after(fault);
      return { kind: "created", machines: structuredClone(made) as [Machine, ...Machine[]], also: [] };
    },
    async find(query) {
      const fault = cloud.takeFault("find");
      refuse(fault);
      const visible = [...cloud.held.values()].filter(
        (held) => held.visibleAt <= cloud.clock.now() && !(cloud.vanish && held.machine.state === "ended"),
      );
      const fits = (thing: { ref: ResourceRef; tags: Record<string, string> }): boolean =>
        (query.ids === undefined || query.ids.includes(thing.ref.id)) &&
        (query.intentId === undefined || thing.tags[TAGS.intent] === query.intentId) &&
        (query.kinds === undefined || query.kinds.includes(thing.ref.kind)) &&
        (query.includeForeign === true || query.stateId === undefined || thing.tags[TAGS.state] === query.stateId);
      const machines = visible.map((held) => held.machine).filter(fits);
      return {
        machines: structuredClone(fault === "incomplete" ? [] : machines),
        others: structuredClone([...cloud.others.values()].filter(fits)),
        complete: fault !== "incomplete",
      };
    },
    async terminate(ref) {
      const fault = cloud.takeFault("terminate");
      refuse(fault);
      if (fault !== "lie" && cloud.held.has(ref.id)) cloud.set(ref.id, "ended");
      after(fault);
    },
    async remove(ref) {
      const fault = cloud.takeFault("remove");
      refuse(fault);
      if (fault !== "lie") cloud.others.delete(ref.id);
      cloud.calls.push(`remove ${ref.id}`);
    },
    async stop(ref) {
      refuse(cloud.takeFault("stop"));
      cloud.set(ref.id, "stopped");
    },
    async start(ref) {
      refuse(cloud.takeFault("start"));
      cloud.set(ref.id, "running");
    },
    async connect(machine) {
      refuse(cloud.takeFault("connect"));
      if (cloud.mustHave(machine.ref.id).machine.state !== "running") throw new UnsupportedCapabilityError({ what: "It does not run." });
      return session(cloud);
    },
    async usage(machine) {
      cloud.calls.push("usage");
      const known = cloud.usage.get(machine.ref.id);
      if (known instanceof Error) throw known;
      return known ?? { at: new Date(cloud.clock.now()).toISOString(), cpuPercent: 0, disks: [], gpus: [], processes: [] };
    },
    async costs(machine, from, to) {
      refuse(cloud.takeFault("costs"));
      return bill(cloud, machine.ref.id, Date.parse(from), Date.parse(to));
    },
    async identity() {
      refuse(cloud.takeFault("identity"));
      return { id: cloud.account };
    },
    async tag(ref, tags) {
      refuse(cloud.takeFault("tag"));
      const target = cloud.held.get(ref.id)?.machine ?? cloud.others.get(ref.id);
      if (target === undefined) throw new NotFoundError({ what: `No ${ref.id}.` });
      Object.assign(target.tags, tags);
    },
  };
  for (const method of options.without ?? []) delete provider[method];
  return defineProvider(provider);
}

function bill(cloud: MemoryCloud, id: string, from: number, to: number): BilledInterval[] {
  const held = cloud.mustHave(id);
  const intervals: BilledInterval[] = [];
  const add = (what: BilledInterval["what"], start: number, end: number, amount: number): void => {
    if (end <= from || start >= to) return;
    intervals.push({
      from: new Date(start).toISOString(),
      to: new Date(end).toISOString(),
      what,
      pricePerHour: { amount, currency: "USD" },
      evidence: "billed",
    });
  };
  held.meter.forEach((entry, i) => {
    if (!entry.on) return;
    add(
      "compute",
      entry.at,
      Math.max(entry.at + cloud.minimumBilledMs, held.meter[i + 1]?.at ?? cloud.clock.now()),
      held.machine.pricePerHour?.amount ?? 0,
    );
  });
  add("storage", held.madeAt, held.goneAt ?? cloud.clock.now(), held.disk * cloud.diskPrice);
  // One hour at the price of all the egress: an amount without a duration.
  if (held.egressGb > 0) add("transfer", held.madeAt, held.madeAt + 3_600_000, held.egressGb * cloud.egressPricePerGb);
  return intervals;
}

export function offer(id: string, price: number): Offer {
  return {
    id,
    provider: "mem",
    type: id,
    accelerators: [],
    market: "on-demand",
    pricePerHour: { amount: price, currency: "USD" },
    can: { stop: true, notice: true, endItself: true },
  };
}

function session(cloud: MemoryCloud): HostSession {
  return {
    home: "/home/runctl",
    async exec(argv) {
      cloud.calls.push(`exec ${argv.join(" ")}`);
      return { exitCode: cloud.answers ? 0 : 1, stdout: argv.join(" "), stderr: "" };
    },
    async write() {},
    async upload() {},
    async download() {},
    async read() {
      return undefined;
    },
    async close() {},
  };
}
