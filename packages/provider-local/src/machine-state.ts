import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type MachineState, TAGS } from "@runctl/core/provider";
import { type AttemptFolder, listAttempts, readAttempt } from "./attempts.ts";
import type { MachineFiles } from "./machine-record.ts";
import { processesWithMarks, startTime } from "./processes.ts";

/** A machine's state with the words for it. */
export interface StateVerdict {
  state: MachineState;
  reason?: string | undefined;
  endedAt?: string | undefined;
}

type Look = "over" | "not-started" | "alive" | "gone" | "rebooted";

async function lookAt(attempt: AttemptFolder, boot: string): Promise<Look> {
  if (attempt.final) return "over";
  if (!attempt.started) return "not-started";
  for (const { pid, startTime: began, bootId } of attempt.processes) {
    if (bootId === boot && (await startTime(pid)) === began) return "alive";
  }
  if (attempt.processes.length > 0 && attempt.processes.every(({ bootId }) => bootId !== boot)) return "rebooted";
  return "gone";
}

/**
 * The states of machines, decided from files and processes only:
 * terminating → ending; interrupted → ended; stopped → stopped; made for a run (run tag) and an attempt that was started is
 * neither finished (final.json) nor has a living guardian, supervisor or runner → ended; everything else → running.
 * A process is (pid, start time, boot). At most one listing of the process table, and only when somebody seems dead.
 */
export async function decideStates(machines: MachineFiles[], boot: string): Promise<StateVerdict[]> {
  const verdicts = machines.map(byMarkers);
  const suspects: Array<{ index: number; attempt: AttemptFolder; look: Look }> = [];
  await Promise.all(
    machines.map(async (machine, index) => {
      if (verdicts[index] !== undefined || !machine.hasRuns || machine.tags[TAGS.run] === undefined) return;
      const over = new Set(machine.started?.over ?? []);
      const looks: Array<{ attempt: AttemptFolder; look: Look }> = [];
      for (const attempt of await listAttempts(machine.dir)) {
        if (!over.has(attempt.key)) looks.push({ attempt, look: await lookAt(attempt, boot) });
      }
      // A living attempt speaks for the machine, whatever became of earlier ones.
      if (looks.some(({ look }) => look === "alive")) return;
      for (const { attempt, look } of looks) if (look === "gone" || look === "rebooted") suspects.push({ index, attempt, look });
    }),
  );
  for (const { index, attempt, look } of await confirm(suspects, boot)) {
    verdicts[index] = {
      state: "ended",
      reason:
        look === "rebooted"
          ? `attempt ${attempt.key}: the computer was restarted`
          : `attempt ${attempt.key}: processes gone without a final record: killed from outside`,
      endedAt: await lastSign(attempt),
    };
  }
  return verdicts.map((verdict) => verdict ?? { state: "running" });
}

function byMarkers(machine: MachineFiles): StateVerdict | undefined {
  if (machine.ended?.kind === "terminate") return { state: "ending", reason: machine.ended.reason, endedAt: undefined };
  if (machine.ended !== undefined) return { state: "ended", reason: machine.ended.reason, endedAt: machine.ended.at };
  if (machine.stopped !== undefined) return { state: "stopped", reason: "stopped", endedAt: undefined };
  return undefined;
}

// The records were read at slightly different instants: an attempt may have ended well, or got its next process, in between.
// So everything that looks dead is read a second time, and what left no process record is looked for by its nonce.
async function confirm<T extends { attempt: AttemptFolder; look: Look }>(suspects: T[], boot: string): Promise<T[]> {
  const unnamed = suspects.filter(({ attempt }) => attempt.processes.length === 0 && attempt.nonce !== undefined);
  const marked = new Set<T>();
  if (unnamed.length > 0) {
    const alive = await processesWithMarks(unnamed.map(({ attempt }) => `RUNCTL_NONCE=${attempt.nonce}`));
    // Which of them it is matters only when there is one at all.
    if (alive.length > 0) {
      for (const suspect of unnamed) {
        if ((await processesWithMarks([`RUNCTL_NONCE=${suspect.attempt.nonce}`])).length > 0) marked.add(suspect);
      }
    }
  }
  const dead: T[] = [];
  for (const suspect of suspects) {
    if (marked.has(suspect)) continue;
    const look = await lookAt(await readAttempt(suspect.attempt.dir, suspect.attempt.key), boot);
    if (look === "gone" || look === "rebooted") dead.push(suspect);
  }
  return dead;
}

// The agent's last written record is the best evidence of when it died.
async function lastSign(attempt: AttemptFolder): Promise<string | undefined> {
  let latest = 0;
  for (const name of ["status.json", "runner.json", "guard.json", "feed", "exit.json"]) {
    const info = await stat(join(attempt.dir, name)).catch(() => undefined);
    if (info !== undefined) latest = Math.max(latest, info.mtimeMs);
  }
  return latest === 0 ? undefined : new Date(latest).toISOString();
}
