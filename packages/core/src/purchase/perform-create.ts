import { AbortedError, AmbiguousOutcomeError, TimeoutError } from "../errors/kinds.ts";
import { type ErrorKind, RunctlError } from "../errors/runctl-error.ts";
import type { Intent, UnavailablePool } from "../provider/intent.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import type { Machine, ResourceRef } from "../provider/resource.ts";
import type { Clock } from "../util/clock.ts";
import { sleep } from "../util/sleep.ts";
import { findPurchase } from "./find-purchase.ts";

/** How `performCreate` behaves. Times in milliseconds on `clock`. */
export interface PerformCreateOptions {
  clock: Clock;
  /** Whose machines to look for when the outcome is unknown. */
  stateId: string;
  /** Aborting before the first send is "failed" with nothing bought; afterwards "ambiguous". */
  signal?: AbortSignal | undefined;
  /** After this a call's outcome counts as unknown. Default 120 000. */
  callTimeoutMs?: number | undefined;
  /** How often the same bytes are sent again after an unknown outcome, identity "token" only. Default 3. */
  resends?: number | undefined;
  /** An earlier process may have sent this intent: without a token it is looked for and never sent again. Default false. */
  mayHaveBeenSent?: boolean | undefined;
  /** Asked before every send: is the lease still ours, is the machine still wanted? false sends nothing more. */
  maySend?: (() => boolean) | undefined;
}

/**
 * What became of one purchase.
 * - "created": `machines` are ours; `duplicates` are surplus ones of the same intent, to be ended by the caller.
 * - "unavailable": nothing was bought by the last send. `sweep` true: an earlier send's fate is unknown, so the intent turns
 *   `void` and is swept, it is not closed.
 * - "failed": certainly nothing was bought.
 * - "ambiguous": something may exist. Void the intent, sweep it; never call it failed.
 */
export type CreateResult =
  | { type: "created"; machines: [Machine, ...Machine[]]; also: ResourceRef[]; duplicates: Machine[]; recovered: boolean }
  | { type: "queued"; ref: ResourceRef; expectedStart?: string | undefined }
  | { type: "unavailable"; pools: UnavailablePool[]; sweep: boolean }
  | { type: "failed"; error: RunctlError }
  | { type: "ambiguous"; error: RunctlError };

// These are answers: the provider understood the request and bought nothing. Everything else leaves the outcome unknown.
const REFUSALS: readonly ErrorKind[] = [
  "configuration",
  "validation",
  "authentication",
  "permission",
  "quota",
  "throttled",
  "conflict",
  "not-found",
  "unsupported-capability",
  "budget-exceeded",
];

/**
 * Sends one intent that is already durable and finds out what became of it. Unknown outcomes are settled by sending the same
 * bytes again (identity "token") or by looking for the intent (otherwise); never by a blind second purchase.
 * Never throws for what the provider does; costs what the offer costs. The caller records the result.
 */
export async function performCreate(provider: TrainingProvider, intent: Intent, options: PerformCreateOptions): Promise<CreateResult> {
  const token = provider.capabilities.identity === "token";
  let unknown: RunctlError | undefined = options.mayHaveBeenSent === true ? sentBefore(intent) : undefined;
  const sends = token ? (options.resends ?? 3) + 1 : unknown === undefined ? 1 : 0;

  for (let send = 0; send < sends; send++) {
    if (unknown !== undefined && send > 0 && !(await pause(options, send))) break;
    const veto = mustNotSend(options, intent);
    if (veto !== undefined) return unknown === undefined ? { type: "failed", error: veto } : settle(provider, intent, options, unknown);
    try {
      const outcome = await withTimeout(provider.create(intent, { signal: options.signal }), options);
      if (outcome.kind === "created") {
        const { machines, duplicates } = keepOldest(outcome.machines, intent.nodes);
        return { type: "created", machines, also: outcome.also, duplicates, recovered: unknown !== undefined };
      }
      if (outcome.kind === "queued") return { type: "queued", ref: outcome.ref, expectedStart: outcome.expectedStart };
      return { type: "unavailable", pools: outcome.pools, sweep: unknown !== undefined };
    } catch (error) {
      const seen = asRunctlError(error, provider, intent);
      if (seen.kind === "no-capacity") {
        return {
          type: "unavailable",
          pools: intent.offers.map((offer) => ({ offerId: offer.id, scope: "zone", tried: true })),
          sweep: unknown !== undefined,
        };
      }
      // A refusal of a later send says nothing about the first one.
      if (REFUSALS.includes(seen.kind)) {
        if (unknown === undefined) return { type: "failed", error: seen };
        break;
      }
      unknown = seen;
      if (options.signal?.aborted === true) break;
    }
  }
  return settle(provider, intent, options, unknown ?? sentBefore(intent));
}

