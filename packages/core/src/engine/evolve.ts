import { formatRef } from "../provider/resource.ts";
import type { LoggedEvent, RunLogEvent } from "./log-events.ts";
import { type AttemptRecord, heardKey, type IntentState, type MachineRecord, type RunState, type RunVolume } from "./run-state.ts";

/** A run without a driver for longer than this was left alone. */
const UNATTENDED_MS = 15 * 60_000;

/**
 * Folds one event into the state. Pure: same log, same state, on any machine at any time.
 * Unknown event types (a newer runctl wrote them) change nothing but the version.
 */
export function evolve(state: RunState | undefined, logged: LoggedEvent): RunState {
  const { event, at, seq } = logged;
  if (state === undefined) {
    if (event.type !== "run-created") throw new TypeError(`A run's log begins with run-created, not ${event.type}.`);
    return created(event, at);
  }
  const next: RunState = { ...state, version: seq + 1, lastEventAt: at };
  if (event.type === "lease-taken") takeLease(next, at, state.lastEventAt);
  apply(next, event, at);
  return next;
}

/** The state after a whole log; undefined for an empty one. */
export function replayLog(events: readonly LoggedEvent[]): RunState | undefined {
  let state: RunState | undefined;
  for (const event of events) state = evolve(state, event);
  return state;
}

function created(event: Extract<RunLogEvent, { type: "run-created" }>, at: string): RunState {
  return {
    version: 1,
    runId: event.runId,
    createdAt: at,
    spec: event.spec,
    specHash: event.specHash,
    storeUri: event.storeUri,
    code: event.code,
    literalSecrets: event.literalSecrets,
    resumedFrom: event.resumedFrom,
    requests: {},
    intents: {},
    machines: {},
    volumes: [],
    attempts: [],
    checkpoints: [],
    unpruned: 0,
    wantingSince: at,
    secretsMissing: [],
    alarms: [],
    warnedBudget: [],
    warnedThresholds: [],
    lastEventAt: at,
  };
}

