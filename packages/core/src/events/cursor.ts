import { ValidationError } from "../errors/kinds.ts";
import type { Cursor } from "./event-types.ts";

/** What a cursor stands for: public event `index` of stored event `seq` of a stream. */
export interface CursorPlace {
  stream: string;
  seq: number;
  /** One stored event can show as several public ones; counted from 0. */
  index: number;
}

const FORMAT = "c1";

/** An opaque text for a place; survives processes and versions. */
export function encodeCursor(place: CursorPlace): Cursor {
  return Buffer.from(JSON.stringify([FORMAT, place.stream, place.seq, place.index]), "utf8").toString("base64url");
}

/** The place of a cursor. @throws ValidationError for anything that encodeCursor did not make, or that belongs to another stream */
export function decodeCursor(cursor: Cursor, stream?: string | undefined): CursorPlace {
  const place = parse(cursor);
  if (place === undefined || encodeCursor(place) !== cursor) {
    throw new ValidationError({
      what: `The cursor (${typeof cursor}) is not one of ours.`,
      why: "A cursor is the `cursor` of an event or log line, unchanged.",
      fix: ["Pass the cursor of the last event you handled, or none to begin at the start."],
    });
  }
  if (stream !== undefined && place.stream !== stream) {
    throw new ValidationError({
      what: `The cursor belongs to ${place.stream}, not to ${stream}.`,
      fix: ["Use a cursor only where it came from."],
      context: { stream, cursorStream: place.stream },
    });
  }
  return place;
}

function parse(cursor: unknown): CursorPlace | undefined {
  if (typeof cursor !== "string") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
  if (!Array.isArray(value) || value.length !== 4) return undefined;
  const [format, stream, seq, index] = value as unknown[];
  if (format !== FORMAT || typeof stream !== "string" || !isCount(seq) || !isCount(index)) return undefined;
  return { stream, seq, index };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Below 0 when `a` comes before `b` in their stream, 0 for the same place. */
export function comparePlaces(a: CursorPlace, b: CursorPlace): number {
  return a.seq - b.seq || a.index - b.index;
}
