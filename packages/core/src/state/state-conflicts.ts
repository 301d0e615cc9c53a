import { ConflictError, StorageError, ValidationError } from "../errors/kinds.ts";
import type { JsonObject } from "../util/json.ts";
import type { AppendOptions, StoredEvent, StreamName } from "./state-store.ts";

/** Another appender was first, or the stream has ended. */
export function appendConflict(stream: StreamName, expected: number, actual: number, ended: boolean): ConflictError {
  return new ConflictError({
    what: ended
      ? `The stream ${stream} has ended; nothing is appended to it any more.`
      : `The stream ${stream} is at ${actual}, not at ${expected}: somebody else appended first.`,
    why: "An append holds only for the version it was decided on.",
    fix: ["Read the stream again and decide again."],
    context: { stream, expected, actual, ended },
  });
}

/** The store was closed by its owner. */
export function closedStore(): StorageError {
  return new StorageError({
    what: "This state store is closed.",
    fix: ["Open a new one with fileState(dir)."],
    context: { closed: true },
  });
}

/** An event before it has its seq, detached from the caller's object. */
export interface PendingEvent {
  at: string;
  session: string;
  event: JsonObject;
}

/** Copies what the caller gave as JSON, so that later changes to it have no effect. @throws ValidationError for what is not JSON. */
export function toPending(events: JsonObject[], options: AppendOptions): PendingEvent[] {
  return events.map((event) => {
    if (typeof event !== "object" || event === null || Array.isArray(event)) {
      throw new ValidationError({ what: `An event must be a JSON object, not ${event === null ? "null" : typeof event}.` });
    }
    try {
      return { at: options.at, session: options.session, event: JSON.parse(JSON.stringify(event)) as JsonObject };
    } catch (cause) {
      throw new ValidationError({ what: "An event cannot be written as JSON.", cause, fix: ["Pass plain data: no bigint, no cycles."] });
    }
  });
}

/** Gives seqs from `first` on. */
export function numbered(pending: PendingEvent[], first: number): StoredEvent[] {
  return pending.map((entry, index) => ({ seq: first + index, at: entry.at, session: entry.session, event: entry.event }));
}

/** The error of `adopt` on a store that is in use. */
export function cannotAdopt(stream: string): ConflictError {
  return new ConflictError({
    what: `This state store holds ${stream} already, so it cannot take over another store's id.`,
    why: "What carries its own id would then belong to nobody.",
    fix: ["Adopt into a new, empty state store."],
    context: { stream },
  });
}