function apply(next: RunState, event: RunLogEvent, at: string): void {
  switch (event.type) {
    case "lease-taken":
      // Another process has another environment: what was missing there may be here.
      if (next.lease !== event.session) next.secretsMissing = [];
      next.lease = event.session;
      return;
    case "lease-released":
      if (next.lease === event.session) next.lease = undefined;
      return;
    case "user-request":
      next.requests = applyRequest(next, event, at);
      return;
    case "intent-recorded":
      next.intents = {
        ...next.intents,
        [event.intent.id]: {
          intent: event.intent,
          offer: event.offer,
          status: "recorded",
          recordedAt: at,
          changedAt: at,
          unclear: 0,
          settleMs: event.settleMs,
          allowanceUsd: event.allowanceUsd,
        },
      };
      return;
    case "intent-created": {
      changeIntent(next, event.intentId, { status: "created", changedAt: at });
      const id = formatRef(event.machine.ref);
      if (next.machines[id] !== undefined) return;
      next.machines = {
        ...next.machines,
        [id]: {
          id,
          machine: event.machine,
          owned: true,
          intentId: event.intentId,
          pricePerHour: event.pricePerHour,
          state: event.machine.state,
          createdAt: event.machine.createdAt ?? at,
          stopped: [],
        },
      };
      next.wantingSince = undefined;
      return;
    }
    case "intent-unavailable": {
      const waits = event.pools.map((pool) => pool.retryAfterMs ?? 0);
      changeIntent(next, event.intentId, {
        status: "unavailable",
        changedAt: at,
        retryAfterMs: waits.length === 0 ? 0 : Math.max(...waits),
      });
      return;
    }
    case "intent-failed":
      changeIntent(next, event.intentId, { status: "failed", changedAt: at, error: event.error, retryable: event.retryable });
      return;
    case "intent-ambiguous":
      changeIntent(next, event.intentId, {
        status: "ambiguous",
        changedAt: at,
        error: event.error,
        unclear: (next.intents[event.intentId]?.unclear ?? 0) + 1,
      });
      return;
    case "intent-void":
      changeIntent(next, event.intentId, { status: "void", changedAt: at });
      return;
    case "volume-wanted": {
      const { type: _type, index, ...wanted } = event;
      changeVolume(next, { index, owned: true, wanted: { at, ...wanted } });
      return;
    }
    case "volume-held":
      changeVolume(next, { index: event.index, owned: event.owned, volume: event.volume, heldAt: at });
      return;
    case "volume-void":
      next.volumes = next.volumes.filter((known) => known.index !== event.index);
      return;
    case "volume-deleted":
      changeVolume(next, { index: event.index, deletedAt: at });
      return;
    case "machine-used": {
      const id = formatRef(event.machine.ref);
      next.machines = {
        ...next.machines,
        [id]: {
          id,
          machine: event.machine,
          owned: false,
          pricePerHour: event.pricePerHour,
          state: event.machine.state,
          createdAt: at,
          stopped: [],
        },
      };
      next.wantingSince = undefined;
      return;
    }
    case "attempt-planned":
      next.attempts = [
        ...next.attempts,
        {
          number: event.attempt,
          machineId: event.machineId,
          nonce: event.nonce,
          resume: event.resume,
          allowance: event.allowance,
          allowanceSeq: 1,
          maxDurationSeconds: event.maxDurationSeconds,
          plannedAt: at,
          told: [],
          heard: [],
        },
      ];
      return;
    case "attempt-armed":
      changeAttempt(next, event.attempt, { armedAt: at });
      return;
    case "attempt-phase":
      changeAttempt(next, event.attempt, { phase: event.phase });
      return;
    case "attempt-started":
      changeAttempt(next, event.attempt, { startedAt: event.startedAt, resumedFrom: event.resumedFrom, phase: "training" });
      return;
    case "allowance-granted": {
      changeAttempt(next, event.attempt, {
        allowanceSeq: event.seq,
        allowance: { seconds: event.seconds, hardSeconds: event.hardSeconds },
      });
      const machineId = next.attempts.find((attempt) => attempt.number === event.attempt)?.machineId ?? "";
      const intentId = next.machines[machineId]?.intentId;
      if (intentId !== undefined) changeIntent(next, intentId, { allowanceUsd: event.usd });
      return;
    }
    case "attempt-told": {
      const told = next.attempts.find((attempt) => attempt.number === event.attempt)?.told ?? [];
      changeAttempt(next, event.attempt, { told: [...told, event.op] });
      return;
    }
    case "attempt-ended":
      changeAttempt(next, event.attempt, {
        outcome: event.outcome,
        cause: event.cause,
        endedAt: event.endedAt,
        evidence: event.evidence,
        final: event.final,
        error: event.error,
      });
      // Its machine may never be seen to end: the next one is wanted from now on.
      if (event.outcome === "interrupted" || event.outcome === "lost") next.wantingSince = at;
      return;
    case "checkpoint-published":
      if (next.checkpoints.some((known) => known.manifestKey === event.manifestKey)) return;
      next.unpruned += 1;
      next.checkpoints = [...next.checkpoints, { manifestKey: event.manifestKey, ref: event.checkpoint }];
      return;
    case "checkpoints-pruned":
      next.unpruned = 0;
      next.checkpoints = next.checkpoints.filter((known) => !event.manifestKeys.includes(known.manifestKey));
      return;
    case "notice-received":
      changeAttempt(next, event.attempt, { notice: { action: event.action, until: event.until } });
      hear(next, event);
      return;
    case "checkpoint-rejected":
      hear(next, event);
      return;
    case "slot-taken":
      if (next.wantingSince !== undefined) next.wantingSince = at;
      return;
    case "machine-state":
      applyMachineState(next, event.machineId, { state: event.state, at, reason: event.reason });
      return;
    case "machine-end-asked":
      changeMachine(next, event.machineId, { asked: { action: event.action, at } });
      return;
    case "machine-ended":
      changeMachine(next, event.machineId, {
        state: "ended",
        endedAt: event.endedAt,
        endEvidence: event.evidence,
        endReason: event.reason,
      });
      if (next.ended === undefined && liveOwned(next) === 0) next.wantingSince = at;
      return;
    case "machine-billed":
      changeMachine(next, event.machineId, { bills: event.segments });
      return;
    case "budget-warning":
      next.warnedBudget = [...next.warnedBudget, event.fraction];
      return;
    case "cost-threshold":
      next.warnedThresholds = [...next.warnedThresholds, event.threshold];
      return;
    case "secrets-missing":
      next.secretsMissing = event.names;
      return;
    case "secrets-supplied":
      next.secretsMissing = [];
      return;
    case "alarm":
      if (!next.alarms.includes(event.id)) next.alarms = [...next.alarms, event.id];
      return;
    case "alarm-cleared":
      next.alarms = next.alarms.filter((id) => id !== event.id);
      return;
    case "run-ended":
      next.ended = { status: event.status, at, error: event.error };
      next.wantingSince = undefined;
      return;
    default:
      return;
  }
}

