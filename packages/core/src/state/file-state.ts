import { readdir, rmdir, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { ConflictError } from "../errors/kinds.ts";
import { type Clock, systemClock, type Timer } from "../util/clock.ts";
import type { JsonObject } from "../util/json.ts";
import { KeyedMutex } from "../util/keyed-mutex.ts";
import { type Random, randomId, systemRandom } from "../util/random.ts";
import { changeHint } from "./change-hint.ts";
import { ownerMark, removeLeftovers } from "./leftovers.ts";
import { listStreams } from "./list-streams.ts";
import type { Tail } from "./log-record.ts";
import { readBeats, removeBeat, writeBeat } from "./session-beats.ts";
import { appendConflict, cannotAdopt, closedStore, numbered, type PendingEvent, toPending } from "./state-conflicts.ts";
import { loadStateId, replaceStateId } from "./state-id.ts";
import { type StreamPaths, stateLayout } from "./state-layout.ts";
import type { StateStore, StoredEvent, StreamName } from "./state-store.ts";
import { storageFailure } from "./storage-failure.ts";
import { compactStream, linkRecord, readStream, removeFolder, type Writer } from "./stream-log.ts";
import { isStreamId } from "./stream-name.ts";
import { addToIndex, fileMark, indexLine } from "./summary-index.ts";

/** How long an append that need not be durable may wait for others. */
const HOLD_MS = 50;

/** What this process knows of one live stream. */
interface KnownStream {
  paths: StreamPaths;
  /** Checked up to here; undefined until the stream was first read. */
  tail?: Tail | undefined;
  /** Accepted but not yet written. */
  held: PendingEvent[];
  timer?: Timer | undefined;
  /** A conflict that was met when held events were written; told to the next append. */
  late?: ConflictError | undefined;
}

/**
 * The embedded default: a folder of JSON files that `cat` can read, safe for several processes at once without locks (each append
 * is one exclusively linked file), crash-safe at every instruction. Local disks and NFS with hard links. Touches the disk at first use.
 *
 * `durable: false` appends wait up to 50 ms for the next durable append of their stream; reading and closing write them first.
 * After `close()` reads still work, writes throw StorageError.
 * @throws ValidationError for an empty folder name; its methods throw StorageError where the disk fails them, with the cure.
 */
export function fileState(dir: string, options: { clock?: Clock | undefined; random?: Random | undefined } = {}): StateStore {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const layout = stateLayout(resolve(dir));
  const owner = ownerMark();
  const mutex = new KeyedMutex();
  const known = new Map<StreamName, KnownStream>();
  const hint = changeHint(layout.hints, clock);
  let id: Promise<string> | undefined;
  let tidied: Promise<void> | undefined;
  let closed = false;

  const nonce = (): string => randomId(random);
  const stateId = (): Promise<string> => {
    id ??= loadStateId(layout, clock, owner, nonce).catch((error: unknown) => {
      id = undefined;
      throw storageFailure(error, "The state store cannot be opened", layout.root);
    });
    return id;
  };
  const writer: Writer = { owner, nonce, stateId };

  const knownStream = (stream: StreamName): KnownStream => {
    let entry = known.get(stream);
    if (entry === undefined) {
      entry = { paths: layout.stream(stream), held: [] };
      known.set(stream, entry);
    }
    return entry;
  };

  /** Forgets streams about which nothing needs remembering: 10,000 ended runs leave no trace in memory. */
  const release = (stream: StreamName, entry: KnownStream): void => {
    if (entry.held.length > 0 || entry.late !== undefined) return;
    if (entry.tail === undefined || entry.tail.end !== undefined || entry.tail.next === 0) known.delete(stream);
  };

  const refresh = async (entry: KnownStream): Promise<Tail> => {
    const first = entry.tail === undefined;
    const { tail } = await readStream(entry.paths, entry.tail?.next ?? 0, entry.tail, () => {});
    if (first) await removeLeftovers(entry.paths.events, clock);
    entry.tail = tail;
    return tail;
  };

  const dropHeld = (entry: KnownStream): void => {
    entry.held = [];
    entry.timer?.cancel();
    entry.timer = undefined;
  };

  /** Writes the held events and `extra` as one record. The held ones stay held when the disk fails. @throws ConflictError */
  const write = async (entry: KnownStream, extra: PendingEvent[]): Promise<Tail> => {
    const tail = entry.tail ?? (await refresh(entry));
    const events = [...entry.held, ...extra];
    if (events.length === 0) return tail;
    const next = await linkRecord(entry.paths, tail, { events }, writer);
    if (next === undefined) {
      dropHeld(entry);
      const actual = await refresh(entry);
      throw appendConflict(entry.paths.stream, tail.next, actual.next, actual.end !== undefined);
    }
    dropHeld(entry);
    entry.tail = next;
    hint.changed(entry.paths.stream);
    return next;
  };

  /** Writes held events outside an append; a conflict is kept for the next one. */
  const settle = async (entry: KnownStream): Promise<void> => {
    try {
      await write(entry, []);
    } catch (error) {
      if (!ConflictError.isInstance(error)) throw error;
      entry.late = error;
    }
  };

  const hold = (stream: StreamName, entry: KnownStream): void => {
    // Not unref'ed: a process that ends by itself writes what it holds.
    entry.timer ??= clock.timer(HOLD_MS, () => {
      entry.timer = undefined;
      // What the disk refuses stays held; the next append, read or close tries again and reports.
      mutex.run(stream, () => settle(entry)).catch(() => {});
    });
  };

  const guarded = <T>(stream: StreamName, what: string, task: (entry: KnownStream) => Promise<T>): Promise<T> =>
    mutex.run(stream, async () => {
      const entry = knownStream(stream);
      try {
        return await task(entry);
      } catch (error) {
        throw storageFailure(error, what, entry.paths.folder);
      } finally {
        release(stream, entry);
      }
    });

  /** Once a process: what crashed writers left behind. */
  const tidy = (): Promise<void> => {
    tidied ??= (async () => {
      for (const folder of [layout.tmp, layout.root, layout.sessions, dirname(layout.indexFile("run"))])
        await removeLeftovers(folder, clock);
      const hints = await readdir(layout.hints).catch(() => []);
      for (const kind of ["run", "resource"] as const) {
        const names = await readdir(layout.kindFolder(kind)).catch(() => []);
        const all = new Set(names);
        // Killed between the end of a stream and its hint file's.
        for (const name of hints.filter((hint) => hint.startsWith(`${kind}.`) && all.has(`${hint.slice(kind.length + 1)}.jsonl`)))
          await unlink(join(layout.hints, name)).catch(() => {});
        for (const name of names.filter(isStreamId)) {
          const paths = layout.stream(`${kind}/${name}`);
          if (all.has(`${name}.jsonl`)) {
            // Killed between the one file's rename and the folder's removal.
            await removeFolder(paths, layout.tmp, writer).catch(() => {});
            continue;
          }
          await removeLeftovers(paths.events, clock);
          // Killed before its first record: only empty folders go, and a writer that just made them makes them again.
          await rmdir(paths.events).catch(() => {});
          await rmdir(paths.folder).catch(() => {});
        }
      }
    })();
    return tidied;
  };

  const store: StateStore = {
    kind: "file",
    dataDir: layout.root,
    stateId,
    async adopt(wanted) {
      if ((await stateId()) === wanted) return;
      for await (const { stream } of store.list("")) throw cannotAdopt(stream);
      await replaceStateId(layout, clock, owner, nonce(), wanted).catch((error: unknown) => {
        throw storageFailure(error, "The state id cannot be adopted", layout.root);
      });
      id = Promise.resolve(wanted);
    },
    append(stream, events, appendOptions) {
      return guarded(stream, `Appending to ${stream} failed`, async (entry) => {
        if (closed) throw closedStore();
        const pending = toPending(events, appendOptions);
        if (entry.late !== undefined) {
          const late = entry.late;
          entry.late = undefined;
          throw late;
        }
        let tail = entry.tail ?? (await refresh(entry));
        if (tail.next + entry.held.length !== appendOptions.expected || tail.end !== undefined) {
          const before = tail.next;
          tail = await refresh(entry);
          if (tail.next !== before) dropHeld(entry);
          const actual = tail.next + entry.held.length;
          if (actual !== appendOptions.expected || tail.end !== undefined) {
            throw appendConflict(stream, appendOptions.expected, actual, tail.end !== undefined);
          }
        }
        if (appendOptions.durable === false) {
          entry.held.push(...pending);
          if (entry.held.length > 0) hold(stream, entry);
          return { next: tail.next + entry.held.length };
        }
        return { next: (await write(entry, pending)).next };
      });
    },
    read(stream, from = 0) {
      return guarded(stream, `Reading ${stream} failed`, async (entry) => {
        if (entry.held.length > 0) await settle(entry);
        const events: StoredEvent[] = [];
        const position = await readStream(entry.paths, from, entry.tail, (record) => {
          for (const event of numbered(record.events ?? [], record.seq)) if (event.seq >= from) events.push(event);
        });
        entry.tail = position.tail;
        return events;
      });
    },
    async *list(prefix) {
      try {
        const batches = listStreams(prefix, layout, writer, async (stream) => guarded(stream, `Reading ${stream} failed`, refreshed));
        for await (const batch of batches) for (const info of batch) yield info;
      } catch (error) {
        throw storageFailure(error, "Listing the state failed", layout.root);
      }
    },
    compact(stream, summary) {
      return guarded(stream, `Ending ${stream} failed`, async (entry) => {
        if (closed) throw closedStore();
        const text = JSON.parse(JSON.stringify(summary)) as JsonObject;
        await write(entry, []);
        await tidy();
        const held = await compactStream(entry.paths, text, layout.tmp, writer);
        known.delete(stream);
        entry.tail = undefined;
        const mark = fileMark(entry.paths.ended);
        const name = entry.paths.kind === "project" ? "project" : stream.slice(stream.indexOf("/") + 1);
        if (mark !== undefined) await addToIndex(layout.indexFile(entry.paths.kind), indexLine(name, mark, held));
        hint.changed(stream, true);
      });
    },
    async beat(beat) {
      if (closed) throw closedStore();
      await writeBeat(layout.sessions, beat, owner, nonce()).catch((error: unknown) => {
        throw storageFailure(error, "The sign of life cannot be written", layout.sessions);
      });
    },
    async beats() {
      return readBeats(layout.sessions).catch((error: unknown) => {
        throw storageFailure(error, "The signs of life cannot be read", layout.sessions);
      });
    },
    async endSession(session) {
      await removeBeat(layout.sessions, session).catch((error: unknown) => {
        throw storageFailure(error, "The sign of life cannot be removed", layout.sessions);
      });
    },
    watch: (onChange) => hint.watch(onChange),
    async close() {
      closed = true;
      const failures: unknown[] = [];
      for (const [stream, entry] of [...known]) {
        await mutex
          .run(stream, async () => {
            if (entry.held.length > 0) await settle(entry);
          })
          .catch((error: unknown) =>
            failures.push(storageFailure(error, `Writing the last events of ${stream} failed`, entry.paths.folder)),
          );
        entry.timer?.cancel();
        known.delete(stream);
      }
      await hint.close();
      if (failures[0] !== undefined) throw failures[0];
    },
  };

  async function refreshed(entry: KnownStream): Promise<Tail> {
    if (entry.held.length > 0) await settle(entry);
    const { tail } = await readStream(entry.paths, entry.tail?.next ?? 0, entry.tail, () => {});
    entry.tail = tail;
    return tail;
  }

  return store;
}
