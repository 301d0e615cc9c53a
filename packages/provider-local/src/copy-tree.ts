import { constants, type Stats } from "node:fs";
import { chmod, copyFile, lstat, mkdir, readdir, readlink, rename, rm, symlink, utimes } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { NotFoundError, type Random, RunctlError, randomId, SyncError } from "@runctl/core/provider";
import { errnoOf } from "./storage-error.ts";

const AT_ONCE = 8;

/** A folder of the source and its counterpart. */
interface Pair {
  from: string;
  to: string;
  info: Stats;
}

/**
 * Copies a file or a tree; a tree goes into what is there already. Every file arrives whole or not at all. Modes and times are kept,
 * symbolic links are copied as they are and never followed, at the target neither; blocks are shared where the file system can.
 * Sockets, pipes and devices are left out.
 * @throws NotFoundError, SyncError, or the signal's reason.
 */
export async function copyTree(from: string, to: string, random: Random, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  try {
    const info = await lstat(from).catch((error: unknown) => {
      if (errnoOf(error) !== "ENOENT") throw error;
      throw new NotFoundError({ what: `${JSON.stringify(from)} does not exist, so it cannot be copied.`, context: { path: from } });
    });
    if (info.isDirectory()) await copyFolder({ from, to, info }, random, signal);
    else await copyOne({ from, to, info }, random);
  } catch (error) {
    signal?.throwIfAborted();
    throw RunctlError.is(error) ? error : failed(from, to, error);
  }
  signal?.throwIfAborted();
}

async function copyFolder(root: Pair, random: Random, signal: AbortSignal | undefined): Promise<void> {
  const folders: Pair[] = [root];
  // The list grows while it is walked: every folder adds its own.
  for (const folder of folders) {
    await ensureFolder(folder.to);
    const others: Pair[] = [];
    for (const name of await readdir(folder.from)) {
      signal?.throwIfAborted();
      const pair = { from: join(folder.from, name), to: join(folder.to, name), info: await lstat(join(folder.from, name)) };
      (pair.info.isDirectory() ? folders : others).push(pair);
    }
    const queue = others.values();
    const worker = async (): Promise<void> => {
      for (const pair of queue) {
        signal?.throwIfAborted();
        await copyOne(pair, random);
      }
    };
    // All of them, also after a failure: nothing may go on behind the caller's back.
    const ends = await Promise.allSettled(Array.from({ length: Math.min(AT_ONCE, others.length) }, worker));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }
  // Innermost first, and only now: a write-protected folder must be filled before it is protected.
  for (const { to, info } of folders.reverse()) {
    await chmod(to, info.mode & 0o7777);
    await utimes(to, info.atime, info.mtime);
  }
}

async function ensureFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
    const info = await lstat(path);
    if (info.isSymbolicLink()) {
      await rm(path);
      await mkdir(path, { mode: 0o700 });
    } else if (info.isDirectory()) await chmod(path, info.mode | 0o700);
    else throw Object.assign(new Error(`There is a file where a folder belongs: ${path}`), { code: "ENOTDIR" });
  }
}

async function copyOne({ from, to, info }: Pair, random: Random): Promise<void> {
  const tmp = join(dirname(to), `.${basename(to).slice(0, 50)}.${randomId(random, 8)}.tmp`);
  try {
    if (info.isSymbolicLink()) await symlink(await readlink(from), tmp);
    else if (info.isFile()) {
      await copyFile(from, tmp, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      await chmod(tmp, info.mode & 0o7777);
      await utimes(tmp, info.atime, info.mtime);
    } else return;
    await rename(tmp, to);
  } catch (error) {
    await rm(tmp, { force: true }).catch(() => undefined);
    throw error;
  }
}

function failed(from: string, to: string, error: unknown): SyncError {
  const code = errnoOf(error);
  return new SyncError({
    what: `Copying ${JSON.stringify(from)} to ${JSON.stringify(to)} failed${code === "" ? "" : ` (${code})`}.`,
    why: error instanceof Error ? error.message : String(error),
    fix:
      code === "ENOSPC"
        ? ["The disk is full: free some space."]
        : code === "EACCES"
          ? ["Give this user the right to read the one and write the other."]
          : [],
    context: { from, to, code },
    cause: error,
  });
}
