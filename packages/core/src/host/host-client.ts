import type { HostSession } from "../provider/host-session.ts";
import type { AttemptFile } from "./attempt-file.ts";
import type { HostEvent, HostExit, HostFinal, HostNoticeRecord, HostStatus } from "./records.ts";

/** Values for the agent's standard input; see AttemptFile. */
export interface AttemptSecrets {
  env: Record<string, string>;
  stores: Record<string, Record<string, string>>;
}

/** One look at an attempt's folder on the host. */
export interface HostObservation {
  /** False: the attempt was never started on this host. */
  exists: boolean;
  /** Is a guardian, a supervisor, a training process of this attempt alive (pid, start time and boot id checked)? */
  alive: { guardian: boolean; supervisor: boolean; runner: boolean };
  status?: HostStatus | undefined;
  notice?: HostNoticeRecord | undefined;
  exit?: HostExit | undefined;
  final?: HostFinal | undefined;
  /** New events since the previous observation with this `eventsOffset`. */
  events: HostEvent[];
  eventsOffset: number;
  /** What the attempt's folder looked like, for a later look that waits until it looks otherwise. Absent: the host cannot wait. */
  mark?: string | undefined;
}

export interface ObserveOptions {
  /** Bytes of the host's events that were read already. */
  eventsOffset?: number | undefined;
  /** Waits on the host, at most `ms`, until its folder no longer looks like `mark` (of an earlier observation). A hint: may be ignored. */
  wait?: { ms: number; mark: string } | undefined;
  signal?: AbortSignal | undefined;
}

export type ControlCommand =
  | { op: "stop"; cause: "stop" | "suspend"; graceSeconds?: number | undefined }
  | { op: "cancel" }
  | { op: "allowance"; seq: number; seconds: number | null; hardSeconds: number }
  | { op: "end-policy"; action: "none" | "terminate" | "stop"; afterSeconds: number };

/** The controller's side of the host protocol, over any HostSession. Every call may be repeated. */
export interface HostClient {
  /** Brings the agent (once per version) and the attempt's file to the host and starts guardian and supervisor. Starting twice is one start. */
  start(session: HostSession, attempt: AttemptFile, secrets: AttemptSecrets, options?: { signal?: AbortSignal | undefined }): Promise<void>;
  observe(session: HostSession, runId: string, attempt: number, options?: ObserveOptions): Promise<HostObservation>;
  control(session: HostSession, runId: string, attempt: number, command: ControlCommand): Promise<void>;
  /** Bytes of a log, or of the lines of metrics files, from an offset; undefined when there is no such file yet. */
  readLog(
    session: HostSession,
    runId: string,
    attempt: number,
    which: "log" | "setup.log" | "metrics.jsonl",
    offset: number,
    maxBytes?: number,
  ): Promise<Uint8Array | undefined>;
  /** The attempt's folder on the host, for `watch`. */
  attemptDir(session: HostSession, runId: string, attempt: number): string;
}

/**
 * A session may carry the host agent's answers itself: hosts that exist only as a model (`@runctl/testing`) have no sh and no files.
 * A registered symbol, so that it works across copies of this package.
 */
export const HOST_CLIENT: unique symbol = Symbol.for("runctl.host-client") as never;

/** A session of a host whose agent is a model. */
export interface ModelledHostSession extends HostSession {
  readonly [HOST_CLIENT]: HostClient;
}

/** The model's own client, if the session carries one. */
export function hostClientOf(session: HostSession): HostClient | undefined {
  return (session as Partial<ModelledHostSession>)[HOST_CLIENT];
}
