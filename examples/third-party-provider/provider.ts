import { Readable } from "node:stream";
import {
  type BilledInterval,
  defineProvider,
  type Intent,
  type Machine,
  NoCapacityError,
  NotFoundError,
  type ResourceRef,
  TAGS,
  type TrainingProvider,
  UnsupportedCapabilityError,
  ValidationError,
} from "@runctl/core/provider";
import { refusal, unknown, unreachable } from "./errors.ts";
import { type CallOptions, session, type TinyMachine } from "./session.ts";

export interface TinyOptions {
  url: string;
  key: string;
  /** How long an answer may take. Default 60 s. */
  timeoutMs?: number;
}

/** A provider for the tiny cloud. */
export function tiny({ url, key, timeoutMs = 60_000 }: TinyOptions): TrainingProvider {
  const call = async (path: string, { method = "GET", body, signal, buys = false }: CallOptions = {}): Promise<Response> => {
    signal?.throwIfAborted();
    const stream = body instanceof Readable;
    // Commands and files take as long as they take; everything else must answer in time.
    const late = AbortSignal.timeout(/\/(exec|file)/.test(path) ? 2 ** 31 - 1 : timeoutMs);
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, connection: "close" },
      signal: signal === undefined ? late : AbortSignal.any([signal, late]),
      ...(body === undefined ? {} : { body: stream ? Readable.toWeb(body) : JSON.stringify(body), duplex: "half" }),
    }).catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw unknown(buys, "The service did not answer.", cause);
    });
    if (response.ok) return response;
    const answer = (await response.json().catch(() => ({}))) as { message?: string; permission?: string };
    throw refusal(response, answer, buys);
  };
  const ask = async <T>(path: string, options?: CallOptions): Promise<T> => (await call(path, options)).json() as Promise<T>;
  const ours = (ref: ResourceRef): string => {
    if (ref.provider !== "tiny" || ref.kind !== "machine")
      throw new ValidationError({ what: `${ref.provider}/${ref.kind}/${ref.id} is no machine of the tiny cloud.`, provider: "tiny" });
    return `/machines/${encodeURIComponent(ref.id)}`;
  };
  const list = async (signal?: AbortSignal): Promise<TinyMachine[]> => {
    const all: TinyMachine[] = [];
    for (let from: number | undefined = 0; from !== undefined; ) {
      const page: { machines: TinyMachine[]; next?: number } = await ask(`/machines?from=${from}`, { signal });
      all.push(...page.machines);
      from = page.next;
    }
    return all;
  };
  const terminate = async (ref: ResourceRef): Promise<void> => {
    // Gone is success.
    await ask(ours(ref), { method: "DELETE" }).catch((error: unknown) => {
      if (!NotFoundError.isInstance(error)) throw error;
    });
  };

  return defineProvider({
    specVersion: "v1",
    name: "tiny",
    capabilities: {
      identity: "token", // the service knows a token again: the same intent is the same machine
      boot: "session",
      guard: "host-calls-api", // the agent's guardian ends what runs; this cloud's machines are folders of this computer
      containers: "none",
      spot: false,
      multiPool: false,
      gang: false,
      tagsAtCreate: true,
      settleMs: 0, // a new machine is listed at once
      pollMs: 500,
      sharedHost: true,
    },
    async offers(request, { signal } = {}) {
      const types = await ask<Array<{ type: string; cpus: number; price: number; currency: string; valid: string }>>("/types", { signal });
      return types
        .filter(
          ({ type, cpus, price }) =>
            (request.gpus ?? []).length === 0 &&
            (request.cpus ?? 0) <= cpus &&
            (request.memoryBytes ?? 0) <= 2 ** 30 &&
            has(request.instanceTypes, type) &&
            has(request.markets, "on-demand") &&
            (request.regions ?? []).length === 0 &&
            (request.zones ?? []).length === 0 &&
            price <= (request.maxPricePerHour ?? price),
        )
        .map(({ type, cpus, price, currency, valid }) => ({
          id: type,
          provider: "tiny",
          type,
          accelerators: [],
          cpus,
          memoryBytes: 2 ** 30,
          market: "on-demand",
          pricePerHour: { amount: price, currency },
          price: { source: "the tiny cloud's /types", at: valid },
          can: { stop: false, notice: false, endItself: true },
        }));
    },
    async create(intent, { signal } = {}) {
      checkIntent(intent);
      const wish = { token: intent.id, name: intent.name, type: intent.offers[0].type, labels: intent.tags };
      try {
        const machine = await ask<TinyMachine>("/machines", { method: "POST", body: wish, signal, buys: true });
        return { kind: "created", machines: [toMachine(machine)], also: [] };
      } catch (error) {
        if (!NoCapacityError.isInstance(error)) throw error;
        return { kind: "unavailable", pools: [{ offerId: intent.offers[0].id, scope: "type", tried: true }] };
      }
    },
    async find(query) {
      query.signal?.throwIfAborted();
      if (query.kinds !== undefined && !query.kinds.includes("machine")) return { machines: [], others: [], complete: true };
      const machines = (await list(query.signal))
        .map(toMachine)
        .filter(
          ({ ref, tags }) =>
            has(query.ids, ref.id) &&
            (query.intentId === undefined || tags[TAGS.intent] === query.intentId) &&
            (query.includeForeign === true || query.stateId === undefined || tags[TAGS.state] === query.stateId),
        );
      return { machines, others: [], complete: true };
    },
    terminate,
    remove: terminate,
    async tag(ref, tags) {
      await ask(ours(ref), { method: "PATCH", body: tags });
    },
    async connect(machine, { signal } = {}) {
      signal?.throwIfAborted();
      const found = await ask<TinyMachine>(ours(machine.ref), { signal });
      if (found.state === "ended") throw unreachable(machine.ref.id, found.reason);
      return session(found, call);
    },
    async costs(machine, from, to): Promise<BilledInterval[]> {
      const found = await ask<TinyMachine>(ours(machine.ref));
      const begin = Math.max(Date.parse(from), Date.parse(found.created));
      const until = Math.min(Date.parse(to), found.ended === undefined ? Date.now() : Date.parse(found.ended));
      if (until <= begin) return [];
      const [offer] = await ask<Array<{ price: number; currency: string }>>("/types");
      const pricePerHour = { amount: offer?.price ?? 0, currency: offer?.currency ?? "USD" };
      return [
        { from: new Date(begin).toISOString(), to: new Date(until).toISOString(), what: "compute", pricePerHour, evidence: "billed" },
      ];
    },
    identity: () => ask<{ id: string }>("/account"),
    validateOptions(options) {
      const [unknownKey] = Object.keys(options);
      if (unknownKey !== undefined)
        throw new ValidationError({ what: `providerOptions.tiny.${unknownKey} is not known.`, provider: "tiny" });
    },
    async doctor() {
      const { missing } = await ask<{ missing: string[] }>("/permissions");
      return missing.map((name) => ({
        id: "permission",
        severity: "error",
        what: `The key lacks the permission ${name}.`,
        fix: [`Allow ${name} for it.`],
      }));
    },
  });
}

function has(wanted: string[] | undefined, value: string): boolean {
  return wanted === undefined || wanted.length === 0 || wanted.includes(value);
}

/** What is refused before anything is asked of the service: what it cannot do must not be left out silently. */
function checkIntent({ nodes, volumes }: Intent): void {
  if (nodes !== 1)
    throw new UnsupportedCapabilityError({ what: `The tiny cloud makes one machine at a time, not ${nodes}.`, provider: "tiny" });
  if (volumes.length > 0) throw new UnsupportedCapabilityError({ what: "The tiny cloud has no volumes.", provider: "tiny" });
}

function toMachine({ id, name, labels, state, created, ended, reason, home }: TinyMachine): Machine {
  return {
    ref: { provider: "tiny", kind: "machine", id },
    name,
    state,
    tags: labels,
    type: "small",
    market: "on-demand",
    createdAt: created,
    endedAt: ended,
    stateReason: reason,
    address: { home },
  };
}
