import { constants } from "node:fs";
import { chmod, copyFile, cp, lstat, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { NotFoundError, type Random, randomId, SyncError } from "@runctl/core/provider";
import { errnoOf } from "./storage-error.ts";

/**
 * Copies a file (whole or not at all) or a tree (into what is there already). Modes and times are kept, symbolic links are copied
 * as they are, blocks are shared where the file system can. Sockets, pipes and devices are left out.
 * @throws NotFoundError, SyncError, or the signal's reason.
 */
export async function copyTree(from: string, to: string, random: Random, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  const info = await lstat(from).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT")
      throw new NotFoundError({ what: `${JSON.stringify(from)} does not exist, so it cannot be copied.`, context: { path: from } });
    throw failed(from, to, error);
  });
  try {
    if (info.isFile()) await copyOne(from, to, info.mode & 0o7777, random);
    else await copyAll(from, to, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw failed(from, to, error);
  }
  signal?.throwIfAborted();
}

async function copyOne(from: string, to: string, mode: number, random: Random): Promise<void> {
  const tmp = join(dirname(to), `.${basename(to).slice(0, 100)}.${randomId(random, 8)}.tmp`);
  try {
    await copyFile(from, tmp, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    await chmod(tmp, mode);
    await rename(tmp, to);
  } catch (error) {
    await rm(tmp, { force: true }).catch(() => undefined);
    throw error;
  }
}

function copyAll(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  return cp(from, to, {
    recursive: true,
    verbatimSymlinks: true,
    preserveTimestamps: true,
    force: true,
    mode: constants.COPYFILE_FICLONE,
    filter: async (source) => {
      signal?.throwIfAborted();
      const entry = await lstat(source);
      return entry.isFile() || entry.isDirectory() || entry.isSymbolicLink();
    },
  });
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
