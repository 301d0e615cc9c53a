import { sha256Hex } from "../util/hash.ts";
import type { JsonObject } from "../util/json.ts";
import type { PendingEvent } from "./state-conflicts.ts";
import { newerFormat } from "./storage-failure.ts";

/**
 * One file of a live log, and one line of an ended one: a batch of events, or the seal that ends the stream.
 * `prev` is the `sum` of the record before ("" for the first), so that a swapped or lost record breaks the chain.
 */
export interface LogRecord {
  v: 1;
  /** Seq of the first event in it. */
  seq: number;
  prev: string;
  /** Tells a resend of our own from somebody else's append. */
  nonce: string;
  /** The store's id, so that it can be found again if state.json is lost. */
  state: string;
  events?: PendingEvent[] | undefined;
  /** The summary, in the seal only. */
  end?: JsonObject | undefined;
}

/** A record that is not what was written. Internal: becomes a StorageError with context.corrupt. */
export class RecordDamage extends Error {}

const SUM = /,"sum":"([0-9a-f]{64})"\}\n$/;

/** JSON text ending in its own checksum and a newline. */
export function encodeSummed(value: object): { text: string; sum: string } {
  const body = JSON.stringify(value);
  const sum = sha256Hex(body);
  return { text: `${body.slice(0, -1)},"sum":"${sum}"}\n`, sum };
}

/** The value of a text made by encodeSummed. @throws RecordDamage, or StorageError for a newer format. */
export function decodeSummed(text: string, path: string): { value: { v?: unknown }; sum: string } {
  if (text === "") throw new RecordDamage(`${path} is empty`);
  const match = SUM.exec(text);
  if (match === null) throw new RecordDamage(`${path} is cut off or not a record`);
  const body = `${text.slice(0, match.index)}}`;
  const sum = match[1] ?? "";
  if (sha256Hex(body) !== sum) throw new RecordDamage(`${path} does not match its checksum`);
  let value: { v?: unknown };
  try {
    value = JSON.parse(body) as { v?: unknown };
  } catch {
    throw new RecordDamage(`${path} is not JSON`);
  }
  if (value.v !== 1) throw newerFormat(path, value.v);
  return { value, sum };
}

/** A log position that has been checked up to here. */
export interface Tail {
  /** Seq of the next event. */
  next: number;
  /** Sum of the last record; undefined when reading began in the middle. */
  sum: string | undefined;
  /** Summary of the seal: the stream has ended. */
  end?: JsonObject | undefined;
}

/** Before the first record. */
export const START: Tail = { next: 0, sum: "" };

/** Checks that `text` is the record that follows `tail`. @throws RecordDamage */
export function advance(tail: Tail, text: string, path: string): { record: LogRecord; tail: Tail } {
  const { value, sum } = decodeSummed(text, path);
  const record = value as LogRecord;
  if (tail.end !== undefined) throw new RecordDamage(`${path} follows the end of the stream`);
  if (record.seq !== tail.next) throw new RecordDamage(`${path} holds event ${record.seq} where ${tail.next} is due`);
  if (tail.sum !== undefined && record.prev !== tail.sum) throw new RecordDamage(`${path} does not follow the record before it`);
  const count = record.events?.length ?? 0;
  if (count === 0 && record.end === undefined) throw new RecordDamage(`${path} holds nothing`);
  return { record, tail: { next: tail.next + count, sum, end: record.end } };
}
