import type { CheckpointRef } from "../checkpoint/checkpoint-ref.ts";
import type { Cost } from "../cost/cost.ts";
import type { AttemptOutcome, Cursor, EndStatus, RunEvent, RunStatus } from "../events/event-types.ts";
import type { MetricPoint, Progress } from "../metrics/metric-types.ts";
import type { Money } from "../provider/money.ts";
import type { Machine } from "../provider/resource.ts";
import type { Duration } from "../spec/run-spec.ts";
import type { FailureRecord } from "./log-events.ts";

/** A run in one row. */
export interface RunSummary {
  id: string;
  name?: string | undefined;
  project: string;
  user: string;
  status: RunStatus;
  /** True while it goes on and no live process drives it: nobody would buy a replacement. */
  unattended: boolean;
  /** The controller session that drives it. */
  driver?: string | undefined;
  machines: Machine[];
  /** Number of the newest attempt, 0 before the first. */
  attempt: number;
  provider?: string | undefined;
  market?: string | undefined;
  createdAt: string;
  startedAt?: string | undefined;
  endedAt?: string | undefined;
  cost: Cost;
  /** 0 to 1, where the script's output tells. */
  progress?: number | undefined;
  labels: Record<string, string>;
}

export interface RunFilter {
  status?: RunStatus | RunStatus[] | undefined;
  project?: string | undefined;
  user?: string | undefined;
  name?: string | undefined;
  labels?: Record<string, string> | undefined;
  /** Only runs that are not over. */
  active?: boolean | undefined;
  limit?: number | undefined;
}

/** One try of a run on one machine. */
export interface Attempt {
  number: number;
  provider: string;
  machines: string[];
  market: string;
  region?: string | undefined;
  zone?: string | undefined;
  startedAt?: string | undefined;
  endedAt?: string | undefined;
  outcome?: AttemptOutcome | undefined;
  cause?: string | undefined;
  resumedFrom?: CheckpointRef | undefined;
  cost: Cost;
}

/** Milliseconds, by what they were spent on. */
export interface RunTime {
  trainingMs: number;
  /** Training that was done twice because it came after the checkpoint that the next attempt resumed from. */
  repeatedMs: number;
  startupMs: number;
  waitingMs: number;
  savingMs: number;
  idleMs: number;
}

/** How a run ended. The same shape for success and failure. */
export interface RunResult {
  runId: string;
  status: EndStatus;
  exitCode?: number | undefined;
  signal?: string | undefined;
  error?: FailureRecord | undefined;
  /** The last lines of the last attempt's output, 50 at most. */
  logTail: string[];
  createdAt: string;
  startedAt?: string | undefined;
  endedAt: string;
  durationMs: number;
  attempts: Attempt[];
  /** Oldest first. */
  checkpoints: CheckpointRef[];
  outputs: Array<{ from: string; to: string; files: number; sizeBytes: number }>;
  /** What could not be saved; empty when all is well. */
  lost: string[];
  cost: Cost & { compute: Money; storage: Money; transfer: Money };
  time: RunTime;
  resumedFrom?: { runId: string; checkpoint: CheckpointRef } | undefined;
  /** This result, or a RunFailedError when the run did not succeed. */
  orThrow(): RunResult;
}

/** A line of a run's output. */
export interface LogLine {
  text: string;
  cursor: Cursor;
  /** ISO time at which the line was read. */
  at: string;
  attempt: number;
  node: number;
  /** "setup": staging and installers. "stdout": the training's output, standard error included, in the order written. */
  source: "setup" | "stdout" | "stderr";
  /** The line goes on in the next one: it was longer than 64 KiB. */
  truncated?: true | undefined;
  /** A part of the output that never arrived. */
  gap?: true | undefined;
}

/** A handle on a run, in any process. Disposing it detaches: the run goes on. */
export interface Run extends AsyncDisposable {
  readonly id: string;
  status(): Promise<RunSummary>;
  /** Replays the run's events, then follows, and ends with the run. */
  events(options?: { after?: Cursor | undefined; signal?: AbortSignal | undefined }): AsyncIterable<RunEvent>;
  /** Lines of all attempts, in order, without gap or repeat. Follows to the end of the run unless `follow` is false. */
  logs(options?: {
    follow?: boolean | undefined;
    after?: Cursor | undefined;
    attempt?: number | undefined;
    signal?: AbortSignal | undefined;
  }): AsyncIterable<LogLine>;
  metrics(options?: { signal?: AbortSignal | undefined }): AsyncIterable<MetricPoint>;
  progress(): Promise<Progress & { cost: Cost; projectedCost?: Money | undefined }>;
  /** Never rejects for a failed run; `orThrow()` on the result does. Aborting stops waiting only. */
  result(options?: { signal?: AbortSignal | undefined }): Promise<RunResult>;
  download(what: "outputs" | "checkpoints" | "logs", to: string, options?: { signal?: AbortSignal | undefined }): Promise<void>;
  /** Saves a checkpoint, uploads, ends, then the end policy. Resolves when the run is over; aborting stops waiting only. */
  stop(options?: { grace?: Duration | undefined; reason?: string | undefined; signal?: AbortSignal | undefined }): Promise<void>;
  /** Ends now; machines that the run created are terminated, volumes stay. */
  cancel(options?: { reason?: string | undefined; signal?: AbortSignal | undefined }): Promise<void>;
}
