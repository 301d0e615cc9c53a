import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Random, randomId } from "@runctl/core/provider";
import { machinesDir } from "./machine-home.ts";
import { bootId, startTime } from "./processes.ts";

// Folders whose names begin with a dot are no machines: those in the making carry who makes them, those on their way out are free
// to be removed by anybody.
const NEW = ".new-";
const GONE = ".gone-";

/** A name for a folder in the making, which tells others whether its maker still lives. */
export async function newDir(home: string, random: Random): Promise<string> {
  const maker = `${(await bootId()).slice(0, 8)}-${process.pid}-${plain(await startTime(process.pid))}`;
  return join(machinesDir(home), `${NEW}${maker}-${randomId(random, 8)}`);
}

/** A name for a machine's folder on its way out. */
export function goneDir(dir: string, random: Random): string {
  return join(dirname(dir), `${GONE}${randomId(random, 16)}`);
}

function plain(startTime: string | undefined): string {
  return (startTime ?? "0").replace(/\W+/g, "_");
}

/** Is there anything for `sweep` among these names? */
export function hasLeftovers(names: readonly string[]): boolean {
  return names.some((name) => name.startsWith(NEW) || name.startsWith(GONE));
}

/** Removes what processes killed in the middle of `create` or `terminate` left. What cannot be removed stays for the next time. */
export async function sweep(home: string): Promise<void> {
  const dir = machinesDir(home);
  for (const name of await readdir(dir).catch(() => [] as string[])) {
    if (name.startsWith(GONE) || (name.startsWith(NEW) && !(await makerLives(name)))) {
      await rm(join(dir, name), { recursive: true, force: true }).catch(() => undefined);
    }
  }
}

async function makerLives(name: string): Promise<boolean> {
  const [, boot = "", pid = "", start = ""] = /^\.new-(.{1,8})-(\d+)-(\w+)-\w+$/.exec(name) ?? [];
  return boot === (await bootId()).slice(0, 8) && plain(await startTime(Number(pid))) === start;
}
