import { createHash } from "node:crypto";
import { lstat, open, readdir, rm, rmdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { NotFoundError } from "../errors/kinds.ts";
import type { ObjectStore } from "../provider/object-store.ts";
import { fileUriToPath } from "../storage/file-uri.ts";
import { asFolder, joinKey, keyBelow, schemeOf, toUri } from "../storage/location.ts";
import { hashFile } from "../util/hash-file.ts";
import { joinPath } from "./formats/names.ts";
import type { CheckpointTree } from "./formats/verdict.ts";
import { walkFolder } from "./walk-checkpoint.ts";

/** A folder or prefix with checkpoints in it. Paths are relative to it. */
export interface CheckpointPlace {
  /** Folder URI, ending with "/". */
  uri: string;
  tree: CheckpointTree;
  modifiedMs(path: string): number;
  location(path: string): string;
  hash(path: string, signal: AbortSignal | undefined): Promise<string>;
  remove(path: string): Promise<void>;
  /** Removes what folders an emptied checkpoint left. */
  removeEmpty(path: string): Promise<void>;
}

type StoreOf = (uri: string) => ObjectStore;
interface Options {
  signal?: AbortSignal | undefined;
}

/** The place that a location names, with everything below it. NotFoundError when there is no such folder, or it is a file. */
export async function openPlace(storeOf: StoreOf, location: string, options: Options): Promise<CheckpointPlace> {
  const uri = asFolder(toUri(location));
  if (schemeOf(uri) !== "file") return storePlace(storeOf(uri), uri, await listed(storeOf(uri), uri, options));
  const folder = fileUriToPath(uri).replace(/(.)\/$/, "$1");
  const info = await stat(folder).catch(() => undefined);
  if (info === undefined) throw new NotFoundError({ what: `There is nothing at ${folder}.`, fix: ["Check the path."] });
  if (!info.isDirectory()) {
    throw new NotFoundError({
      what: `${folder} is a file, not a folder of checkpoints.`,
      fix: ["Use inspect() or verify() for one checkpoint."],
    });
  }
  return folderPlace(folder, uri, await walkFolder(folder, options.signal));
}

/** One checkpoint's place: the folder it is in, with it and the files beside it (trackers, shards), and its name there. */
export async function openBeside(storeOf: StoreOf, location: string, options: Options): Promise<{ place: CheckpointPlace; name: string }> {
  const own = toUri(location).replace(/\/+$/, "");
  const cut = own.lastIndexOf("/") + 1;
  const parent = own.slice(0, cut);
  const name = keyBelow(parent, own);
  if (schemeOf(own) !== "file") return { place: storePlace(storeOf(own), parent, await listed(storeOf(own), parent, options)), name };
  const path = fileUriToPath(own);
  const folder = dirname(path);
  const info = await stat(path).catch(() => undefined);
  const beside = await walkBeside(folder);
  if (info?.isDirectory() === true) {
    for (const [file, found] of await walkFolder(path, options.signal)) beside.set(joinPath(name, file), found);
  } else if (info === undefined && ![...beside.keys()].some((file) => file.startsWith(`${name}.`))) {
    throw new NotFoundError({ what: `There is nothing at ${path}.`, fix: ["Check the path."] });
  } else if (info !== undefined && !beside.has(name)) {
    beside.set(name, { sizeBytes: info.size, modifiedMs: info.mtimeMs }); // a link that the caller named
  }
  return { place: folderPlace(folder, parent, beside), name };
}

async function walkBeside(folder: string): Promise<Map<string, { sizeBytes: number; modifiedMs: number }>> {
  const found = new Map<string, { sizeBytes: number; modifiedMs: number }>();
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const info = entry.isFile() ? await lstat(`${folder}/${entry.name}`).catch(() => undefined) : undefined;
    if (info !== undefined) found.set(entry.name, { sizeBytes: info.size, modifiedMs: info.mtimeMs });
  }
  return found;
}

function folderPlace(folder: string, uri: string, files: Map<string, { sizeBytes: number; modifiedMs: number }>): CheckpointPlace {
  const sizes = new Map([...files].map(([path, file]) => [path, file.sizeBytes]));
  return {
    uri,
    modifiedMs: (path) => files.get(path)?.modifiedMs ?? 0,
    location: (path) => (path === "." ? uri : joinKey(uri, path)),
    hash: async (path, signal) => (await hashFile(`${folder}/${path}`, { signal })).sha256,
    remove: (path) => rm(`${folder}/${path}`, { force: true }),
    async removeEmpty(path) {
      // rmdir refuses what is not empty: a file that came meanwhile stays.
      const dirs = new Set<string>();
      for (const file of files.keys()) {
        if (!file.startsWith(`${path}/`)) continue;
        for (let at = dirname(file); at.length >= path.length; at = dirname(at)) dirs.add(at);
      }
      for (const dir of [...dirs].sort((a, b) => b.length - a.length)) await rmdir(`${folder}/${dir}`).catch(() => undefined);
    },
    tree: {
      sizes,
      async read(path, offset, length) {
        const handle = await open(`${folder}/${path}`, "r");
        try {
          const bytes = Buffer.alloc(length);
          let done = 0;
          while (done < length) {
            const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
            if (bytesRead === 0) break;
            done += bytesRead;
          }
          return bytes.subarray(0, done);
        } finally {
          await handle.close();
        }
      },
    },
  };
}

interface Listed {
  uri: string;
  sizeBytes: number;
  modifiedAt: string;
}

async function listed(store: ObjectStore, uri: string, options: Options): Promise<Map<string, Listed>> {
  const found = new Map<string, Listed>();
  for await (const object of store.list(uri, options)) if (object.uri !== uri) found.set(keyBelow(uri, object.uri), object);
  if (found.size === 0) throw new NotFoundError({ what: `There is nothing at ${uri}.`, fix: ["Check the location."] });
  return found;
}

/** A place over objects that were listed already. */
export function storePlace(store: ObjectStore, uri: string, objects: ReadonlyMap<string, Listed>): CheckpointPlace {
  const uriOf = (path: string): string => objects.get(path)?.uri ?? joinKey(uri, path);
  return {
    uri,
    modifiedMs: (path) => Date.parse(objects.get(path)?.modifiedAt ?? "1970-01-01T00:00:00Z"),
    location: (path) => (path === "." ? uri : joinKey(uri, path)),
    hash: (path, signal) => hashObject(store, uriOf(path), objects.get(path)?.sizeBytes ?? 0, signal),
    remove: (path) => store.delete(uriOf(path)),
    removeEmpty: async () => undefined,
    tree: {
      sizes: new Map([...objects].map(([path, object]) => [path, object.sizeBytes])),
      read: (path, offset, length) =>
        length <= 0 ? Promise.resolve(new Uint8Array()) : store.get(uriOf(path), { range: { start: offset, end: offset + length } }),
    },
  };
}

const PART_BYTES = 8 * 1024 * 1024;

/** SHA-256 of an object, read in parts of 8 MiB; local files are streamed. */
export async function hashObject(store: ObjectStore, uri: string, size: number, signal: AbortSignal | undefined): Promise<string> {
  if (schemeOf(uri) === "file") return (await hashFile(fileUriToPath(uri), { signal })).sha256;
  const digest = createHash("sha256");
  for (let at = 0; at < size; at += PART_BYTES) {
    digest.update(await store.get(uri, { range: { start: at, end: Math.min(size, at + PART_BYTES) }, signal }));
  }
  return digest.digest("hex");
}
