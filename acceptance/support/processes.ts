import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

export interface Process {
  pid: number;
  command: string;
}

/** Live processes whose command line or environment fits. A process may end while it is looked at: then it is not there. */
export function processesWhere(fits: (command: string, environment: string) => boolean): Process[] {
  const found: Process[] = [];
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, "latin1").replaceAll("\0", " ");
      const environment = readFileSync(`/proc/${name}/environ`, "latin1");
      if (Number(name) !== process.pid && fits(command, environment)) found.push({ pid: Number(name), command });
    } catch {
      // It ended meanwhile, or is not ours to look at.
    }
  }
  return found;
}

/** kill(2) for each; one that ended meanwhile is passed over. */
export function signalAll(processes: ReadonlyArray<{ pid: number }>, signal: NodeJS.Signals): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

/** Kills until none is left: a process that forks between the look and the kill has a child that the next look sees. */
export async function endAll(look: () => Process[]): Promise<void> {
  for (let round = 0; round < 500; round += 1) {
    const left = look();
    if (left.length === 0) return;
    signalAll(left, "SIGKILL");
    await delay(20);
  }
}
