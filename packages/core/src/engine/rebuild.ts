import { readPublished } from "../checkpoint/published.ts";
import { AmbiguousOutcomeError } from "../errors/kinds.ts";
import { errorKind } from "../errors/runctl-error.ts";
import { finalSchema, type HostFinal, statusSchema } from "../host/records.ts";
import type { Intent } from "../provider/intent.ts";
import type { Offer } from "../provider/offer.ts";
import { formatRef, type Machine, parseRef } from "../provider/resource.ts";
import { TAGS } from "../provider/tags.ts";
import { isoNow } from "../util/clock.ts";
import { sleep } from "../util/sleep.ts";
import type { EngineContext } from "./context.ts";
import type { RunLogEvent } from "./log-events.ts";
import { failureOf, outcomeOf } from "./outcome.ts";
import { asJson, loadRun, runStream } from "./run-log.ts";
import { attemptKey, runUri } from "./store-keys.ts";

type RunCreated = Extract<RunLogEvent, { type: "run-created" }>;

/**
 * Writes the logs of runs anew, from what their store and the machines' tags say, for a state that was lost. A run of which neither
 * a machine nor a claimed attempt is left is not brought back: nobody knows whether it was cancelled.
 * Returns the ids of the runs that were rebuilt. Buys nothing.
 */
export async function rebuildRuns(context: EngineContext, storeUri: string): Promise<string[]> {
  const lost: LostRun[] = [];
  for (const runId of await storedRuns(context, storeUri)) {
    if ((await loadRun(context.state, runId)) !== undefined) continue;
    const created = (await readJson(context, `${runUri(storeUri, runId)}run.json`)) as RunCreated | undefined;
    if (created?.stateId === context.stateId) lost.push({ created, claims: await claimsOf(context, created) });
  }
  const machines = await ourMachines(context, lost);
  const rebuilt: string[] = [];
  for (const run of lost) {
    const events = await eventsOf(context, run, machines);
    if (events === undefined) continue;
    const { runId } = run.created;
    await context.state.append(runStream(runId), asJson(events), { expected: 0, session: context.session.id, at: isoNow(context.clock) });
    rebuilt.push(runId);
  }
  return rebuilt;
}

interface LostRun {
  created: RunCreated;
  claims: Claim[];
}

/** Host-and-state.md §5: how long after create a listing may lack a machine. */
const DEFAULT_SETTLE_MS = 60_000;

/**
 * Our machines. With the state went the knowledge of when each was bought: where a run's machine is not listed, it may be too young
 * to be, and a second one would train beside it. Then the listing counts that was begun after every settle window.
 */
async function ourMachines(context: EngineContext, lost: readonly LostRun[]): Promise<Map<string, Machine>> {
  const providers = context.providers.all();
  const machines = new Map<string, Machine>();
  const list = async (): Promise<string[]> => {
    const partial: string[] = [];
    for (const provider of providers) {
      const found = await provider.find({ stateId: context.stateId, kinds: ["machine"] });
      for (const machine of found.machines) machines.set(formatRef(machine.ref), machine);
      if (!found.complete) partial.push(provider.name);
    }
    return partial;
  };
  let partial = await list();
  const isMissed = ({ created, claims }: LostRun): boolean =>
    claims.some((claim) => !claim.isOver && !machines.has(claim.machine)) ||
    (claims.length === 0 && ![...machines.values()].some((machine) => machine.tags[TAGS.run] === created.runId));
  const settleMs = Math.max(0, ...providers.map((provider) => provider.capabilities.settleMs ?? DEFAULT_SETTLE_MS));
  if (settleMs > 0 && lost.some(isMissed)) {
    await sleep(context.clock, settleMs);
    partial = await list();
  }
  if (partial.length > 0 && lost.some(isMissed)) {
    throw new AmbiguousOutcomeError({
      what: `The machines of ${partial.join(", ")} could not be listed whole, so the lost runs were not rebuilt.`,
      why: "A run whose machine was only not seen would be given a second one beside it.",
      fix: ["Call reconcile({ adoptState }) again when the provider answers in full."],
    });
  }
  return machines;
}

/** Run ids below the store, from their `run.json`. */
async function storedRuns(context: EngineContext, storeUri: string): Promise<string[]> {
  const prefix = `${storeUri}runs/`;
  const ids = new Set<string>();
  for await (const object of context.store(storeUri).list(prefix)) {
    const [id = "", file] = object.uri.slice(prefix.length).split("/");
    if (file === "run.json") ids.add(id);
  }
  return [...ids];
}

async function eventsOf(
  context: EngineContext,
  { created, claims }: LostRun,
  machines: Map<string, Machine>,
): Promise<RunLogEvent[] | undefined> {
  const mine = [...machines].filter(([, machine]) => machine.tags[TAGS.run] === created.runId);
  if (mine.length === 0 && claims.length === 0) return undefined;
  const events: RunLogEvent[] = [created];
  const known = new Set<string>();
  for (const claim of claims) {
    if (!known.has(claim.machine)) events.push(...machineEvents(created, claim.machine, machines.get(claim.machine), claim.attempt));
    known.add(claim.machine);
    events.push(...(await attemptEvents(context, created, claim)));
  }
  for (const [id, machine] of mine)
    if (!known.has(id)) events.push(...machineEvents(created, id, machine, Number(machine.tags[TAGS.attempt] ?? 1)));
  return events;
}

