import { readlink, statfs, symlink, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { StorageError } from "../errors/kinds.ts";
import type { Clock } from "../util/clock.ts";
import { sha256Hex } from "../util/hash.ts";

import { sleep } from "../util/sleep.ts";
import { errnoOf } from "./file-errors.ts";
import { HIDDEN_PREFIX } from "./file-version.ts";
import { type FileWriter, lifeOf, ownWriter, parseWriter } from "./file-writer.ts";

/** How long a live holder of a claim is waited for: it holds it for a few system calls. */
const PATIENCE_MS = 15_000;

// ext2-4, xfs, btrfs, tmpfs, overlay, zfs, f2fs: no other machine can be writing there.
const LOCAL_FILE_SYSTEMS = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0x2fc12fc1, 0xf2f52010]);

async function holderOf(claim: string): Promise<FileWriter | "gone" | undefined> {
  try {
    return parseWriter(await readlink(claim));
  } catch (error) {
    return errnoOf(error) === "ENOENT" ? "gone" : undefined;
  }
}

async function isCertainlyDead(holder: FileWriter, folder: string): Promise<boolean> {
  const life = lifeOf(holder);
  return life === "dead" || (life === "another-boot" && LOCAL_FILE_SYSTEMS.has((await statfs(folder)).type));
}

/**
 * Runs `action` as the only process that may replace or remove version `etag` of the file.
 *
 * POSIX has no conditional rename, so the right to replace a version is a symlink named after that version (create-only, its
 * text is the holder, both written by one system call). `action` must look at the file again, do nothing unless it is still at
 * `etag`, and say whether it `changed` the file. A dead holder's claim is never removed while its version stands, because two
 * removers could not be told from each other; the next one takes `.1`, `.2`, … instead. Once the version is history its claims
 * are worthless (a version never comes back), so the one who changed the file sweeps them.
 */
export async function withClaim<T extends { changed: boolean }>(
  path: string,
  etag: string,
  clock: Clock,
  signal: AbortSignal | undefined,
  action: () => Promise<T>,
): Promise<T> {
  const folder = dirname(path);
  const stem = join(folder, `${HIDDEN_PREFIX}claim-${sha256Hex(basename(path)).slice(0, 24)}-${etag}`);
  const me = ownWriter();
  const began = clock.monotonic();
  let turn = 0;
  for (;;) {
    signal?.throwIfAborted();
    const claim = `${stem}.${turn}`;
    try {
      await symlink(me, claim);
      break;
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    }
    const holder = await holderOf(claim);
    if (typeof holder === "object" && (await isCertainlyDead(holder, folder))) {
      turn += 1;
      continue;
    }
    turn = 0;
    if (holder === "gone") continue;
    if (clock.monotonic() - began > PATIENCE_MS) throw stuck(path, claim, holder);
    await sleep(clock, 2, signal);
  }
  let oldest = turn;
  try {
    const result = await action();
    if (result.changed) oldest = 0;
    return result;
  } finally {
    for (let n = turn; n >= oldest; n -= 1) await unlink(`${stem}.${n}`).catch(() => undefined);
  }
}

function stuck(path: string, claim: string, holder: FileWriter | undefined): StorageError {
  return new StorageError({
    what: `Another process has been replacing ${JSON.stringify(path)} for ${PATIENCE_MS / 1000} s.`,
    why:
      holder === undefined
        ? "Who it is cannot be read."
        : `It is process ${holder.pid}${lifeOf(holder) === "alive" ? ", which is alive but does not go on" : " of another machine or container"}.`,
    fix: [`When that process is certainly gone, remove ${JSON.stringify(claim)} and try again.`],
    retryable: true,
    context: { path, claim },
  });
}
