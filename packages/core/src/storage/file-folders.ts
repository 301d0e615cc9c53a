import { constants } from "node:fs";
import { type FileHandle, lstat, mkdir, open, readdir, rmdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "../util/clock.ts";

import { errnoOf } from "./file-errors.ts";
import { HIDDEN_PREFIX } from "./file-version.ts";
import { lifeOf, parseWriter } from "./file-writer.ts";

/** Makes a folder's entries durable. File systems that cannot sync a folder are passed over. */
export async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(folder, constants.O_RDONLY);
    await handle.sync();
  } catch (error) {
    if (!["EINVAL", "EISDIR", "EPERM", "EACCES", "ENOENT", "ENOTSUP"].includes(errnoOf(error))) throw error;
  } finally {
    await handle?.close();
  }
}

/** mkdir -p whose new folders survive a power cut. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let at = folder; at.length >= first.length; at = dirname(at)) await syncFolder(dirname(at));
}

/** Removes empty folders from `folder` upwards, never `top` itself nor anything outside it. */
export async function pruneEmptyFolders(folder: string, top: string): Promise<void> {
  const above = top === "/" ? "/" : `${top}/`;
  for (let at = folder; at.startsWith(above) && at !== "/"; at = dirname(at)) {
    try {
      await rmdir(at);
    } catch {
      return;
    }
  }
}

/** Removes every empty folder in the tree `folder`, deepest first, and `folder` itself when nothing is left. Links are not followed. */
export async function pruneBelow(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    if (entry.isDirectory()) await pruneBelow(join(folder, entry.name));
  }
  await rmdir(folder).catch(() => undefined);
}

const DAY_MS = 86_400_000;

async function isLeftover(path: string, name: string, clock: Clock): Promise<boolean> {
  // A dead claim is part of the protocol in file-claim.ts and must stay.
  if (name.startsWith("claim-")) return false;
  const owner = parseWriter(name.slice(0, name.lastIndexOf("-")));
  if (owner !== undefined && lifeOf(owner) === "dead") return true;
  if (owner !== undefined && lifeOf(owner) === "alive") return false;
  // Another machine's, an earlier boot's or the host agent's: nobody writes a day on one object without touching it.
  return (await lstat(path)).mtimeMs < clock.now() - DAY_MS;
}

/** Removes unfinished writes whose writer is certainly dead. Failures are passed over: this is housekeeping. */
export async function sweepLeftovers(folder: string, clock: Clock): Promise<void> {
  try {
    for (const name of await readdir(folder)) {
      if (!name.startsWith(HIDDEN_PREFIX)) continue;
      const path = join(folder, name);
      if (await isLeftover(path, name.slice(HIDDEN_PREFIX.length), clock)) await unlink(path);
    }
  } catch {
    // The next process looks again.
  }
}