interface Claim {
  attempt: number;
  machine: string;
  nonce: string;
  /** The host has written how it ended. */
  isOver: boolean;
}

async function claimsOf(context: EngineContext, created: RunCreated): Promise<Claim[]> {
  const claims: Claim[] = [];
  for (let attempt = 1; ; attempt++) {
    const base = `${created.storeUri}${attemptKey(created.runId, attempt)}`;
    const claim = (await readJson(context, `${base}claim`)) as Partial<Claim> | undefined;
    if (typeof claim?.machine !== "string" || typeof claim.nonce !== "string") return claims;
    const isOver = (await context.store(base).head(`${base}final.json`)) !== undefined;
    claims.push({ attempt, machine: claim.machine, nonce: claim.nonce, isOver });
  }
}

/** A machine that is gone is recorded as ended: what it cost is unknown, and says so. */
function machineEvents(created: RunCreated, id: string, machine: Machine | undefined, attempt: number): RunLogEvent[] {
  const ref = machine?.ref ?? parseRef(id) ?? { provider: "unknown", kind: "machine", id };
  const shown: Machine = machine ?? { ref, name: id, state: "ended", tags: {} };
  const intentId = machine?.tags[TAGS.intent] ?? `rebuilt-${attempt}`;
  if (machine !== undefined && machine.tags[TAGS.run] === undefined)
    return [{ type: "machine-used", machine, pricePerHour: machine.pricePerHour }];
  const offer: Offer = {
    id: shown.type ?? "unknown",
    provider: ref.provider,
    type: shown.type ?? "unknown",
    accelerators: [],
    market: shown.market ?? "on-demand",
    pricePerHour: shown.pricePerHour,
    can: { stop: false, notice: false, endItself: false },
  };
  const intent: Intent = {
    id: intentId,
    name: shown.name,
    runId: created.runId,
    attempt,
    offers: [offer],
    nodes: 1,
    tags: shown.tags,
    boot: "",
    volumes: [],
    env: {},
    endBy: new Date(0).toISOString(),
  };
  return [
    { type: "intent-recorded", intent, offer, allowanceUsd: null, settleMs: 0 },
    { type: "intent-created", intentId, machine: shown, pricePerHour: shown.pricePerHour },
  ];
}

async function attemptEvents(context: EngineContext, created: RunCreated, claim: Claim): Promise<RunLogEvent[]> {
  const { attempt } = claim;
  const base = `${created.storeUri}${attemptKey(created.runId, attempt)}`;
  const events: RunLogEvent[] = [
    {
      type: "attempt-planned",
      attempt,
      machineId: claim.machine,
      nonce: claim.nonce,
      resume: [],
      allowance: { seconds: null, hardSeconds: 0 },
      maxDurationSeconds: null,
    },
    { type: "attempt-armed", attempt },
  ];
  const final = finalSchema.safeParse(await readJson(context, `${base}final.json`)).data;
  const status = statusSchema.safeParse(await readJson(context, `${base}status.json`)).data;
  const published = await readPublished(context.store(created.storeUri), runUri(created.storeUri, created.runId), {});
  const keyed = published.good.map((found) => ({ ref: found.ref, key: decodeKey(created.storeUri, found.manifestUri) }));
  const startedAt = final?.startedAt ?? status?.startedAt ?? null;
  const resumedFrom = keyed.find((checkpoint) => checkpoint.key === (final?.resumedFrom ?? status?.resumedFrom))?.ref;
  if (startedAt !== null) events.push({ type: "attempt-started", attempt, startedAt, resumedFrom });
  for (const checkpoint of keyed.reverse()) {
    if (checkpoint.ref.attempt === attempt)
      events.push({ type: "checkpoint-published", attempt, manifestKey: checkpoint.key, checkpoint: checkpoint.ref });
  }
  if (final !== undefined) events.push(endedEvent(created, attempt, final));
  return events;
}

function endedEvent(created: RunCreated, attempt: number, final: HostFinal): RunLogEvent {
  const script = created.spec.script ?? created.spec.command?.[0] ?? "The command";
  return {
    type: "attempt-ended",
    attempt,
    outcome: outcomeOf(final),
    cause: final.cause,
    endedAt: final.endedAt,
    evidence: "told-by-host",
    final,
    error: failureOf(final, script),
  };
}

function decodeKey(storeUri: string, manifestUri: string): string {
  return manifestUri.slice(storeUri.length);
}

async function readJson(context: EngineContext, uri: string): Promise<unknown> {
  try {
    return JSON.parse(new TextDecoder().decode(await context.store(uri).get(uri)));
  } catch (error) {
    if (errorKind(error) === "not-found" || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
