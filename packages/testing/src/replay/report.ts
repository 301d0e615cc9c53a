import type { EndStatus, Money, StoredEvent } from "@runctl/core";
import type { RecordedRun } from "./recorded-run.ts";

/** What a run took, in one row. Milliseconds. */
export interface RunFigures {
  /** Absent: it was not over when the record, or the replay's limit, ended. */
  status?: EndStatus | undefined;
  /** Absent: a price is unknown. Machines only; storage and transfer are not in it. */
  cost?: Money | undefined;
  durationMs: number;
  attempts: number;
  /** Attempts that ended because their machine was taken away or lost. */
  interruptions: number;
  trainingMs: number;
  /** Training that was done twice. */
  repeatedMs: number;
  startupMs: number;
  waitingMs: number;
  /** Machine time by market. */
  machineMs: Record<string, number>;
}

/** What a recorded run would have been under other choices. */
export interface ReplayReport {
  runId: string;
  recorded: RunFigures;
  replayed: RunFigures;
  /** Replayed less recorded; cost absent where one of the two is. */
  difference: { cost?: Money | undefined; durationMs: number };
  /** Absent: there was no such limit. undefined members: unknown. */
  budget?: { maxCost: number; met: boolean | undefined } | undefined;
  deadline?: { at: string; met: boolean } | undefined;
  /** How far a replay of the record's own choices is from the record: what such a figure is worth. */
  fidelity: { costShare?: number | undefined; durationShare: number };
  /** What was taken for granted. */
  assumptions: string[];
  /** What neither the record nor the caller tells. A figure that hangs on it is absent, or said to be so here. */
  unknown: string[];
  /** The replayed run's own log, to be looked at or replayed again. */
  log: StoredEvent[];
}

/** The figures of a record, with its own ledger's cost or the cloud's invoice. */
export function figuresOf(run: RecordedRun, cost: Money | undefined): RunFigures {
  const machineMs: Record<string, number> = {};
  for (const machine of run.machines) {
    if (!machine.owned) continue;
    machineMs[machine.market] = (machineMs[machine.market] ?? 0) + Math.max(0, (machine.endedAtMs ?? run.durationMs) - machine.createdAtMs);
  }
  return {
    ...(run.status === undefined ? {} : { status: run.status }),
    ...(cost === undefined ? {} : { cost }),
    durationMs: run.durationMs,
    attempts: run.attempts.length,
    interruptions: run.attempts.filter(({ outcome }) => outcome === "interrupted" || outcome === "lost").length,
    trainingMs: run.trainingMs,
    repeatedMs: run.repeatedMs,
    startupMs: run.startupMs,
    waitingMs: run.waitingMs,
    machineMs,
  };
}
