import type { JsonObject } from "../util/json.ts";

/** "run/<id>", "resource/<id>" or "project". Ids match [a-z0-9][a-z0-9-]{0,63}. */
export type StreamName = string;

/** One event of a stream, as stored. `seq` counts from 0 without a gap. */
export interface StoredEvent {
  seq: number;
  /** ISO wall time of the appender. */
  at: string;
  /** The controller session that appended it. */
  session: string;
  event: JsonObject;
}

export interface AppendOptions {
  /** Seq the first event shall get: the version that was decided on. */
  expected: number;
  session: string;
  at: string;
  /**
   * true (default): on disk before this resolves. false: may be batched with later appends of the stream, for bookkeeping that
   * announces no side effect; order is kept and the next durable append carries it.
   */
  durable?: boolean | undefined;
}

export interface StreamInfo {
  stream: StreamName;
  /** True once compacted: nothing is appended any more. */
  ended: boolean;
  /** What `compact` was given. */
  summary?: JsonObject | undefined;
  /** Set when the stream cannot be read: it is kept as it is and reported. */
  corrupt?: string | undefined;
}

/** A controller session's sign of life. */
export interface SessionBeat {
  session: string;
  /** Counts up with each beat. */
  n: number;
  host: string;
  bootId: string;
  pid: number;
  /** The process's start time in the kernel's ticks, so that a reused pid is not taken for it. */
  startTime: string;
  /** ISO, for people. */
  at: string;
}

/**
 * Where runs live: per-stream logs with compare-and-append. The log is the lock: two appenders at the same `expected`
 * have one winner, the other gets ConflictError and decides again.
 */
export interface StateStore {
  readonly kind: string;
  /** The random id of this store, made at first use: what "ours" means. */
  stateId(): Promise<string>;
  /**
   * Takes over the id of a store that was lost, so that what carries it is ours again. Only for a store that holds nothing yet.
   * @throws ConflictError when this store holds streams already.
   */
  adopt(stateId: string): Promise<void>;
  /** Appends all or nothing. @throws ConflictError when `expected` is not the stream's length; StorageError when it cannot be made durable. */
  append(stream: StreamName, events: JsonObject[], options: AppendOptions): Promise<{ next: number }>;
  /** Events from seq `from` on (default 0); [] for a stream that does not exist. @throws StorageError with context.corrupt for a quarantined stream. */
  read(stream: StreamName, from?: number): Promise<StoredEvent[]>;
  /** Every stream whose name begins with `prefix`, newest first by name. Fast for 10,000 ended runs: summaries come from an index. */
  list(prefix: string): AsyncIterable<StreamInfo>;
  /** Marks a stream as ended: one file, a summary for lists. Later reads give the same events. Repeating is fine. */
  compact(stream: StreamName, summary: JsonObject): Promise<void>;
  beat(beat: SessionBeat): Promise<void>;
  beats(): Promise<SessionBeat[]>;
  endSession(session: string): Promise<void>;
  /**
   * Optional: calls back soon after anything changed, also by another process. With the stream's name where the store knows which
   * one it was; without, it may be any. A hint only: calls may be missed, doubled, or come without a change.
   */
  watch?(onChange: (stream?: StreamName | undefined) => void): () => void;
  /** A folder near the state for the default `file:` store; absent for stores that have none. */
  readonly dataDir?: string | undefined;
  close(): Promise<void>;
}
