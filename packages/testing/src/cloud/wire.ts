import { type Clock, type RunctlError, sleep } from "@runctl/core/provider";
import type { CloudErrors } from "./cloud-errors.ts";
import type { CloudEvents } from "./cloud-events.ts";
import type { CloudTime } from "./cloud-time.ts";
import type { CloudOp, FaultDetail, FaultScript } from "./faults.ts";
import type { CutKind, Network } from "./network.ts";
import type { Throttle } from "./throttle.ts";

const DEFAULT_LATE_MS = 30_000;
/** Calls that may have made something when no answer came. */
const BUYS: readonly CloudOp[] = ["create", "volume-create", "volume-snapshot"];

/** Who calls, and by which clock it waits. */
export interface Caller {
  client: string;
  account: string;
  /** The calling process's clock: when it dies, so do its waits. */
  clock: Clock;
}

export interface WireParts {
  time: CloudTime;
  errors: CloudErrors;
  events: CloudEvents;
  faults: FaultScript;
  network: Network;
  throttle: Throttle<CloudOp>;
  latencyMs: (op: CloudOp) => number;
  clientTimeoutMs: number;
}

export interface CallOptions {
  signal?: AbortSignal | undefined;
  region?: string | undefined;
  /** The machine or volume, for the events. */
  id?: string | undefined;
  /** The call goes to this machine and not to the cloud's API. */
  host?: string | undefined;
}

/** Carries calls from clients to the cloud and answers back, and loses, delays, doubles and refuses them as the scripts say. */
export class Wire {
  /** Calls that reached for the cloud, by operation. */
  readonly counts: Partial<Record<CloudOp, number>> = {};
  readonly #parts: WireParts;

  constructor(parts: WireParts) {
    this.#parts = parts;
  }

  /**
   * One call. `effect` is what the cloud does, given the fault that it has to know of; it runs once the request arrived.
   * @throws the signal's reason once it aborts, whatever became of the effect.
   */
  async call<T>(
    caller: Caller,
    op: CloudOp,
    effect: (fault: FaultDetail | undefined) => T | Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    const { signal } = options;
    signal?.throwIfAborted();
    const { time, faults, throttle, errors } = this.#parts;
    const nth = (this.counts[op] ?? 0) + 1;
    this.counts[op] = nth;
    const latency = this.#parts.latencyMs(op);
    if (latency > 0) await sleep(caller.clock, latency / 2, signal);
    await this.#passes(caller, op, options);
    const fault = faults.take({ op, client: caller.client, account: caller.account, region: options.region, nth, at: time.now() });
    this.#event(caller, op, options, fault);
    await this.#before(caller, op, fault, options);
    if (!throttle.take(op, caller.account, time.now())) throw errors.throttled();
    if (fault?.kind === "applied-late") {
      this.#later(fault, effect);
      throw this.#noAnswer(op, options.host);
    }
    const result = await effect(fault);
    if (fault?.kind === "twice" && fault.ms !== undefined) this.#later(fault, effect);
    else if (fault?.kind === "twice") await effect(undefined);
    await this.#after(caller, op, fault, options);
    if (latency > 0) {
      await sleep(caller.clock, latency / 2, signal);
      if (this.#cut(caller, options) !== undefined) throw this.#noAnswer(op, options.host);
    }
    return result;
  }

  /** A wait that no answer ends: only the caller's own limits do. */
  async never(signal: AbortSignal | undefined): Promise<never> {
    signal?.throwIfAborted();
    return new Promise((_, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }

  async #passes(caller: Caller, op: CloudOp, options: CallOptions): Promise<void> {
    const cut = this.#cut(caller, options);
    if (cut === undefined) return;
    if (cut === "drop") await sleep(caller.clock, this.#parts.clientTimeoutMs, options.signal);
    throw cut === "drop"
      ? this.#noAnswer(op, options.host)
      : this.#unknown(op, "ECONNREFUSED", "The connection was refused.", options.host);
  }

  #cut(caller: Caller, options: CallOptions): CutKind | undefined {
    const region = options.region === undefined ? {} : { region: options.region };
    return options.host === undefined
      ? this.#parts.network.isCut("client-cloud", { client: caller.client, ...region })
      : this.#parts.network.isCut("client-host", { client: caller.client, machine: options.host, ...region });
  }

  async #before(caller: Caller, op: CloudOp, fault: FaultDetail | undefined, options: CallOptions): Promise<void> {
    const { errors } = this.#parts;
    const { signal, host } = options;
    switch (fault?.kind) {
      case "lost":
        throw this.#noAnswer(op, host);
      case "auth":
      case "expired":
        throw errors.notAuthenticated(fault.kind === "expired");
      case "permission":
        throw errors.notAllowed(op, caller.account);
      case "quota":
        throw errors.quota("You have requested more vCPU capacity than your current vCPU limit of 0 allows.");
      case "throttle":
        throw errors.throttled(fault.retryAfterMs);
      case "down":
        throw this.#unknown(op, "ServiceUnavailable", "The request has failed due to a temporary failure of the server.", host);
      case "raw":
        throw new TypeError("fetch failed");
      case "hang":
        return this.never(signal);
      default:
    }
  }

  async #after(caller: Caller, op: CloudOp, fault: FaultDetail | undefined, options: CallOptions): Promise<void> {
    const { signal, host } = options;
    switch (fault?.kind) {
      case "reply-lost":
        throw this.#noAnswer(op, host);
      case "error-after-effect":
        throw this.#unknown(op, "InternalError", "An internal error has occurred.", host);
      case "raw-after-effect":
        throw new TypeError("terminated");
      case "hang-applied":
        return this.never(signal);
      case "late":
        return sleep(caller.clock, fault.ms ?? DEFAULT_LATE_MS, signal);
      default:
    }
  }

  /** The request is under way in the network: neither the caller's end nor its errors take it back. */
  #later<T>(fault: FaultDetail, effect: (fault: FaultDetail | undefined) => T | Promise<T>): void {
    const { time } = this.#parts;
    time.at(time.now() + (fault.ms ?? DEFAULT_LATE_MS), () => {
      // What the cloud refuses then, nobody hears.
      void Promise.resolve()
        .then(() => effect(undefined))
        .catch(() => undefined);
    });
  }

  #noAnswer(op: CloudOp, host: string | undefined): RunctlError {
    return this.#unknown(op, "RequestTimeout", `The cloud gave no answer to ${op}.`, host);
  }

  #unknown(op: CloudOp, code: string, what: string, host: string | undefined): RunctlError {
    if (host !== undefined) return this.#parts.errors.unreachable(host, code === "RequestTimeout" ? "connection timed out" : what);
    return this.#parts.errors.unknown(BUYS.includes(op), code, what);
  }

  #event(caller: Caller, op: CloudOp, options: CallOptions, fault: FaultDetail | undefined): void {
    const { events, time } = this.#parts;
    if (!events.wanted) return;
    const { client, account } = caller;
    events.push({ at: time.now(), kind: fault === undefined ? "call" : "fault", op, client, account, id: options.id, detail: fault?.kind });
  }
}
