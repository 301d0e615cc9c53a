import assert from "node:assert/strict";
import {
  type Clock,
  errorKind,
  type FindQuery,
  type FindResult,
  type HostSession,
  type Intent,
  isoNow,
  type Machine,
  type Offer,
  type Random,
  RunctlError,
  randomId,
  sleep,
  TAGS,
  type TrainingProvider,
  type VolumeInfo,
} from "@runctl/core/provider";
import { HOST_CLIENT } from "@runctl/core/seams";
import { CannotSay } from "./case.ts";
import type { ConformanceHooks, FaultKind, FaultOperation } from "./hooks.ts";
import type { Observation } from "./observe.ts";
import type { ConformanceOptions } from "./options.ts";

const HOUR_MS = 3_600_000;

/** What the suite gives to each case. */
export interface ContextParts {
  provider: TrainingProvider;
  /** Makes a second client; absent where there is none. */
  again?: (() => Promise<TrainingProvider>) | undefined;
  hooks: ConformanceHooks;
  options: ConformanceOptions;
  clock: Clock;
  random: Random;
  /** Whose machines these are. One for the whole suite. */
  stateId: string;
  /** Everything that all cases saw until now. */
  observations: readonly Observation[];
  /** Keeps a figure for the report; the largest of a name counts. */
  measure(name: string, value: number): void;
}

/** A case's hands: a provider, intents, and ways to wait for what a provider may take its time for. */
export class ConformanceContext {
  readonly provider: TrainingProvider;
  readonly hooks: ConformanceHooks;
  readonly options: ConformanceOptions;
  readonly clock: Clock;
  readonly stateId: string;
  readonly observations: readonly Observation[];
  /** Intents of this case, so that what they made is ended whatever happens. */
  readonly intents: Intent[] = [];
  /** Volumes of this case. */
  readonly volumes: VolumeInfo[] = [];
  readonly #random: Random;
  readonly #measure: ContextParts["measure"];
  readonly #again: (() => Promise<TrainingProvider>) | undefined;
  readonly #sessions: HostSession[] = [];
  #createdAt: number | undefined;

  constructor(parts: ContextParts) {
    this.provider = parts.provider;
    this.hooks = parts.hooks;
    this.options = parts.options;
    this.clock = parts.clock;
    this.stateId = parts.stateId;
    this.observations = parts.observations;
    this.#random = parts.random;
    this.#again = parts.again;
    this.#measure = parts.measure;
  }

  /** A new random id, safe in names. */
  id(): string {
    return randomId(this.#random);
  }

  /** A second process over the same far side. */
  async second(): Promise<TrainingProvider> {
    if (this.#again === undefined) throw new CannotSay("not-provable", "hook again (a second client of the same far side) is missing");
    return this.#again();
  }

  /** How long after its creation a listing may lack a machine. */
  get settleMs(): number {
    return this.provider.capabilities.settleMs ?? 60_000;
  }

  /** Offers that may be bought, cheapest first; those without a price last. */
  async offers(market?: string): Promise<Offer[]> {
    const request = { ...this.options.request, ...(market === undefined ? {} : { markets: [market] }) };
    const price = (offer: Offer): number => offer.pricePerHour?.amount ?? Number.POSITIVE_INFINITY;
    return (await this.provider.offers(request)).sort((a, b) => price(a) - price(b));
  }

  /** A whole intent over the cheapest offer, as the engine writes one. */
  async intent(changes: Partial<Intent> = {}, market?: string): Promise<Intent> {
    const offers = changes.offers ?? (await this.offers(market));
    const offer = offers.find((one) => one.market === "on-demand") ?? offers[0];
    if (offer === undefined)
      throw new CannotSay("not-provable", `no offer for ${JSON.stringify({ ...this.options.request, ...(market ? { market } : {}) })}`);
    return this.intentOf({ offers: [offer], ...changes });
  }

  /** An intent over given offers. */
  intentOf(changes: Partial<Intent> & { offers: Intent["offers"] }): Intent {
    const id = changes.id ?? this.id();
    const intent: Intent = {
      id,
      name: `runctl-conformance-${id}`,
      runId: `conformance-${id}`,
      attempt: 1,
      nodes: 1,
      boot: this.provider.capabilities.boot === "session" ? "" : "#!/bin/sh\nexit 0\n",
      volumes: [],
      env: {},
      endBy: new Date(this.clock.now() + HOUR_MS).toISOString(),
      ...this.options.intent,
      ...changes,
      tags: { ...this.tags(id), ...changes.tags },
    };
    this.intents.push(intent);
    return intent;
  }

  /** The tags that the engine puts on everything. */
  tags(intentId: string): Record<string, string> {
    return {
      [TAGS.createdBy]: "runctl",
      [TAGS.created]: isoNow(this.clock),
      [TAGS.project]: "conformance",
      [TAGS.user]: "conformance",
      [TAGS.state]: this.stateId,
      [TAGS.run]: `conformance-${intentId}`,
      [TAGS.attempt]: "1",
      [TAGS.intent]: intentId,
    };
  }

  /** Buys one machine and takes it as it comes: pending or running. */
  async create(intent?: Intent, provider: TrainingProvider = this.provider): Promise<Machine> {
    const wanted = intent ?? (await this.intent());
    const outcome = await this.#patiently(() => provider.create(wanted));
    this.#createdAt ??= this.clock.monotonic();
    if (outcome.kind === "created") return outcome.machines[0];
    if (outcome.kind === "unavailable")
      throw new CannotSay("not-provable", `the cheapest offer (${wanted.offers[0].id}) is not available now`);
    const found = await this.until(
      { intentId: wanted.id },
      (listing) => listing.machines.length > 0,
      "the queued machine to be made",
      this.limit("running"),
    );
    return found.machines[0] as Machine;
  }

  /** A case that buys many machines meets the service's limits: it waits as long as it is told, or a second. */
  async #patiently<T>(call: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries += 1) {
      try {
        return await call();
      } catch (error) {
        if (errorKind(error) !== "throttled" || tries >= 30) throw error;
        await sleep(this.clock, (error as RunctlError).retryAfterMs ?? 1_000);
      }
    }
  }

