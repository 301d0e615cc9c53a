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
  const match = /^1:(\d{1,9}):([os]):(\d{1,15})$/.exec(Buffer.from(cursor, "base64url").toString("latin1"));
  if (match === null) {
    throw new ValidationError({
      what: `${JSON.stringify(cursor.slice(0, 60))} is not a log cursor.`,
      why: "`after` goes on behind a line that was read before.",
      fix: ["Pass the `cursor` of a LogLine as it is."],
    });
  }
  return { attempt: Number(match[1]), which: match[2] === "o" ? "log" : "setup.log", offset: Number(match[3]) };
}
