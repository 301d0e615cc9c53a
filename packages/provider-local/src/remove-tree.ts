import { chmod, lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { StorageError } from "@runctl/core/provider";
import { errnoOf, storageError } from "./storage-error.ts";

/**
 * Removes a tree; symbolic links are removed, not followed. Folders that are write-protected are opened up first.
 * @throws StorageError naming the first path that cannot be removed, whose it is and how to.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await remove(path);
  } catch (error) {
    if (!["EACCES", "EPERM"].includes(errnoOf(error))) throw storageError("Removing the machine's files", path, error);
    await openUp(path);
    await remove(path).catch(async (second: unknown) => {
      throw await refusal(path, second);
    });
  }
}

function remove(path: string): Promise<void> {
  // The retries are for files that a process on its last instant still creates.
  return rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
}

async function openUp(path: string): Promise<void> {
  const info = await lstat(path).catch(() => undefined);
  if (info === undefined || !info.isDirectory()) return;
  await chmod(path, 0o700).catch(() => undefined);
  for (const entry of await readdir(path, { withFileTypes: true }).catch(() => [])) {
    if (entry.isDirectory()) await openUp(join(path, entry.name));
  }
}

async function refusal(path: string, error: unknown): Promise<StorageError> {
  const at = (error as { path?: unknown }).path;
  const culprit = typeof at === "string" ? at : path;
  const owner = (await lstat(culprit).catch(() => undefined))?.uid;
  const me = process.getuid?.();
  const foreign = owner !== undefined && owner !== me;
  return new StorageError({
    what: `${JSON.stringify(culprit)} cannot be removed (${errnoOf(error)})${foreign ? `: it belongs to user id ${owner}` : ""}.`,
    why:
      foreign && owner === 0
        ? "Files that a container wrote as root into a mounted folder belong to root."
        : "This user may not remove it.",
    fix: [`Remove it as its owner, then repeat: sudo rm -rf -- '${path.replaceAll("'", `'\\''`)}'`],
    context: { path: culprit, ...(owner === undefined ? {} : { owner }) },
    cause: error,
  });
}
