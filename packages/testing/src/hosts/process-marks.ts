import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** The name under which a machine's token is in the environment of all its processes. The agent takes away names that begin with RUNCTL_. */
export const MARK = "EMULATED_MACHINE";

/** Most rounds of looking and killing: each takes milliseconds, and processes die within few. */
const ROUNDS = 2_000;

/** Processes (never this one) whose environment carries the machine's token, zombies left out. */
export function processesOf(token: string): number[] {
  const needle = `${MARK}=${token}`;
  if (process.platform !== "linux") {
    const listed = spawnSync("ps", ["-axEww", "-o", "pid=,stat=,command="], { encoding: "utf8", maxBuffer: 64 << 20 }).stdout ?? "";
    return listed.split("\n").flatMap((line) => {
      const found = /^\s*(\d+)\s+([^Z\s]\S*)\s/.exec(line);
      return found !== null && line.includes(needle) && Number(found[1]) !== process.pid ? [Number(found[1])] : [];
    });
  }
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
    try {
      // A zombie's is empty.
      return readFileSync(`/proc/${name}/environ`, "latin1").split("\0").includes(needle) ? [Number(name)] : [];
    } catch {
      return []; // Gone meanwhile, or another user's.
    }
  });
}

/** SIGKILL to all of them, until two looks in a row show none. False when some outlived it (a hung disk or driver). */
export function killAllOf(token: string): boolean {
  let quiet = 0;
  for (let round = 0; round < ROUNDS && quiet < 2; round++) {
    const pids = processesOf(token);
    quiet = pids.length === 0 ? quiet + 1 : 0;
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Gone meanwhile.
      }
    }
  }
  return quiet === 2;
}
