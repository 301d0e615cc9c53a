import type { Dirent } from "node:fs";
import { readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { StorageError } from "../errors/kinds.ts";
import type { ObjectInfo } from "../provider/object-store.ts";
import { errnoOf } from "./file-errors.ts";
import { encodeSegment, fileUriToPath, pathToFileUri } from "./file-uri.ts";
import { etagOf, HIDDEN_PREFIX, statObject } from "./file-version.ts";

/** ISO time of a stat's modification time in ns. */
export function isoOfNs(ns: bigint): string {
  return new Date(Number(ns / 1_000_000n)).toISOString();
}

interface Entry {
  /** Encoded, folders with a trailing slash: byte order of entries is then byte order of whole URIs. */
  key: string;
  name: string;
  isLink: boolean;
}

async function entriesOf(folder: string): Promise<Entry[]> {
  let found: Dirent[];
  try {
    found = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error))) return [];
    throw error;
  }
  const entries: Entry[] = [];
  for (const entry of found) {
    if (entry.name.startsWith(HIDDEN_PREFIX)) continue;
    if (entry.name.includes("\uFFFD")) await refuseUnreadableNames(folder);
    const isFolder = entry.isDirectory();
    if (!isFolder && !entry.isFile() && !entry.isSymbolicLink()) continue;
    entries.push({ key: encodeSegment(entry.name) + (isFolder ? "/" : ""), name: entry.name, isLink: entry.isSymbolicLink() });
  }
  return entries.sort((a, b) => (a.key < b.key ? -1 : 1));
}

async function refuseUnreadableNames(folder: string): Promise<void> {
  for (const raw of await readdir(folder, { encoding: "buffer" })) {
    if (Buffer.from(raw.toString("utf8")).equals(raw)) continue;
    throw new StorageError({
      what: `${JSON.stringify(folder)} holds a file whose name is not valid UTF-8: ${raw.toString("latin1")}.`,
      why: "Such a name has no URI, and leaving it out silently would lose it.",
      fix: ["Rename the file."],
      context: { folder },
    });
  }
}

/** Lists as the contract says: every object whose URI begins with `uri`, in byte order of the URI, one folder in memory at a time. */
export async function* listFiles(uri: string, after: string | undefined, signal: AbortSignal | undefined): AsyncGenerator<ObjectInfo> {
  const path = fileUriToPath(uri);
  const prefix = pathToFileUri(path);
  const top = path.slice(0, path.lastIndexOf("/") + 1);
  // The listed folder itself may be a symlink: it is what the user named. Links inside must not lead out of it.
  const realTop = await realpath(top).catch(() => undefined);
  if (realTop === undefined) return;
  yield* walk(top, pathToFileUri(top), { prefix, after, signal, realTop: realTop === "/" ? "/" : `${realTop}/` });
}

interface Walk {
  prefix: string;
  after: string | undefined;
  signal: AbortSignal | undefined;
  realTop: string;
}

/** Stats in flight at once: a listing of many files must not wait for one disk answer after the other. */
const AHEAD = 64;

async function* walk(folder: string, uri: string, options: Walk): AsyncGenerator<ObjectInfo> {
  options.signal?.throwIfAborted();
  const { prefix, after } = options;
  const entries = (await entriesOf(folder)).filter(({ key }) => {
    const at = uri + key;
    if (!key.endsWith("/")) return at.startsWith(prefix) && (after === undefined || at > after);
    // Everything below a folder begins with `at`, so it is all before `after` unless `after` is in there too.
    return (at.startsWith(prefix) || prefix.startsWith(at)) && (after === undefined || at > after || after.startsWith(at));
  });
  for (let from = 0; from < entries.length; from += AHEAD) {
    options.signal?.throwIfAborted();
    const batch = entries.slice(from, from + AHEAD);
    const infos = await Promise.all(
      batch.map((entry) => (entry.key.endsWith("/") ? undefined : infoOf(folder, uri, entry, options.realTop))),
    );
    for (const [n, entry] of batch.entries()) {
      const info = infos[n];
      if (info !== undefined) yield info;
      else if (entry.key.endsWith("/")) yield* walk(join(folder, entry.name), uri + entry.key, options);
    }
  }
}

async function infoOf(folder: string, uri: string, entry: Entry, realTop: string): Promise<ObjectInfo | undefined> {
  const file = join(folder, entry.name);
  if (entry.isLink && !(await realpath(file).catch(() => "")).startsWith(realTop)) return undefined;
  const found = await statObject(file);
  return found && { uri: uri + entry.key, sizeBytes: Number(found.size), etag: etagOf(found), modifiedAt: isoOfNs(found.mtimeNs) };
}
