import { readFileSync } from "node:fs";
import { readdir, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Clock } from "../util/clock.ts";
import { sha256Hex } from "../util/hash.ts";

const DAY_MS = 86_400_000;
const NAME = /^\.([0-9a-f]{8})-(\d+)\.[a-z0-9]+\.tmp$/;

function hostMark(): string {
  let boot = "";
  try {
    boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    // Not Linux: the host's name alone; a file of an earlier boot is then judged by its age.
  }
  return sha256Hex(`${hostname()} ${boot}`).slice(0, 8);
}

/** Names this process in temporary files: <8 hex of host and boot>-<pid>. */
export function ownerMark(): string {
  return `${hostMark()}-${process.pid}`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}

/**
 * Removes temporary files whose writer is dead (same boot), or that are a day old (any writer). Best effort: a file that stays is
 * ignored by every reader. A writer in another pid namespace may lose its file; it notices and writes again.
 */
export async function removeLeftovers(folder: string, clock: Clock): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const host = hostMark();
  for (const name of names) {
    const match = NAME.exec(name);
    if (match === null) continue;
    const path = join(folder, name);
    const pid = Number(match[2]);
    const dead = match[1] === host && !isAlive(pid);
    const old = dead
      ? false
      : await stat(path).then(
          (info) => clock.now() - info.mtimeMs > DAY_MS,
          () => false,
        );
    if (dead || old) await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}
