import { AbortedError, StorageError } from "../errors/kinds.ts";
import { formatRef, type Machine } from "../provider/resource.ts";
import { pinAccount } from "../purchase/account-pin.ts";
import { findPurchase } from "../purchase/find-purchase.ts";
import { type CreateResult, keepOldest, performCreate } from "../purchase/perform-create.ts";
import { isoNow } from "../util/clock.ts";
import { sleep } from "../util/sleep.ts";
import type { DriverPort } from "./driver-port.ts";
import { failureRecord } from "./failure.ts";
import type { RunLogEvent } from "./log-events.ts";
import type { IntentState } from "./run-state.ts";

/** Sends a recorded intent and records what became of it. Safe to repeat: the intent's bytes are the token. */
export async function create(driver: DriverPort, intentId: string): Promise<void> {
  const { providers, clock, stateId, session } = driver.context;
  const known = driver.state.intents[intentId];
  if (known === undefined) return;
  const provider = providers.get(known.offer.provider);
  // Cleanup and reconcile refuse an account that is not the one things were bought in.
  try {
    await pinAccount(driver.context.state, provider, { session: session.id, at: isoNow(clock) });
  } catch (error) {
    if (!StorageError.isInstance(error) || error.context.pinned === undefined) throw error;
    await driver.fact({ type: "intent-failed", intentId, error: failureRecord(error), retryable: false });
    return;
  }
  // Without a token it is never sent again: found, or void after it was certainly absent.
  if (known.status === "ambiguous" && provider.capabilities.identity !== "token") return settleIntent(driver, intentId);
  // What was asked meanwhile took its time: a process that slept through it must not act on an old lease.
  await driver.gate();
  const result = await performCreate(provider, known.intent, {
    clock,
    stateId,
    mayHaveBeenSent: known.status === "ambiguous" || !driver.recordedHere.has(intentId),
    maySend: () => !driver.signal.aborted && session.isFresh() && driver.state.requests.cancel === undefined,
  });
  // Not asked, for our lease was in doubt at the last moment: it is tried again, or another driver does it.
  if (result.type === "failed" && AbortedError.isInstance(result.error) && driver.state.requests.cancel === undefined) throw result.error;
  await driver.fact(...outcome(known, result));
  // Refused at last, but an earlier try may have bought something: it is looked for before another is bought.
  if (result.type === "unavailable" && result.sweep) await settleIntent(driver, intentId);
}

const REFUSED_AT_LAST = {
  code: "RUNCTL_AMBIGUOUS_OUTCOME",
  what: "The purchase was refused at last, but an earlier try's outcome is unknown.",
  why: "",
  fix: [],
};

function outcome(known: IntentState, result: CreateResult): RunLogEvent[] {
  const intentId = known.intent.id;
  switch (result.type) {
    case "created":
      return bought(known, result.machines, result.duplicates);
    case "unavailable":
      return result.sweep
        ? [{ type: "intent-ambiguous", intentId, error: REFUSED_AT_LAST }]
        : [{ type: "intent-unavailable", intentId, pools: result.pools }];
    case "failed":
      return [{ type: "intent-failed", intentId, error: failureRecord(result.error), retryable: result.error.retryable }];
    case "queued":
    case "ambiguous": {
      const error =
        result.type === "ambiguous"
          ? failureRecord(result.error)
          : { code: "RUNCTL_AMBIGUOUS_OUTCOME", what: "The provider queued the request.", why: "", fix: [] };
      return [{ type: "intent-ambiguous", intentId, error }];
    }
  }
}

/** All that an intent bought costs money, so all of it is in the log; what is one too many is ended like any machine. */
function bought(known: IntentState, machines: readonly Machine[], surplus: readonly Machine[]): RunLogEvent[] {
  const intentId = known.intent.id;
  return [
    ...[...machines, ...surplus].map((machine): RunLogEvent => {
      return { type: "intent-created", intentId, machine, pricePerHour: machine.pricePerHour ?? known.offer.pricePerHour };
    }),
    ...surplus.map((machine): RunLogEvent => ({ type: "machine-end-asked", machineId: formatRef(machine.ref), action: "terminate" })),
  ];
}

/**
 * Finds out what became of an intent that nobody wants any more: a machine is taken over (and then ended by policy), absence in
 * two complete listings after the settle window makes the intent void. Never closed on less (host-and-state.md §5).
 */
export async function settleIntent(driver: DriverPort, intentId: string): Promise<void> {
  const { providers, clock, stateId, pollers } = driver.context;
  const known = driver.state.intents[intentId];
  if (known === undefined) return;
  const provider = providers.get(known.offer.provider);
  const visibleFrom = Date.parse(known.changedAt) + known.settleMs;
  // The last try is older than this: after a wall clock's jump back it may seem to lie in the future.
  const since = clock.monotonic();
  let absent = 0;
  while (absent < 2) {
    await driver.gate();
    const found = await findPurchase(provider, known.intent, { clock, stateId, signal: driver.signal });
    const live = found.filter((machine) => machine.state !== "ended");
    const [first, ...more] = live;
    if (first !== undefined) {
      // An earlier try may have bought one too many.
      const { machines, duplicates } = keepOldest([first, ...more], known.intent.nodes);
      await driver.fact(...bought(known, machines, duplicates));
      return;
    }
    const listing = await pollers.of(provider.name).fresh();
    const settled = listing !== undefined && (listing.begunAt >= visibleFrom || listing.begunMonotonic >= since + known.settleMs);
    if (settled && listing.complete) absent += 1;
    else await sleep(clock, Math.min(5_000, Math.max(50, visibleFrom - clock.now())), driver.signal);
  }
  await driver.fact({ type: "intent-void", intentId, reason: "Nothing of it was seen in two complete listings." });
}
