import { ConflictError } from "../errors/kinds.ts";
import { isoNow } from "../util/clock.ts";
import type { EngineContext } from "./context.ts";
import { openIntent } from "./decide-train.ts";
import { evolve } from "./evolve.ts";
import { projectFacts, SLOT } from "./project-log.ts";
import { asLogged, runStream } from "./run-log.ts";
import { liveMachines, type RunState } from "./run-state.ts";
import type { Elsewhere, Queued } from "./slot-gate.ts";

/** While the limit is far, what other processes hold is looked up this rarely. */
const LOOK_MS = 2_000;
/** A slot taken in the project's stream counts this long for a run whose log shows no purchase yet. */
const CLAIM_MS = 120_000;
/** A limit this small is always taken in the project's stream. */
const SMALL = 10;

interface Seen {
  at: number;
  runs: Map<string, RunState>;
}

const SEEN = new WeakMap<EngineContext, Seen>();

/**
 * Takes one of the project's slots for a run that is about to buy. Far below the limit a look at the other runs is enough; near it
 * the project's stream is the lock: of two processes that see the same last slot one gets it.
 */
export async function takeSlot(context: EngineContext, run: Queued): Promise<boolean> {
  const { slots, state, session, clock } = context;
  if (slots.holds(run.runId)) return true;
  let seen = SEEN.get(context);
  if (seen === undefined || clock.monotonic() - seen.at > LOOK_MS) seen = await look(context, seen);
  const far = await elsewhere(context, seen, undefined);
  if (slots.max > SMALL && (slots.held + far.held + 1) * 2 < slots.max) return slots.take(run, far);
  for (;;) {
    const { version, slots: claims } = await projectFacts(state);
    const near = await elsewhere(context, await look(context, seen), claims);
    if (!slots.take(run, near)) return false;
    try {
      await state.append("project", [{ type: SLOT, runId: run.runId }], { expected: version, session: session.id, at: isoNow(clock) });
      return true;
    } catch (error) {
      slots.release(run.runId);
      if (!ConflictError.isInstance(error)) throw error;
    }
  }
}

/** Every run that goes on, those of other processes too; of each only what is new is read. */
async function look(context: EngineContext, before: Seen | undefined): Promise<Seen> {
  const { state, clock, slots } = context;
  const runs = new Map<string, RunState>();
  const at = clock.monotonic();
  for await (const info of state.list("run/")) {
    const runId = info.stream.slice("run/".length);
    if (info.ended || info.corrupt !== undefined || slots.holds(runId)) continue;
    try {
      let known = before?.runs.get(runId);
      for (const stored of await state.read(runStream(runId), known?.version ?? 0)) known = evolve(known, asLogged(stored));
      if (known !== undefined) runs.set(runId, known);
    } catch {
      // A run that cannot be read is reported elsewhere, and must not hold everybody up.
    }
  }
  const seen = { at, runs };
  SEEN.set(context, seen);
  return seen;
}

async function elsewhere(context: EngineContext, seen: Seen, claims: ReadonlyMap<string, number> | undefined): Promise<Elsewhere> {
  const { slots, leases, session, state, clock } = context;
  const beats = await state.beats();
  const found = { held: 0, waiting: [] as Queued[] };
  for (const run of seen.runs.values()) {
    // The gate knows of this process's own.
    if (slots.holds(run.runId) || run.lease === session.id) continue;
    const claimed = clock.now() - (claims?.get(run.runId) ?? Number.NEGATIVE_INFINITY) < CLAIM_MS && run.ended === undefined;
    if (usesSlot(run) || claimed) found.held += 1;
    // One that nobody drives holds nobody up.
    else if (isWaiting(run) && leases.judge(run.lease, beats) === "held")
      found.waiting.push({ runId: run.runId, createdAt: run.createdAt });
  }
  return found;
}

/** Has a machine that costs by the hour, or is about to. */
export function usesSlot(run: RunState): boolean {
  return openIntent(run) !== undefined || liveMachines(run).some((machine) => machine.owned && machine.state !== "stopped");
}

/** Wants a machine, and was not refused one: who looks for capacity in vain does not hold up the queue. */
function isWaiting(run: RunState): boolean {
  const { cancel, stop, suspend } = run.requests;
  if (run.ended !== undefined || run.wantingSince === undefined || run.spec.machine !== undefined) return false;
  if (cancel !== undefined || stop !== undefined || suspend !== undefined || run.secretsMissing.length > 0) return false;
  return !hasBeenRefused(run);
}

/** Was refused a machine since it began to want one. */
export function hasBeenRefused(run: RunState): boolean {
  return Object.values(run.intents).some((intent) => intent.changedAt >= (run.wantingSince ?? ""));
}
