import { access, rename, rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import { NotFoundError, StorageError } from "../errors/kinds.ts";
import type { JsonObject } from "../util/json.ts";
import { linkExclusive, makeFolders, readIfExists, replaceDurably, syncFolder, tmpPath, writeSynced } from "./durable-files.ts";
import { encodeHeader, readEnded } from "./ended-log.ts";
import { followLog, type RecordSink, scanLog } from "./live-log.ts";
import { encodeSummed, type LogRecord, RecordDamage, START, type Tail } from "./log-record.ts";
import type { PendingEvent } from "./state-conflicts.ts";
import { recordName, type StreamPaths } from "./state-layout.ts";
import { corruptStream, errnoCode } from "./storage-failure.ts";

/** Who writes: for temporary names and nonces. */
export interface Writer {
  owner: string;
  nonce(): string;
  stateId(): Promise<string>;
}

/** What a log holds beside its tail: whether it is one file already. */
export interface Position {
  tail: Tail;
  compacted: boolean;
}

/**
 * Reads and checks a stream, ended or live, giving every record that can hold events from `from` on. A live log that was checked
 * before (`known`) is read from the middle. @throws StorageError with context.corrupt
 */
export async function readStream(paths: StreamPaths, from: number, known: Tail | undefined, sink: RecordSink): Promise<Position> {
  const collected: Array<[LogRecord, string]> = [];
  const ended = async (): Promise<Position | undefined> => {
    const records: LogRecord[] = [];
    const header = await readEnded(paths.ended, paths.stream, (record) => void records.push(record));
    if (header === undefined) return undefined;
    for (const record of records) await sink(record, "");
    return { tail: { next: header.events, sum: header.last, end: header.summary }, compacted: true };
  };
  try {
    const early = known === undefined ? await ended() : undefined;
    if (early !== undefined) return early;
    let tail: Tail | undefined;
    try {
      const keep: RecordSink = (record, text) => void collected.push([record, text]);
      const short = known !== undefined && from >= known.next;
      tail = short ? await followLog(paths.events, known, keep) : await scanLog(paths.events, known === undefined ? 0 : from, keep);
      if (tail !== undefined && known !== undefined && tail.next < known.next) throw new RecordDamage(`event ${tail.next} is missing`);
    } catch (error) {
      // The folder goes away under a reader when somebody compacts; only what is not compacted can be damaged.
      const late = await ended();
      if (late !== undefined) return late;
      throw error;
    }
    if (tail === undefined || (known !== undefined && tail.next === known.next && tail.end === undefined)) {
      const late = await ended();
      if (late !== undefined) return late;
      const mustBeThere = known !== undefined && known.next > 0;
      if (mustBeThere && (tail === undefined || !(await isThere(paths.events)))) {
        // Compacted between the two looks: the one file was there before the folder went.
        const compacted = await ended();
        if (compacted !== undefined) return compacted;
        throw new RecordDamage("its folder is gone");
      }
    }
    for (const [record, text] of collected) await sink(record, text);
    return { tail: tail ?? START, compacted: false };
  } catch (error) {
    if (error instanceof RecordDamage) throw corruptStream(paths.stream, paths.folder, error.message);
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return false;
    throw error;
  }
}

/**
 * Links one record at the tail. The new tail, or undefined when somebody else has that place. The record is on disk, and its name too,
 * before this resolves.
 */
export async function linkRecord(
  paths: StreamPaths,
  tail: Tail,
  content: { events: PendingEvent[] } | { end: JsonObject },
  writer: Writer,
): Promise<Tail | undefined> {
  const nonce = writer.nonce();
  const record: LogRecord = {
    v: 1,
    seq: tail.next,
    prev: tail.sum ?? "",
    nonce: `${writer.owner}-${nonce}`,
    state: await writer.stateId(),
    ...content,
  };
  const { text, sum } = encodeSummed(record);
  const target = join(paths.events, recordName(tail.next));
  const tmp = tmpPath(paths.events, writer.owner, nonce);
  const linked = await placeRecord(paths, tail, text, tmp, target);
  if (!linked) {
    // A link whose answer was lost (NFS) and was sent again finds its own record.
    if ((await readIfExists(target)) !== text) return undefined;
    await syncFolder(paths.events);
  }
  if (tail.next === 0 && (await readIfExists(paths.ended)) !== undefined) {
    // The stream was compacted between our look and our link: the one file is the stream, ours never was.
    await rm(paths.folder, { recursive: true, force: true });
    return undefined;
  }
  const events = "events" in content ? content.events.length : 0;
  return { next: tail.next + events, sum, end: "end" in content ? content.end : undefined };
}

async function placeRecord(paths: StreamPaths, tail: Tail, text: string, tmp: string, target: string): Promise<boolean> {
  for (let round = 1; ; round += 1) {
    try {
      // Inside: a process that tidies may take the still empty folder away at any moment.
      if (tail.next === 0) await makeFolders(paths.events);
      await writeSynced(tmp, [text]);
      const linked = await linkExclusive(tmp, target);
      if (linked) await syncFolder(paths.events);
      return linked;
    } catch (error) {
      // Our temporary file was swept by a process that cannot see us, or the folder is gone: look again, then give up.
      if (errnoCode(error) !== "ENOENT") throw error;
      if ((await readIfExists(paths.ended)) !== undefined) return false;
      if (round === 3)
        throw new StorageError({ what: `The folder ${paths.events} is gone.`, cause: error, context: { path: paths.events } });
    } finally {
      await unlink(tmp).catch(() => {});
    }
  }
}

/** Ends a stream: seal, one file, folder removed. Safe to repeat and to do from several processes. Returns the summary that holds. */
export async function compactStream(paths: StreamPaths, summary: JsonObject, tmpFolder: string, writer: Writer): Promise<JsonObject> {
  let position = await readStream(paths, 0, undefined, () => {});
  if (!position.compacted && position.tail.next === 0 && position.tail.end === undefined) {
    throw new NotFoundError({ what: `There is no stream ${paths.stream} to end.`, context: { stream: paths.stream } });
  }
  while (!position.compacted && position.tail.end === undefined) {
    const sealed = await linkRecord(paths, position.tail, { end: summary }, writer);
    position = sealed === undefined ? await readStream(paths, 0, undefined, () => {}) : { tail: sealed, compacted: false };
  }
  if (!position.compacted) await writeEnded(paths, position.tail, tmpFolder, writer);
  await removeFolder(paths, tmpFolder, writer);
  return position.tail.end ?? summary;
}

async function writeEnded(paths: StreamPaths, tail: Tail, tmpFolder: string, writer: Writer): Promise<void> {
  const lines: string[] = [];
  let bytes = 0;
  const position = await readStream(paths, 0, undefined, (_record, text) => {
    lines.push(text);
    bytes += Buffer.byteLength(text);
  });
  if (position.compacted) return;
  const header = encodeHeader({ v: 1, ended: paths.stream, events: tail.next, bytes, last: tail.sum ?? "", summary: tail.end ?? {} });
  await makeFolders(tmpFolder);
  await replaceDurably(paths.ended, tmpPath(tmpFolder, writer.owner, writer.nonce()), [header, ...lines]);
}

/** Takes the folder away in one step first, so that no reader sees half of it. */
export async function removeFolder(paths: StreamPaths, tmpFolder: string, writer: Writer): Promise<void> {
  const gone = tmpPath(tmpFolder, writer.owner, writer.nonce());
  try {
    await makeFolders(tmpFolder);
    await rename(paths.folder, gone);
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return;
    throw error;
  }
  await rm(gone, { recursive: true, force: true });
}
