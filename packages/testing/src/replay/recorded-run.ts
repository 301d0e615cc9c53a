import { type EndStatus, type Money, type StoredEvent, ValidationError } from "@runctl/core";
import type { Offer } from "@runctl/core/provider";
import type { AttemptRecord, CheckpointRef, MachineRecord, ResolvedSpec, RunState } from "@runctl/core/seams";
import { asLogged, costOfRun, marketOf, type RunLogEvent, replayLog, timeOf, trainedMs } from "@runctl/core/seams";

/** A save that reached the store. */
export interface RecordedCheckpoint {
  /** Milliseconds since the run was made. */
  atMs: number;
  /** Milliseconds of useful training that it holds: what the next attempt need not repeat. */
  progressMs: number;
  attempt: number;
  seq: number;
  sizeBytes: number;
}

/** One attempt as it was. Times are milliseconds since the run was made; absent: it never came to that. */
export interface RecordedAttempt {
  number: number;
  machineId: string;
  plannedAtMs: number;
  armedAtMs?: number | undefined;
  startedAtMs?: number | undefined;
  endedAtMs?: number | undefined;
  outcome?: AttemptRecord["outcome"];
  cause?: string | undefined;
  exitCode?: number | undefined;
  /** Training, by the host's own count where it told one. */
  trainedMs: number;
  /** Useful training it began with, from the checkpoint it resumed from. */
  baseMs: number;
  checkpoints: RecordedCheckpoint[];
}

/** One machine as it was bought and as it went. Times are milliseconds since the run was made. */
export interface RecordedMachine {
  id: string;
  /** False: it was there before the run (`machine:`). */
  owned: boolean;
  offer?: Offer | undefined;
  market: string;
  pricePerHour?: Money | undefined;
  /** When the purchase was written down; the create call follows. */
  askedAtMs: number;
  createdAtMs: number;
  /** When we asked for its end. */
  endAskedAtMs?: number | undefined;
  endedAtMs?: number | undefined;
  /** When it was taken away by its provider, and when that was announced; absent: it was not. */
  reclaimed?: { atMs: number; noticeAtMs?: number | undefined; action: string } | undefined;
}

/** A purchase that its provider refused. */
export interface RecordedRefusal {
  /** When the purchase was written down. */
  atMs: number;
  offer: Offer;
}

/** A run's log, read as what happened and when. */
export interface RecordedRun {
  runId: string;
  createdAt: string;
  spec: ResolvedSpec;
  /** Absent: it is not over. */
  status?: EndStatus | undefined;
  /** From its making to its end, or to its last event. */
  durationMs: number;
  /** What its machines cost by its own ledger; absent: a price is unknown. */
  cost?: Money | undefined;
  trainingMs: number;
  repeatedMs: number;
  startupMs: number;
  waitingMs: number;
  savingMs: number;
  /** Useful training until its end: all that was needed if it succeeded, all that is known otherwise. */
  usefulMs: number;
  machines: RecordedMachine[];
  attempts: RecordedAttempt[];
  refusals: RecordedRefusal[];
  /** What users asked of it. */
  requests: Array<{ atMs: number; request: "stop" | "cancel" | "suspend" | "start"; graceMs?: number | undefined }>;
}

const RECLAIMED = new Set(["terminate", "stop", "hibernate"]);

/**
 * Reads a run's log. @throws ValidationError when it is not one: empty, or without its beginning.
 */
export function recordedRun(log: readonly StoredEvent[]): RecordedRun {
  const [first] = log;
  if (first === undefined || first.event.type !== "run-created" || first.seq !== 0) {
    throw new ValidationError({
      what: "This is not the log of a run.",
      why: first === undefined ? "It is empty." : "A run's log begins with its event run-created, seq 0.",
      fix: ["Give all events of one stream, from its first: state.read('run/…')."],
    });
  }
  const logged = log.map((stored) => asLogged(stored));
  const state = replayLog(logged) as RunState;
  const zero = Date.parse(state.createdAt);
  const since = (iso: string): number => Date.parse(iso) - zero;
  const lastAt = state.ended?.at ?? state.lastEventAt;
  const cost = costOfRun(state, Date.parse(lastAt));
  const time = timeOf(state);
  const noticed = new Map<number, { atMs: number; action: string }>();
  const requests: RecordedRun["requests"] = [];
  const refusals: RecordedRefusal[] = [];
  for (const { at, event } of logged) {
    if (event.type === "notice-received" && !noticed.has(event.attempt) && RECLAIMED.has(event.action))
      noticed.set(event.attempt, { atMs: since(at), action: event.action });
    if (event.type === "user-request") requests.push({ atMs: since(at), request: event.request, ...graceOf(event) });
    if (event.type === "intent-unavailable") {
      const intent = state.intents[event.intentId];
      if (intent !== undefined) refusals.push({ atMs: since(intent.recordedAt), offer: intent.offer });
    }
  }
  // From the events: the state forgets what retention removed.
  const published = logged.flatMap(({ event }) => (event.type === "checkpoint-published" ? [event.checkpoint] : []));
  const attempts = attemptsOf(state, published, since);
  const usefulMs = Math.max(0, ...attempts.map((attempt) => attempt.baseMs + attempt.trainedMs));
  return {
    runId: state.runId,
    createdAt: state.createdAt,
    spec: state.spec,
    status: state.ended?.status,
    durationMs: since(lastAt),
    cost: cost.total,
    trainingMs: time.trainingMs,
    repeatedMs: time.repeatedMs,
    startupMs: time.startupMs,
    waitingMs: time.waitingMs,
    savingMs: time.savingMs,
    usefulMs,
    machines: Object.values(state.machines).map((machine) => machineOf(state, machine, since, noticed)),
    attempts,
    refusals,
    requests,
  };
}

