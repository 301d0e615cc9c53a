import PQueue from "p-queue";
import { SyncError } from "../../errors/kinds.ts";
import type { ObjectInfo, ObjectStore } from "../../provider/object-store.ts";
import { isPlainKey, joinKey, keyBelow } from "../location.ts";
import { copyObject, digestOf } from "./copy-object.ts";
import type { SyncMarkers } from "./sync-markers.ts";
import type { SyncOptions, TransferProgress } from "./transfer-types.ts";

/** One side of a transfer: a store and a folder URI in it. */
export interface Place {
  store: ObjectStore;
  uri: string;
}

const isFree = (store: ObjectStore): boolean => store.scheme === "file" || store.scheme === "memory";

/** Below this many objects in waiting, listing goes on: memory stays bounded for millions of objects. */
const AHEAD = 256;

export interface TreeReport {
  files: number;
  sizeBytes: number;
  copied: { files: number; sizeBytes: number };
  deleted: string[];
}

/** The raw key below the folder; a name that could leave a folder is refused before anything is written for it. */
function safeKey(folder: string, uri: string): string {
  const key = keyBelow(folder, uri);
  if (isPlainKey(key)) return key;
  throw new SyncError({
    what: `The object ${uri} has a name that cannot be copied into a folder: ${JSON.stringify(key)}.`,
    why: 'Empty, "." and ".." segments could lead out of the target.',
    fix: ["Rename the object."],
    context: { uri },
  });
}

/** Copies what differs from one folder to another, objects in parallel. The first failure stops the rest; what has arrived stays. */
export async function copyTree(from: Place, to: Place, markers: SyncMarkers, options: SyncOptions): Promise<TreeReport> {
  const failed = new AbortController();
  const signal = options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  const queue = new PQueue({ concurrency: options.concurrency ?? 8 });
  const report: TreeReport = { files: 0, sizeBytes: 0, copied: { files: 0, sizeBytes: 0 }, deleted: [] };
  const progress: TransferProgress = { files: 0, totalFiles: 0, bytes: 0, totalBytes: 0 };
  let failure: { error: unknown } | undefined;
  const targets = new Map<string, ObjectInfo>();
  const wanted = new Set<string>();

  async function isUnchanged(key: string, source: ObjectInfo): Promise<boolean> {
    const target = targets.get(key);
    if (options.force === true || target === undefined || target.sizeBytes !== source.sizeBytes) return false;
    if (markers.matches(key, source.etag, target.etag)) return true;
    if (!isFree(from.store) || !isFree(to.store)) return false;
    const [a, b] = await Promise.all([digestOf(from.store, source, signal), digestOf(to.store, target, signal)]);
    if (a !== b) return false;
    if (options.dryRun !== true) await markers.set(key, source.etag, target.etag);
    return true;
  }

  async function one(key: string, source: ObjectInfo): Promise<void> {
    if (!(await isUnchanged(key, source))) {
      if (options.dryRun !== true) {
        const done = await copyObject(from.store, source, to.store, joinKey(to.uri, key), signal);
        if (done !== "gone") await markers.set(key, done.source.etag, done.etag);
      }
      report.copied.files += 1;
      report.copied.sizeBytes += source.sizeBytes;
    }
    progress.files += 1;
    progress.bytes += source.sizeBytes;
    options.onProgress?.({ ...progress });
  }

  try {
    signal.throwIfAborted();
    for await (const info of to.store.list(to.uri, { signal })) targets.set(keyBelow(to.uri, info.uri), info);
    for await (const info of from.store.list(from.uri, { signal })) {
      // "folder/" placeholders of S3 consoles hold nothing.
      if (info.uri.endsWith("/") && info.sizeBytes === 0) continue;
      const key = safeKey(from.uri, info.uri);
      wanted.add(key);
      report.files += 1;
      report.sizeBytes += info.sizeBytes;
      progress.totalFiles += 1;
      progress.totalBytes += info.sizeBytes;
      await queue.onSizeLessThan(AHEAD);
      signal.throwIfAborted();
      void queue.add(async () => {
        if (failure !== undefined) return;
        try {
          await one(key, info);
        } catch (error) {
          failure ??= { error };
          failed.abort(error);
        }
      });
    }
    await queue.onIdle();
    if (failure !== undefined) throw failure.error;
    if (options.delete === true) {
      for (const [key, info] of targets) {
        if (wanted.has(key)) continue;
        signal.throwIfAborted();
        if (options.dryRun !== true) await to.store.delete(info.uri);
        report.deleted.push(info.uri);
      }
    }
    await markers.compact();
    return report;
  } catch (error) {
    failed.abort(error);
    queue.clear();
    await queue.onIdle();
    options.signal?.throwIfAborted();
    throw failure?.error ?? error;
  }
}
