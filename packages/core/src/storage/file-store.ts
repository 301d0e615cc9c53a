import { constants } from "node:fs";
import { copyFile, mkdir, open, rename, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { NotFoundError, ValidationError } from "../errors/kinds.ts";
import type { ObjectStore } from "../provider/object-store.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { isInside, realPathOf } from "../util/contained-path.ts";
import { type Random, systemRandom } from "../util/random.ts";
import { fileError } from "./file-errors.ts";
import { pruneBelow, pruneEmptyFolders, sweepLeftovers } from "./file-folders.ts";
import { isoOfNs, listFiles } from "./file-list.ts";
import { deleteFile, type FileStoreContext, putFile, temporaryBeside } from "./file-put.ts";
import { fileUriToPath } from "./file-uri.ts";
import { etagOf, statObject } from "./file-version.ts";

export interface FileStoreOptions {
  /**
   * Absolute folder that bounds the store: URIs outside it, and symlinks that lead outside it, are refused, and deleting the last
   * object of a folder removes the empty folders up to it. Default: the whole machine, and empty folders stay unless
   * `pruneFolders` is called.
   */
  root?: string | undefined;
  clock?: Clock | undefined;
  random?: Random | undefined;
}

/** The built-in store of scheme `file`. */
export interface FileStore extends ObjectStore {
  getToFile(uri: string, file: string, options?: { signal?: AbortSignal | undefined }): Promise<void>;
  /** Removes empty folders below the folder `uri`, and the folder itself when it is empty; never anything above it. */
  pruneFolders(uri: string): Promise<void>;
}

/**
 * Objects as plain files: `file:///home/me/data/a%20b.csv` is that file, readable by every tool.
 * Puts are atomic and durable (temporary file, fsync, link or rename, fsync of the folder), safe between processes of one machine
 * and, with links, over NFS; conditional puts lose no update. Listings are lazy, in byte order of the URI, skip unfinished writes,
 * follow no link out of the listed folder and no linked folder. Throws NotFoundError, ConflictError, PermissionError, StorageError
 * (a full disk, for example), ValidationError. Creating the store touches nothing.
 */
export function fileStore(options: FileStoreOptions = {}): FileStore {
  const root = options.root;
  if (root !== undefined && !root.startsWith("/")) {
    throw new ValidationError({
      what: `root must be an absolute folder, not ${JSON.stringify(root)}.`,
      fix: ['For example "/var/lib/runctl".'],
    });
  }
  const top = root === undefined ? undefined : root.replace(/\/+$/, "") || "/";
  const context: FileStoreContext = {
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    async check(path) {
      if (top === undefined) return;
      if (isInside(top, path) && isInside(await realPathOf(top), await realPathOf(dirname(path)))) return;
      throw outside(path, top);
    },
  };
  const swept = new Set<string>();

  async function at<T>(uri: string, doing: string, work: (path: string) => Promise<T>): Promise<T> {
    const path = fileUriToPath(uri);
    if (path.endsWith("/")) {
      throw new ValidationError({
        what: `${uri} names a folder, not an object.`,
        fix: ["Leave out the trailing slash, or list the folder."],
      });
    }
    try {
      await context.check(path);
      return await work(path);
    } catch (error) {
      throw fileError(error, doing, path);
    }
  }

  async function readable(path: string): Promise<void> {
    if (top !== undefined && !isInside(await realPathOf(top), await realPathOf(path))) throw outside(path, top);
    if ((await statObject(path)) === undefined)
      throw new NotFoundError({ what: `There is no object ${JSON.stringify(path)}.`, context: { path } });
  }

  return {
    scheme: "file",
    put: (uri, body, putOptions = {}) =>
      at(uri, "Writing", async (path) => {
        const folder = dirname(path);
        const result = await putFile(context, uri, path, body, putOptions);
        // Once a folder and process: what killed writers left behind.
        if (!swept.has(folder)) {
          swept.add(folder);
          await sweepLeftovers(folder, context.clock);
        }
        return result;
      }),
    get: (uri, getOptions = {}) =>
      at(uri, "Reading", async (path) => {
        await readable(path);
        getOptions.signal?.throwIfAborted();
        const handle = await open(path, constants.O_RDONLY);
        try {
          const { size } = await handle.stat();
          const start = Math.min(Math.max(0, getOptions.range?.start ?? 0), size);
          const end = Math.min(Math.max(start, getOptions.range?.end ?? size), size);
          const bytes = new Uint8Array(end - start);
          let done = 0;
          while (done < bytes.length) {
            getOptions.signal?.throwIfAborted();
            const { bytesRead } = await handle.read(bytes, done, Math.min(bytes.length - done, 1 << 26), start + done);
            if (bytesRead === 0) break;
            done += bytesRead;
          }
          return done === bytes.length ? bytes : bytes.subarray(0, done);
        } finally {
          await handle.close();
        }
      }),
    getToFile: (uri, file, getOptions = {}) =>
      at(uri, "Reading", async (path) => {
        await readable(path);
        getOptions.signal?.throwIfAborted();
        const tmp = temporaryBeside(file, context.random);
        try {
          await mkdir(dirname(file), { recursive: true });
          await copyFile(path, tmp, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
          await rename(tmp, file);
        } finally {
          await unlink(tmp).catch(() => undefined);
        }
      }),
    head: (uri, headOptions = {}) =>
      at(uri, "Looking at", async (path) => {
        headOptions.signal?.throwIfAborted();
        const found = await statObject(path);
        return found && { uri, sizeBytes: Number(found.size), etag: etagOf(found), modifiedAt: isoOfNs(found.mtimeNs) };
      }),
    async *list(uri, listOptions = {}) {
      const path = fileUriToPath(uri);
      try {
        await context.check(path.endsWith("/") ? join(path, "x") : path);
        yield* listFiles(uri, listOptions.after, listOptions.signal);
      } catch (error) {
        throw fileError(error, "Listing", path);
      }
    },
    delete: (uri) =>
      at(uri, "Removing", async (path) => {
        await deleteFile(context, path);
        if (top !== undefined) await pruneEmptyFolders(dirname(path), top);
      }),
    async pruneFolders(uri) {
      const folder = fileUriToPath(uri).replace(/\/$/, "");
      await context.check(join(folder, "x"));
      if (folder !== "" && folder !== top) await pruneBelow(folder);
    },
    async hostAccess(uri) {
      return { kind: "file", settings: { root: fileUriToPath(uri).replace(/(.)\/$/, "$1") }, secrets: {} };
    },
  };
}

function outside(path: string, top: string): ValidationError {
  return new ValidationError({
    what: `${JSON.stringify(path)} is outside the store's folder ${JSON.stringify(top)}.`,
    why: "Neither a path nor a symbolic link may lead out of it.",
    fix: ["Use a location inside the folder."],
    context: { path, root: top },
  });
}