function graceOf(event: Extract<RunLogEvent, { type: "user-request" }>): { graceMs?: number } {
  return event.request === "stop" && event.graceMs !== undefined ? { graceMs: event.graceMs } : {};
}

function attemptsOf(state: RunState, published: readonly CheckpointRef[], since: (iso: string) => number): RecordedAttempt[] {
  const attempts: RecordedAttempt[] = [];
  const saved: RecordedCheckpoint[] = [];
  for (const record of state.attempts) {
    const startedAtMs = record.startedAt === undefined ? undefined : since(record.startedAt);
    const trained = trainedMs(record, Date.parse(state.lastEventAt));
    const from = record.resumedFrom;
    const baseMs = from === undefined ? 0 : (saved.find((one) => one.attempt === from.attempt && one.seq === from.seq)?.progressMs ?? 0);
    const checkpoints = published
      .filter((ref) => ref.attempt === record.number)
      .map((ref): RecordedCheckpoint => {
        const atMs = since(ref.publishedAt);
        const progressMs = baseMs + Math.min(trained, Math.max(0, atMs - (startedAtMs ?? atMs)));
        return { atMs, progressMs, attempt: ref.attempt, seq: ref.seq, sizeBytes: ref.sizeBytes };
      })
      .sort((a, b) => a.seq - b.seq);
    saved.push(...checkpoints);
    attempts.push({
      number: record.number,
      machineId: record.machineId,
      plannedAtMs: since(record.plannedAt),
      armedAtMs: record.armedAt === undefined ? undefined : since(record.armedAt),
      startedAtMs,
      endedAtMs: record.endedAt === undefined ? undefined : since(record.endedAt),
      outcome: record.outcome,
      cause: record.cause,
      exitCode: record.final?.code ?? undefined,
      trainedMs: trained,
      baseMs,
      checkpoints,
    });
  }
  return attempts;
}

function machineOf(
  state: RunState,
  machine: MachineRecord,
  since: (iso: string) => number,
  noticed: Map<number, { atMs: number; action: string }>,
): RecordedMachine {
  const intent = machine.intentId === undefined ? undefined : state.intents[machine.intentId];
  const last = state.attempts.filter((attempt) => attempt.machineId === machine.id).at(-1);
  const notice = last === undefined ? undefined : noticed.get(last.number);
  const createdAtMs = since(machine.createdAt);
  const endedAtMs = machine.endedAt === undefined ? undefined : since(machine.endedAt);
  return {
    id: machine.id,
    owned: machine.owned,
    offer: intent?.offer,
    market: marketOf(state, machine.id) ?? "on-demand",
    pricePerHour: machine.pricePerHour,
    askedAtMs: intent === undefined ? createdAtMs : since(intent.recordedAt),
    createdAtMs,
    endAskedAtMs: machine.asked?.action === "terminate" ? since(machine.asked.at) : undefined,
    endedAtMs,
    reclaimed: reclaimOf(machine, last, notice, endedAtMs, since),
  };
}

/** A machine that ended, or was announced to, without anybody of ours asking first. */
function reclaimOf(
  machine: MachineRecord,
  last: AttemptRecord | undefined,
  notice: { atMs: number; action: string } | undefined,
  endedAtMs: number | undefined,
  since: (iso: string) => number,
): RecordedMachine["reclaimed"] {
  if (notice !== undefined) {
    const until = last?.notice?.until ?? null;
    const atMs = until === null ? (endedAtMs ?? notice.atMs) : since(until);
    return { atMs, noticeAtMs: notice.atMs, action: notice.action };
  }
  if (last === undefined || (last.outcome !== "interrupted" && last.outcome !== "lost") || endedAtMs === undefined) return undefined;
  const asked = machine.asked === undefined ? undefined : since(machine.asked.at);
  if (asked !== undefined && asked < endedAtMs) return undefined;
  return { atMs: endedAtMs, action: "terminate" };
}
