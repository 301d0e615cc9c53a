import { readdir } from "node:fs/promises";
import { RunctlError } from "../errors/runctl-error.ts";
import { readHeader } from "./ended-log.ts";
import { RecordDamage, type Tail } from "./log-record.ts";
import type { StateLayout } from "./state-layout.ts";
import type { StreamInfo, StreamName } from "./state-store.ts";
import { errnoCode } from "./storage-failure.ts";
import type { Writer } from "./stream-log.ts";
import { isStreamId, kindMatches, STREAM_KINDS, type StreamKind } from "./stream-name.ts";
import { type FileMark, fileMark, indexLine, readIndex, rewriteIndex } from "./summary-index.ts";

/** Streams looked at between two turns of the event loop. */
const AHEAD = 128;

/** Reads and checks a live stream up to its end. @throws StorageError with context.corrupt */
type ReadTail = (stream: StreamName) => Promise<Tail>;

/**
 * Every stream by `prefix`, newest first by name, some at a time: handing on each alone through several generators would cost more than
 * finding it. Ended ones come from the index where their file is unchanged.
 */
export async function* listStreams(prefix: string, layout: StateLayout, writer: Writer, readTail: ReadTail): AsyncGenerator<StreamInfo[]> {
  for (const kind of STREAM_KINDS) {
    if (kindMatches(kind, prefix)) yield* listKind(kind, prefix, layout, writer, readTail);
  }
}

async function streamIds(kind: StreamKind, layout: StateLayout): Promise<Map<string, boolean>> {
  const ids = new Map<string, boolean>();
  let names: string[];
  try {
    names = await readdir(layout.kindFolder(kind));
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return ids;
    throw error;
  }
  for (const name of names) {
    const ended = name.endsWith(".jsonl");
    const id = ended ? name.slice(0, -6) : name;
    // Names that no stream can have are not ours to judge.
    if (kind === "project" ? id !== "project" : !isStreamId(id)) continue;
    ids.set(id, ended || ids.get(id) === true);
  }
  return ids;
}

async function* listKind(
  kind: StreamKind,
  prefix: string,
  layout: StateLayout,
  writer: Writer,
  readTail: ReadTail,
): AsyncGenerator<StreamInfo[]> {
  const ids = await streamIds(kind, layout);
  const streamOf = (id: string): StreamName => (kind === "project" ? "project" : `${kind}/${id}`);
  const wanted = [...ids.keys()]
    .filter((id) => streamOf(id).startsWith(prefix))
    .sort()
    .reverse();
  const index = await readIndex(layout.indexFile(kind));
  const folder = layout.kindFolder(kind);
  let endedCount = 0;
  for (const ended of ids.values()) if (ended) endedCount += 1;
  const fresh = new Map<string, string>();

  for (let at = 0; at < wanted.length; at += AHEAD) {
    const chunk = wanted.slice(at, at + AHEAD);
    // Lets others run between the chunks: on a network disk each mark can take a while.
    if (at > 0) await new Promise<void>((resolve) => setImmediate(resolve));
    const found: StreamInfo[] = [];
    for (const id of chunk) {
      const mark = ids.get(id) === true ? fileMark(`${folder}/${id}.jsonl`) : undefined;
      const summary = mark === undefined ? undefined : index.get(id, mark);
      if (summary !== undefined) {
        found.push({ stream: streamOf(id), ended: true, summary });
        continue;
      }
      const info = await inspect(streamOf(id), layout, mark, index.has(id), readTail);
      if (mark !== undefined && info?.summary !== undefined) fresh.set(id, indexLine(id, mark, info.summary));
      if (info !== undefined) found.push(info);
    }
    yield found;
  }
  if (fresh.size === 0 && index.size <= 2 * endedCount + 100) return;
  const lines: string[] = [];
  for (const [id, ended] of ids) {
    // The old line of a damaged file stays: it is what shows, next time too, that the file is not the one that was indexed.
    const line = ended ? (fresh.get(id) ?? index.line(id)) : undefined;
    if (line !== undefined) lines.push(line);
  }
  await rewriteIndex(layout.indexFile(kind), lines, writer.owner, writer.nonce());
}

/** One stream that the index does not answer for. Undefined when it holds nothing (yet), or is gone. */
async function inspect(
  stream: StreamName,
  layout: StateLayout,
  mark: FileMark | undefined,
  changed: boolean,
  readTail: ReadTail,
): Promise<StreamInfo | undefined> {
  try {
    // A file that is not the one that was indexed is read whole: somebody changed what never changes.
    if (mark !== undefined && !changed) {
      const header = await readHeader(layout.stream(stream).ended, stream);
      if (header !== undefined) return { stream, ended: true, summary: header.summary };
    }
    const tail = await readTail(stream);
    if (tail.next === 0 && tail.end === undefined) return undefined;
    return tail.end === undefined ? { stream, ended: false } : { stream, ended: true, summary: tail.end };
  } catch (error) {
    const reason = damage(error);
    if (reason === undefined) throw error;
    return { stream, ended: mark !== undefined, corrupt: reason };
  }
}

function damage(error: unknown): string | undefined {
  if (error instanceof RecordDamage) return error.message;
  if (!RunctlError.is(error)) return undefined;
  const corrupt = error.context.corrupt;
  if (typeof corrupt === "string") return corrupt;
  return error.context.newerFormat === true ? error.what : undefined;
}
