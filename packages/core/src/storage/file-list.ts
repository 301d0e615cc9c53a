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

async function* walk(folder: string, uri: string, options: Walk): AsyncGenerator<ObjectInfo> {
  options.signal?.throwIfAborted();
  for (const entry of await entriesOf(folder)) {
    const at = uri + entry.key;
    if (entry.key.endsWith("/")) {
      if (!at.startsWith(options.prefix) && !options.prefix.startsWith(at)) continue;
      // Everything below begins with `at`, so it is all before `after` unless `after` is in there too.
      if (options.after !== undefined && at < options.after && !options.after.startsWith(at)) continue;
      yield* walk(join(folder, entry.name), at, options);
      continue;
    }
    if (!at.startsWith(options.prefix) || (options.after !== undefined && at <= options.after)) continue;
    options.signal?.throwIfAborted();
    const file = join(folder, entry.name);
    if (entry.isLink && !(await realpath(file).catch(() => ""))?.startsWith(options.realTop)) continue;
    const found = await statObject(file);
    if (found !== undefined) yield { uri: at, sizeBytes: Number(found.size), etag: etagOf(found), modifiedAt: isoOfNs(found.mtimeNs) };
  }
}