function applyRequest(state: RunState, event: Extract<RunLogEvent, { type: "user-request" }>, at: string): RunState["requests"] {
  const { type: _type, ...request } = event;
  if (event.request === "start") return { ...state.requests, suspend: undefined };
  // The first request of a kind stands: asking twice must not restart a grace period.
  if (state.requests[event.request] !== undefined) return state.requests;
  return { ...state.requests, [event.request]: { at, request } };
}

function changeIntent(state: RunState, id: string, change: Partial<IntentState>): void {
  const known = state.intents[id];
  if (known !== undefined) state.intents = { ...state.intents, [id]: { ...known, ...change } };
}

/** Time in which nobody tried is not taken off the time to look for capacity. Short gaps are: a cron job's visits are one search. */
function takeLease(next: RunState, at: string, lastEventAt: string): void {
  next.leaseAt = at;
  const gap = Date.parse(at) - Date.parse(lastEventAt);
  if (next.wantingSince === undefined || gap < UNATTENDED_MS) return;
  next.wantingSince = new Date(Date.parse(next.wantingSince) + gap).toISOString();
}

function changeVolume(state: RunState, change: Partial<RunVolume> & Pick<RunVolume, "index">): void {
  const known = state.volumes.find((volume) => volume.index === change.index) ?? { index: change.index, owned: false };
  const others = state.volumes.filter((volume) => volume.index !== change.index);
  state.volumes = [...others, { ...known, ...change }].sort((a, b) => a.index - b.index);
}

function changeMachine(state: RunState, id: string, change: Partial<MachineRecord>): void {
  const known = state.machines[id];
  if (known !== undefined) state.machines = { ...state.machines, [id]: { ...known, ...change } };
}

function applyMachineState(
  state: RunState,
  id: string,
  change: { state: MachineRecord["state"]; at: string; reason?: string | undefined },
): void {
  const known = state.machines[id];
  if (known === undefined) return;
  let stopped = known.stopped;
  if (change.state === "stopped" && stopped.at(-1)?.to !== undefined) stopped = [...stopped, { from: change.at }];
  if (change.state === "stopped" && stopped.length === 0) stopped = [{ from: change.at }];
  if (change.state === "running") stopped = stopped.map((span) => (span.to === undefined ? { ...span, to: change.at } : span));
  changeMachine(state, id, { state: change.state, stopped, ...(change.reason === undefined ? {} : { endReason: change.reason }) });
}

function changeAttempt(state: RunState, number: number, change: Partial<AttemptRecord>): void {
  state.attempts = state.attempts.map((attempt) => (attempt.number === number ? { ...attempt, ...change } : attempt));
}

function hear(state: RunState, event: Parameters<typeof heardKey>[0]): void {
  const heard = state.attempts.find((attempt) => attempt.number === event.attempt)?.heard ?? [];
  const key = heardKey(event);
  if (!heard.includes(key)) changeAttempt(state, event.attempt, { heard: [...heard, key] });
}

function liveOwned(state: RunState): number {
  return Object.values(state.machines).filter((machine) => machine.endedAt === undefined).length;
}
