import { ValidationError } from "../errors/kinds.ts";

/** A place in a run's output. */
export interface LogPosition {
  attempt: number;
  /** "metrics.jsonl": the lines of metrics files; has no cursor. */
  which: "setup.log" | "log" | "metrics.jsonl";
  offset: number;
}

/** Opaque text of a position: survives processes, and says nothing users should rely on. */
export function encodeLogCursor(position: LogPosition): string {
  return Buffer.from(`1:${position.attempt}:${position.which === "log" ? "o" : "s"}:${position.offset}`).toString("base64url");
}

/** @throws ValidationError for anything that is not a log cursor. */
export function decodeLogCursor(cursor: string): LogPosition {
  // Callers without a compiler pass anything.
  const given: unknown = cursor;
  const text = typeof given === "string" ? Buffer.from(given, "base64url").toString("latin1") : "";
  const match = /^1:(\d{1,9}):([os]):(\d{1,15})$/.exec(text);
  if (match === null) {
    throw new ValidationError({
      what: `${typeof given === "string" ? JSON.stringify(given.slice(0, 60)) : `The ${typeof given} for \`after\``} is not a log cursor.`,
      why: "`after` goes on behind a line that was read before.",
      fix: ["Pass the `cursor` of a LogLine as it is."],
    });
  }
  return { attempt: Number(match[1]), which: match[2] === "o" ? "log" : "setup.log", offset: Number(match[3]) };
}