async function settle(
  provider: TrainingProvider,
  intent: Intent,
  options: PerformCreateOptions,
  error: RunctlError,
): Promise<CreateResult> {
  // Without a token, a name or tags there is nothing to look for: only the guard's limit ends such a machine.
  if (provider.capabilities.identity === "none" && !provider.capabilities.tagsAtCreate) return { type: "ambiguous", error };
  const found = await findPurchase(provider, intent, options);
  const live = found.filter((machine) => machine.state !== "ended");
  if (live.length === 0) return { type: "ambiguous", error };
  const { machines, duplicates } = keepOldest(live as [Machine, ...Machine[]], intent.nodes);
  // Fewer than asked for is not what was bought: the caller ends what is there when it sweeps.
  if (machines.length < intent.nodes) return { type: "ambiguous", error };
  return { type: "created", machines, also: [], duplicates, recovered: true };
}

/** The oldest win, so that every process that looks at the same duplicates keeps the same one. */
export function keepOldest(machines: readonly Machine[], nodes: number): { machines: [Machine, ...Machine[]]; duplicates: Machine[] } {
  const sorted = [...machines].sort((a, b) => (a.createdAt ?? "~").localeCompare(b.createdAt ?? "~") || a.ref.id.localeCompare(b.ref.id));
  const count = Math.max(1, nodes);
  return { machines: sorted.slice(0, count) as [Machine, ...Machine[]], duplicates: sorted.slice(count) };
}

function mustNotSend(options: PerformCreateOptions, intent: Intent): RunctlError | undefined {
  if (options.signal?.aborted === true) {
    return new AbortedError({
      what: `Creating ${intent.name} was aborted before anything was asked of the provider.`,
      cause: options.signal.reason,
    });
  }
  if (options.maySend?.() === false) {
    return new AbortedError({
      what: `${intent.name} is no longer wanted here, so nothing was asked of the provider.`,
      why: "The lease was lost or the run was cancelled.",
    });
  }
  return undefined;
}

/** 1 s, 2 s, 4 s …: false when the caller gave up meanwhile. */
async function pause(options: PerformCreateOptions, send: number): Promise<boolean> {
  try {
    await sleep(options.clock, Math.min(30_000, 1_000 * 2 ** (send - 1)), options.signal);
    return true;
  } catch {
    return false;
  }
}

function withTimeout<T>(call: Promise<T>, options: PerformCreateOptions): Promise<T> {
  const limit = options.callTimeoutMs ?? 120_000;
  return new Promise((resolve, reject) => {
    const give = (error: RunctlError): void => {
      timer.cancel();
      options.signal?.removeEventListener("abort", onAbort);
      reject(error);
    };
    const onAbort = (): void =>
      give(new AbortedError({ what: "The create call was aborted while it was under way.", cause: options.signal?.reason }));
    const timer = options.clock.timer(limit, () => give(new TimeoutError({ what: `The create call had no answer within ${limit} ms.` })));
    options.signal?.addEventListener("abort", onAbort, { once: true });
    const finish = (): void => {
      timer.cancel();
      options.signal?.removeEventListener("abort", onAbort);
    };
    call.then(
      (value) => {
        finish();
        resolve(value);
      },
      (error: unknown) => {
        finish();
        reject(error);
      },
    );
  });
}

function asRunctlError(error: unknown, provider: TrainingProvider, intent: Intent): RunctlError {
  if (RunctlError.is(error)) return error;
  // The raw message is left out on purpose: a vendor's error may quote a request with its secrets.
  return new AmbiguousOutcomeError({
    what: `${provider.name} answered the purchase of ${intent.name} in an unexpected way, so its outcome is unknown.`,
    provider: provider.name,
    context: { intentId: intent.id },
    cause: error,
  });
}

function sentBefore(intent: Intent): RunctlError {
  return new AmbiguousOutcomeError({
    what: `The purchase of ${intent.name} may have been sent by a process that is gone.`,
    context: { intentId: intent.id },
  });
}
