import { type FileHandle, link, mkdir, open, readFile, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoCode, linkUnsupported } from "./storage-failure.ts";

/** Text of a file; undefined when it does not exist. */
export async function readIfExists(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Makes the names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems refuse to sync folders; there the names are durable by themselves.
    if (errnoCode(error) !== "EINVAL" && errnoCode(error) !== "ENOTSUP") throw error;
  } finally {
    await handle.close();
  }
}

/**
 * mkdir -p with every new level made durable. Returns the topmost folder that was made, undefined if all were there.
 * Level by level: Node's own recursive mkdir answers ENOENT on a read-only file system, which hides the reason.
 */
export async function makeFolders(path: string): Promise<string | undefined> {
  let first: string | undefined;
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const code = errnoCode(error);
    if (code === "EEXIST") {
      if ((await stat(path)).isDirectory()) return undefined;
      throw Object.assign(new Error(`${path} is a file`), { code: "ENOTDIR" });
    }
    if (code !== "ENOENT" || dirname(path) === path) throw error;
    first = await makeFolders(dirname(path));
    await mkdir(path, { mode: 0o700 }).catch((late: unknown) => {
      if (errnoCode(late) !== "EEXIST") throw late;
    });
  }
  await syncFolder(dirname(path));
  return first ?? path;
}

/** Creates `path` and has its bytes on disk before it resolves. A failed write leaves no file. */
export async function writeSynced(path: string, chunks: Iterable<string> | AsyncIterable<string>): Promise<void> {
  const handle: FileHandle = await open(path, "wx", 0o600);
  try {
    for await (const chunk of chunks) await handle.writeFile(chunk);
    await handle.sync();
  } catch (error) {
    await handle.close().catch(() => {});
    await unlink(path).catch(() => {});
    throw error;
  }
  await handle.close();
}

/** Gives `tmp` its final name if that is free. False when somebody has it already. @throws StorageError where links are unsupported */
export async function linkExclusive(tmp: string, path: string): Promise<boolean> {
  try {
    await link(tmp, path);
    return true;
  } catch (error) {
    const code = errnoCode(error);
    if (code === "EEXIST") return false;
    if (code === "EPERM" || code === "ENOTSUP" || code === "EOPNOTSUPP" || code === "ENOSYS" || code === "EMLINK") {
      throw linkUnsupported(error, dirname(path));
    }
    throw error;
  }
}

/** Creates `path` whole and durable, or leaves what is there. True if this call created it. */
export async function createExclusive(path: string, tmp: string, text: string): Promise<boolean> {
  await writeSynced(tmp, [text]);
  try {
    const created = await linkExclusive(tmp, path);
    if (created) await syncFolder(dirname(path));
    return created;
  } finally {
    await unlink(tmp).catch(() => {});
  }
}

/** Replaces `path` whole and durable. */
export async function replaceDurably(path: string, tmp: string, chunks: Iterable<string> | AsyncIterable<string>): Promise<void> {
  await writeSynced(tmp, chunks);
  try {
    await rename(tmp, path);
  } catch (error) {
    await unlink(tmp).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
}

/** A temporary file's path beside others of `folder`. `owner` is this process (leftovers.ts). */
export function tmpPath(folder: string, owner: string, nonce: string): string {
  return join(folder, `.${owner}.${nonce}.tmp`);
}
