import { ValidationError } from "../errors/kinds.ts";
import type { StreamName } from "./state-store.ts";

/** The kinds of stream, in the order of lists (newest first by name means descending). */
export const STREAM_KINDS = ["run", "resource", "project"] as const;
export type StreamKind = (typeof STREAM_KINDS)[number];

const ID = /^[a-z0-9][a-z0-9-]{0,63}$/;

/** True for what may stand behind the slash of a stream's name. */
export function isStreamId(id: string): boolean {
  return ID.test(id);
}

/** Splits a stream's name. Names become file names, so nothing else may pass. @throws ValidationError */
export function parseStreamName(stream: StreamName): { kind: StreamKind; id: string } {
  if (stream === "project") return { kind: "project", id: "" };
  const [kind, id, ...rest] = typeof stream === "string" ? stream.split("/") : [];
  if ((kind === "run" || kind === "resource") && id !== undefined && rest.length === 0 && isStreamId(id)) return { kind, id };
  throw new ValidationError({
    what: `The stream name ${JSON.stringify(stream)} (${typeof stream}) is not one.`,
    why: "Streams are run/<id>, resource/<id> or project; an id is 1 to 64 of a-z, 0-9 and -, and begins with a letter or digit.",
    fix: ['Use a name such as "run/k7m2-digits".'],
  });
}

/** Whether a list by `prefix` can contain streams of `kind`. */
export function kindMatches(kind: StreamKind, prefix: string): boolean {
  const stem = kind === "project" ? "project" : `${kind}/`;
  return stem.startsWith(prefix) || (kind !== "project" && prefix.startsWith(stem));
}
