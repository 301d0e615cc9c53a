import { lstat, readdir } from "node:fs/promises";
import { errorKind } from "../errors/runctl-error.ts";
import { compareBytes } from "../util/byte-order.ts";
import { isTemporaryDir, isTemporaryFile, joinPath } from "./formats/names.ts";

/** A regular file of a folder. */
export interface WalkedFile {
  sizeBytes: number;
  modifiedMs: number;
}

/**
 * Every regular file below a folder by its relative POSIX path. Links are left out (what they name inside is listed anyway, what lies outside is
 * not ours), as are temporary folders, and names that are not valid UTF-8. What vanishes meanwhile is not there. Rejects with the system's
 * error when the folder itself cannot be read.
 */
export async function walkFolder(folder: string, signal?: AbortSignal | undefined): Promise<Map<string, WalkedFile>> {
  const found = new Map<string, WalkedFile>();
  const pending = [""];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    signal?.throwIfAborted();
    const entries = await readdir(at === "" ? folder : `${folder}/${at}`, { withFileTypes: true }).catch((error: unknown) => {
      if (at === "" || errorKind(error) !== undefined) throw error;
      return [];
    });
    const files: string[] = [];
    for (const entry of entries) {
      const path = joinPath(at, entry.name);
      if (entry.isDirectory()) {
        if (!isTemporaryDir(entry.name)) pending.push(path);
      } else if (entry.isFile()) files.push(path);
    }
    for (let i = 0; i < files.length; i += STATS_AT_ONCE) {
      await Promise.all(
        files.slice(i, i + STATS_AT_ONCE).map(async (path) => {
          const info = await lstat(`${folder}/${path}`).catch(() => undefined);
          if (info?.isFile() === true) found.set(path, { sizeBytes: info.size, modifiedMs: info.mtimeMs });
        }),
      );
    }
  }
  return found;
}

const STATS_AT_ONCE = 64;

/** The files of a checkpoint folder, relative, in byte order; temporary ones left out. Rejects when the folder cannot be read. */
export async function walkCheckpoint(folder: string): Promise<string[]> {
  const found = [...(await walkFolder(folder)).keys()];
  return found.filter((path) => !isTemporaryFile(path.slice(path.lastIndexOf("/") + 1))).sort(compareBytes);
}
