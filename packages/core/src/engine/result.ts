import { costOf } from "../cost/cost-of.ts";
import { RunFailedError } from "../errors/kinds.ts";
import { type AttemptRecord, machineOf, type RunState } from "./run-state.ts";
import type { Attempt, RunResult, RunTime } from "./run-types.ts";
import { segmentsOf, trainedMs } from "./spent.ts";
import { runKey } from "./store-keys.ts";
import { costOfRun, marketOf } from "./summary.ts";

/** The result of a run that is over. @throws TypeError when it is not. */
export function resultOf(state: RunState, logTail: string[]): RunResult {
  if (state.ended === undefined) throw new TypeError(`Run ${state.runId} is not over.`);
  const endedAt = state.ended.at;
  const last = state.attempts.at(-1);
  const started = state.attempts.find((attempt) => attempt.startedAt !== undefined)?.startedAt;
  const error = state.ended.error ?? (state.ended.status === "succeeded" ? undefined : last?.error);
  const result: RunResult = {
    runId: state.runId,
    status: state.ended.status,
    ...(last?.final?.code == null ? {} : { exitCode: last.final.code }),
    ...(last?.final?.signal == null ? {} : { signal: last.final.signal }),
    ...(error === undefined ? {} : { error }),
    logTail,
    createdAt: state.createdAt,
    ...(started === undefined ? {} : { startedAt: started }),
    endedAt,
    durationMs: Math.max(0, Date.parse(endedAt) - Date.parse(state.createdAt)),
    attempts: state.attempts.map((attempt) => attemptOf(state, attempt)),
    checkpoints: state.checkpoints.map((checkpoint) => checkpoint.ref),
    outputs: outputsOf(state),
    lost: state.attempts.flatMap((attempt) => attempt.final?.lost ?? []),
    cost: costOfRun(state, Date.parse(endedAt)),
    time: timeOf(state),
    ...(state.resumedFrom === undefined
      ? {}
      : { resumedFrom: { runId: state.resumedFrom.runId, checkpoint: state.resumedFrom.checkpoint } }),
    orThrow() {
      if (result.status === "succeeded") return result;
      const why = error === undefined ? "" : [error.what, error.why].filter((text) => text !== "").join(" ");
      throw new RunFailedError({
        what: `Run ${state.runId} ended as "${result.status}".`,
        why,
        fix: error?.fix ?? [],
        context: { runId: state.runId, status: result.status, ...(result.exitCode === undefined ? {} : { exitCode: result.exitCode }) },
      });
    },
  };
  // Not part of the JSON, and not in the way of a deep comparison.
  Object.defineProperty(result, "orThrow", { enumerable: false });
  return result;
}

function attemptOf(state: RunState, attempt: AttemptRecord): Attempt {
  const machine = machineOf(state, attempt);
  const { ref, zone } = machine.machine;
  return {
    number: attempt.number,
    provider: ref.provider,
    machines: [machine.id],
    market: marketOf(state, machine.id) ?? "on-demand",
    ...(ref.region === undefined ? {} : { region: ref.region }),
    ...(zone === undefined ? {} : { zone }),
    ...(attempt.startedAt === undefined ? {} : { startedAt: attempt.startedAt }),
    ...(attempt.endedAt === undefined ? {} : { endedAt: attempt.endedAt }),
    ...(attempt.outcome === undefined ? {} : { outcome: attempt.outcome }),
    ...(attempt.cause === undefined ? {} : { cause: attempt.cause }),
    ...(attempt.resumedFrom === undefined ? {} : { resumedFrom: attempt.resumedFrom }),
    cost: costOf(segmentsOf(machine), { from: attempt.plannedAt, to: attempt.endedAt, now: attempt.endedAt ?? state.lastEventAt }),
  };
}

/** Where the time of a run went. Waiting: no machine. Start-up: from planning an attempt to its first line. */
export function timeOf(state: RunState): RunTime {
  const time: RunTime = { trainingMs: 0, repeatedMs: 0, startupMs: 0, waitingMs: 0, savingMs: 0, idleMs: 0 };
  let free = Date.parse(state.createdAt);
  state.attempts.forEach((attempt, index) => {
    const planned = Date.parse(attempt.plannedAt);
    const started = attempt.startedAt === undefined ? undefined : Date.parse(attempt.startedAt);
    const ended = attempt.endedAt === undefined ? planned : Date.parse(attempt.endedAt);
    time.waitingMs += Math.max(0, planned - free);
    time.startupMs += Math.max(0, (started ?? ended) - planned);
    time.trainingMs += trainedMs(attempt);
    time.savingMs += (attempt.final?.seconds.uploading ?? 0) * 1000;
    time.repeatedMs += repeatedMs(
      attempt,
      state.attempts.slice(index + 1).find((next) => next.startedAt !== undefined),
    );
    free = ended;
  });
  const total = state.ended === undefined ? 0 : Date.parse(state.ended.at) - Date.parse(state.createdAt);
  time.idleMs = Math.max(0, total - time.waitingMs - time.startupMs - time.trainingMs - time.savingMs);
  return time;
}

/** Training after the checkpoint that the next attempt resumed from; all of it when there was none. */
function repeatedMs(attempt: AttemptRecord, next: AttemptRecord | undefined): number {
  if (next === undefined || attempt.startedAt === undefined || next.startedAt === undefined) return 0;
  const trained = trainedMs(attempt);
  if (next.resumedFrom === undefined) return trained;
  if (next.resumedFrom.attempt < attempt.number) return trained;
  const ended = Date.parse(attempt.endedAt ?? next.plannedAt);
  return Math.min(trained, Math.max(0, ended - Date.parse(next.resumedFrom.publishedAt)));
}

/** The host knows keys within its stores; a result carries absolute locations. Rows come in the order of the spec, RUNCTL_OUTPUT_DIR first. */
function outputsOf(state: RunState): RunResult["outputs"] {
  const wanted = [...state.spec.outputs];
  return (state.attempts.at(-1)?.final?.outputs ?? []).map((row) => {
    const at = row.to === `${runKey(state.runId)}outputs/` ? -1 : wanted.findIndex((output) => output.from === row.from);
    return { ...row, to: wanted.splice(at, at < 0 ? 0 : 1)[0]?.to ?? `${state.storeUri}${row.to}` };
  });
}
