import { join } from "node:path";
import type { StreamName } from "./state-store.ts";
import { parseStreamName, type StreamKind } from "./stream-name.ts";

/** Digits of a record's number: `cat events/*.json` shows them in order up to a hundred million events. */
const DIGITS = 8;

/** Where everything lies in a state folder. */
export interface StateLayout {
  root: string;
  idFile: string;
  hints: string;
  sessions: string;
  tmp: string;
  /** Folder with one entry a stream, for runs and resources. */
  kindFolder(kind: StreamKind): string;
  indexFile(kind: StreamKind): string;
  stream(stream: StreamName): StreamPaths;
}

/** A stream is either a folder with `events/`, or, once ended, the one file `ended`. */
export interface StreamPaths {
  stream: StreamName;
  kind: StreamKind;
  folder: string;
  events: string;
  ended: string;
}

export function stateLayout(root: string): StateLayout {
  const kindFolder = (kind: StreamKind): string => (kind === "project" ? root : join(root, kind === "run" ? "runs" : "resources"));
  return {
    root,
    idFile: join(root, "state.json"),
    hints: join(root, "hints"),
    sessions: join(root, "sessions"),
    tmp: join(root, "tmp"),
    kindFolder,
    indexFile: (kind) => join(root, "index", `${kind}.jsonl`),
    stream(stream) {
      const { kind, id } = parseStreamName(stream);
      const folder = join(kindFolder(kind), kind === "project" ? "project" : id);
      return { stream, kind, folder, events: join(folder, "events"), ended: `${folder}.jsonl` };
    },
  };
}

/** File name of the record whose first event is `seq`. */
export function recordName(seq: number): string {
  return `${String(seq).padStart(DIGITS, "0")}.json`;
}

/** The seq in a record's file name; undefined for any other file. */
export function recordSeq(name: string): number | undefined {
  const match = /^(\d{8,15})\.json$/.exec(name);
  if (match === null) return undefined;
  const seq = Number(match[1]);
  return recordName(seq) === name ? seq : undefined;
}