  /** Buys one machine and waits until it runs. */
  async running(intent?: Intent): Promise<Machine> {
    const machine = await this.create(intent);
    return this.state(machine, ["running"], this.limit("running") + this.settleMs);
  }

  /** Waits until the machine is listed in one of these states. */
  async state(machine: Machine, states: string[], limitMs: number): Promise<Machine> {
    const found = await this.until(
      { ids: [machine.ref.id] },
      (listing) => states.includes(listing.machines[0]?.state ?? "absent"),
      `the machine ${machine.ref.id} to be ${states.join(" or ")}`,
      limitMs,
    );
    return found.machines[0] ?? machine;
  }

  /** Waits until two listings show the machine as ended or not at all. */
  async gone(machine: Machine): Promise<void> {
    let absences = 0;
    await this.until(
      { ids: [machine.ref.id] },
      (listing) => {
        const state = listing.machines[0]?.state;
        absences = listing.complete && (state === undefined || state === "ended") ? absences + 1 : 0;
        return absences >= 2;
      },
      `the machine ${machine.ref.id} to be ended or gone`,
      this.limit("ended"),
    );
  }

  /** Lists until `enough`, at most `limitMs` of the subject's clock. */
  async until(
    query: FindQuery,
    enough: (listing: FindResult) => boolean,
    what: string,
    limitMs: number,
    provider: TrainingProvider = this.provider,
  ): Promise<FindResult> {
    const pause =
      this.options.limits?.poll ?? Math.min(provider.capabilities.pollMs ?? 10_000, this.options.live === undefined ? 1_000 : 10_000);
    const begun = this.clock.monotonic();
    for (;;) {
      const listing = await provider.find(query);
      if (enough(listing)) return listing;
      if (this.clock.monotonic() - begun >= limitMs) {
        const seen = listing.machines.map((machine) => `${machine.ref.id} ${machine.state}`).join(", ") || "nothing";
        assert.fail(`Waited ${Math.round(limitMs / 1000)} s for ${what}. find() last showed: ${seen}; complete: ${listing.complete}.`);
      }
      await sleep(this.clock, pause);
    }
  }

  /** The machines of an intent that are not over, once the settle window has passed. */
  async ofIntent(intent: Intent, provider: TrainingProvider = this.provider): Promise<Machine[]> {
    await this.settled();
    const { machines } = await this.until(
      { stateId: this.stateId, intentId: intent.id },
      (listing) => listing.complete,
      "a complete listing",
      60_000,
      provider,
    );
    return machines.filter((machine) => machine.state !== "ended" && machine.state !== "ending");
  }

