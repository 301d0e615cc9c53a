import { NotFoundError, ValidationError } from "../../errors/kinds.ts";
import type { ObjectInfo, ObjectStore } from "../../provider/object-store.ts";
import { type Clock, systemClock } from "../../util/clock.ts";
import { type Random, systemRandom } from "../../util/random.ts";
import type { FileStore } from "../file-store.ts";
import { asFolder, joinKey, keyBelow } from "../location.ts";
import type { StoreRegistry } from "../store-registry.ts";
import { copyObject } from "./copy-object.ts";
import { copyTree } from "./copy-tree.ts";
import { reviewObjects } from "./review.ts";
import { SyncMarkers } from "./sync-markers.ts";
import type { Storage, TransferOptions, TransferReport } from "./transfer-types.ts";
import { watchObjects } from "./watch.ts";

export interface StorageDeps {
  stores: StoreRegistry;
  /** Base of plain paths. Default: the working directory. */
  base?: string | undefined;
  /** Folder for sync markers. Without it unchanged remote objects are sent again. */
  cacheDir?: string | undefined;
  clock?: Clock | undefined;
  random?: Random | undefined;
}

/** The object at the URI itself; undefined for a folder. */
async function objectAt(store: ObjectStore, uri: string, signal: AbortSignal | undefined): Promise<ObjectInfo | undefined> {
  return uri.endsWith("/") ? undefined : store.head(uri, { signal });
}

/** At the location, then below it. */
async function* objectsAt(store: ObjectStore, uri: string, signal: AbortSignal | undefined): AsyncGenerator<ObjectInfo> {
  const single = await objectAt(store, uri, signal);
  if (single !== undefined) yield single;
  yield* store.list(asFolder(uri), { signal });
}

function refuseRoot(uri: string): void {
  const path = uri.replace(/^[a-z][a-z0-9+.-]*:\/\//i, "").replace(/^\/+|\/+$/g, "");
  const depth = path === "" ? 0 : path.split("/").length;
  if (depth >= 2) return;
  throw new ValidationError({
    what: `Removing ${uri} is refused.`,
    why: "It is a whole disk, a top-level folder or a whole bucket: nobody means that.",
    fix: ["Name a folder inside it.", "Whole buckets are emptied with the cloud's own tools."],
    context: { uri },
  });
}

/** `Storage` over a set of stores. Touches nothing until it is used. */
export function createStorage(deps: StorageDeps): Storage {
  const clock = deps.clock ?? systemClock;
  const random = deps.random ?? systemRandom;
  const at = (location: string): { store: ObjectStore; uri: string } => deps.stores.resolve(location, deps.base);

  async function folders(from: string, to: string, options: TransferOptions): Promise<TransferReport> {
    const source = at(from);
    const target = at(to);
    source.uri = asFolder(source.uri);
    target.uri = asFolder(target.uri);
    if (target.uri !== source.uri && (target.uri.startsWith(source.uri) || source.uri.startsWith(target.uri))) {
      throw new ValidationError({
        what: `${target.uri} and ${source.uri} lie within one another.`,
        why: "The copy would become part of what is copied.",
        fix: ["Choose a target outside the source."],
      });
    }
    const markers = await SyncMarkers.load(deps.cacheDir, source.uri, target.uri, random);
    return { from: source.uri, to: target.uri, ...(await copyTree(source, target, markers, options)) };
  }

  async function single(info: ObjectInfo, store: ObjectStore, to: string, options: TransferOptions): Promise<TransferReport> {
    const target = at(to);
    const name = keyBelow(info.uri.slice(0, info.uri.lastIndexOf("/") + 1), info.uri);
    const uri = target.uri.endsWith("/") ? joinKey(target.uri, name) : target.uri;
    const base = { from: info.uri, to: uri, files: 1, sizeBytes: info.sizeBytes, deleted: [] };
    const markers = await SyncMarkers.load(deps.cacheDir, info.uri, uri, random);
    const there = await target.store.head(uri, { signal: options.signal });
    if (options.force !== true && there?.sizeBytes === info.sizeBytes && markers.matches("", info.etag, there.etag)) {
      return { ...base, copied: { files: 0, sizeBytes: 0 } };
    }
    if (options.dryRun !== true) {
      const done = await copyObject(store, info, target.store, uri, options.signal);
      if (done !== "gone") await markers.set("", done.source.etag, done.etag);
    }
    options.onProgress?.({ files: 1, totalFiles: 1, bytes: info.sizeBytes, totalBytes: info.sizeBytes });
    return { ...base, copied: { files: 1, sizeBytes: info.sizeBytes } };
  }

  return {
    async copy(from, to, options = {}) {
      const source = at(from);
      const info = await objectAt(source.store, source.uri, options.signal);
      if (info !== undefined) return single(info, source.store, to, options);
      const report = await folders(from, to, options);
      if (report.files > 0) return report;
      throw new NotFoundError({
        what: `There is nothing at ${source.uri}.`,
        fix: ["Check the location.", "For a folder that may be empty use sync."],
        context: { from: source.uri },
      });
    },
    async sync(from, to, options = {}) {
      return folders(from, to, options);
    },
    async *list(location, options = {}) {
      const { store, uri } = at(location);
      yield* objectsAt(store, uri, options.signal);
    },
    async remove(location, options = {}) {
      const { store, uri } = at(location);
      refuseRoot(uri);
      const report = { location: uri, objects: 0, sizeBytes: 0, dryRun: options.dryRun === true };
      for await (const info of objectsAt(store, uri, options.signal)) {
        options.signal?.throwIfAborted();
        if (!report.dryRun) await store.delete(info.uri);
        report.objects += 1;
        report.sizeBytes += info.sizeBytes;
      }
      const folder = store as Partial<FileStore>;
      if (!report.dryRun && folder.pruneFolders !== undefined && report.objects > 0) await folder.pruneFolders(asFolder(uri));
      return report;
    },
    watch(location, options = {}) {
      const { store, uri } = at(location);
      // Only a folder can be written by others in place; such a file is reported when it holds still for one look.
      return watchObjects((signal) => objectsAt(store, uri, signal), { ...options, clock, settle: store.scheme === "file" });
    },
    async review(location, options = {}) {
      const { store, uri } = at(location);
      return reviewObjects(uri, objectsAt(store, uri, options.signal), (info) => (info.uri === uri ? "" : keyBelow(uri, info.uri)));
    },
  };
}