  /** Lets the settle window pass. */
  async settled(): Promise<void> {
    if (this.settleMs > 0) await sleep(this.clock, this.settleMs);
  }

  /** Lets so many milliseconds of the subject's clock pass. */
  async pass(ms: number): Promise<void> {
    await sleep(this.clock, ms);
  }

  /** A session on a running machine, once it can be reached. Closed after the case. */
  async connect(machine: Machine): Promise<HostSession> {
    const begun = this.clock.monotonic();
    for (;;) {
      const current = (await this.provider.find({ ids: [machine.ref.id] })).machines[0] ?? machine;
      try {
        const session = await this.provider.connect?.(current);
        assert.ok(session !== undefined, "connect() resolved with nothing.");
        this.#sessions.push(session);
        if (this.#sessions.length === 1 && this.#createdAt !== undefined)
          this.#measure("reachableAfterMs", this.clock.monotonic() - this.#createdAt);
        return session;
      } catch (error) {
        if (errorKind(error) !== "host-unreachable" || this.clock.monotonic() - begun > this.limit("reachable")) throw error;
        await sleep(this.clock, 1_000);
      }
    }
  }

  /** A session that runs real commands. @throws CannotSay where the host is a model. */
  async realSession(): Promise<HostSession> {
    const session = await this.connect(await this.running());
    if (HOST_CLIENT in session) throw new CannotSay("not-applicable", "the host is a model and runs no real commands");
    return session;
  }

  /** Lets the next calls meet a fault. @throws CannotSay where the hook cannot do that. */
  async inject(fault: FaultKind, operation: FaultOperation, times = 1): Promise<void> {
    const hook = this.hooks.faults?.[fault];
    if (hook === undefined) throw new CannotSay("not-provable", `hook faults.${fault} is missing`);
    if ((await hook(operation, times)) === false) throw new CannotSay("not-provable", `hook faults.${fault} cannot be put on ${operation}`);
  }

  /** Keeps a figure for the report, in milliseconds; the largest of a name counts. */
  measure(name: string, ms: number): void {
    this.#measure(name, ms);
  }

  /** Takes away faults that were not met. */
  async clearFaults(): Promise<void> {
    await this.hooks.clearFaults?.();
  }

  /** The limit of that name. */
  limit(name: "running" | "ended" | "reachable" | "notice"): number {
    return this.options.limits?.[name] ?? { running: 300_000, ended: 300_000, reachable: 300_000, notice: 5_000 }[name];
  }

  /** Ends and removes everything that this case made. The errors of it, if any. */
  async cleanUp(): Promise<unknown[]> {
    const errors: unknown[] = [];
    const attempt = async (work: () => Promise<unknown>): Promise<void> => {
      // Twice: the first may meet a fault that was left.
      await work().catch(() => work().catch((error: unknown) => errors.push(error)));
    };
    for (const session of this.#sessions) await attempt(() => session.close());
    for (const intent of this.intents)
      await attempt(async () => {
        const { machines } = await this.provider.find({ intentId: intent.id });
        for (const { ref, state } of machines) if (state !== "ended") await this.provider.terminate(ref);
      });
    for (const { ref } of this.volumes)
      await attempt(async () => {
        await this.provider.volumes?.detach(ref, { force: true }).catch(() => undefined);
        await this.provider.volumes?.delete(ref);
      });
    return errors;
  }
}

/** Asserts that the work is refused with an error of one of these kinds, and gives the error. */
export async function refused(work: Promise<unknown>, kinds: string[], what: string): Promise<RunctlError> {
  const error: unknown = await work.then(
    (value) => assert.fail(`${what} must be refused with ${kinds.join(" or ")}; it resolved with ${brief(value)}.`),
    (reason: unknown) => reason,
  );
  if (error instanceof CannotSay || error instanceof assert.AssertionError) throw error;
  assert.ok(RunctlError.is(error), `${what} must be refused with ${kinds.join(" or ")}, not with the raw error ${brief(error)}.`);
  assert.ok(kinds.includes(error.kind), `${what} must be refused with ${kinds.join(" or ")}, not ${error.kind} (${error.what}).`);
  return error;
}

/** A value in a few words. */
export function brief(value: unknown): string {
  const text = value instanceof Error ? `${value.name}: ${value.message}` : (JSON.stringify(value) ?? String(value));
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
