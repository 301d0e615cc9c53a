import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type MachineState, TAGS } from "@runctl/core/provider";
import { type AttemptDir, isAlive, listAttempts, orderOf, progressOf, recordedProcesses } from "./attempts.ts";
import type { MachineFiles } from "./machine-record.ts";
import { processesWithMarks } from "./processes.ts";
import { takeTurns } from "./small-files.ts";

/** A machine's state with the words for it. */
export interface StateVerdict {
  state: MachineState;
  reason?: string | undefined;
  endedAt?: string | undefined;
}

/** "unnamed": it was started, but left no record of a process yet. "orphan": only the training itself is left. */
type Look = "over" | "not-started" | "alive" | "unnamed" | "orphan" | "gone" | "rebooted";

interface Suspect {
  index: number;
  attempt: AttemptDir;
  look: Look;
}

const DEAD: readonly Look[] = ["unnamed", "orphan", "gone", "rebooted"];

const REASONS: Partial<Record<Look, string>> = {
  rebooted: "the computer was restarted",
  orphan: "guardian, supervisor and runner are gone without a final record, only the training is left: killed from outside",
};

async function lookAt(attempt: AttemptDir, boot: string): Promise<Look> {
  const progress = progressOf(attempt);
  if (progress !== "started") return progress;
  const processes = recordedProcesses(attempt);
  if (processes.length === 0) return "unnamed";
  let orphan = false;
  for (const recorded of processes) {
    if (!(await isAlive(recorded, boot))) continue;
    if (recorded.role !== "training") return "alive";
    orphan = true;
  }
  if (orphan) return "orphan";
  return processes.every(({ bootId }) => bootId !== boot) ? "rebooted" : "gone";
}

/**
 * The states of machines, decided from files and processes only:
 * terminating → ending; interrupted → ended; stopped → stopped; made for a run (run tag) with an attempt that was started, has no
 * final.json and no living guardian, supervisor or runner → ended; everything else → running.
 * A process is (pid, start time, boot). The process table is listed at most once, and only for attempts without process records.
 */
export async function decideStates(machines: MachineFiles[], boot: string): Promise<StateVerdict[]> {
  const verdicts = machines.map(byMarkers);
  const suspects: Suspect[] = [];
  for await (const [index, machine] of takeTurns(machines.entries())) {
    if (verdicts[index] !== undefined || !machine.hasRuns || machine.tags[TAGS.run] === undefined) continue;
    try {
      suspects.push(...(await suspectsOf(machine, index, boot)));
    } catch (error) {
      // Out of file descriptors, say: that nothing can be seen is no death.
      verdicts[index] = { state: "unknown", reason: error instanceof Error ? error.message : String(error) };
    }
  }
  for (const { index, attempt, look } of await confirm(suspects, boot)) {
    const reason = REASONS[look] ?? "processes gone without a final record: killed from outside";
    verdicts[index] = { state: "ended", reason: `attempt ${attempt.key}: ${reason}`, endedAt: await lastSign(attempt) };
  }
  return verdicts.map((verdict) => verdict ?? { state: "running" });
}

async function suspectsOf(machine: MachineFiles, index: number, boot: string): Promise<Suspect[]> {
  const suspects: Suspect[] = [];
  for (const attempt of listAttempts(machine.dir)) {
    if (machine.started?.over.includes(attempt.key) === true) continue;
    const look = await lookAt(attempt, boot);
    // A living attempt speaks for the machine, whatever became of earlier ones.
    if (look === "alive") return [];
    if (DEAD.includes(look)) suspects.push({ index, attempt, look });
  }
  return suspects;
}

function byMarkers(machine: MachineFiles): StateVerdict | undefined {
  if (machine.ended?.kind === "terminate") return { state: "ending", reason: machine.ended.reason };
  if (machine.ended !== undefined) return { state: "ended", reason: machine.ended.reason, endedAt: machine.ended.at };
  return machine.stopped === undefined ? undefined : { state: "stopped", reason: "stopped" };
}

// The records were read at slightly different instants: meanwhile an attempt may have ended well, or one of its processes may have
// started another. So what looks dead is read a second time, and what has no process record is looked for by its nonce.
async function confirm(suspects: Suspect[], boot: string): Promise<Suspect[]> {
  const carriers = await nonceCarriers(suspects.filter(({ look }) => look === "unnamed"));
  const dead: Suspect[] = [];
  const revived = new Set<number>();
  for (const suspect of suspects) {
    const look = carriers.has(suspect.attempt.dir) ? "alive" : await lookAt(suspect.attempt, boot).catch((): Look => "alive");
    if (look === "alive") revived.add(suspect.index);
    else if (DEAD.includes(look)) dead.push({ ...suspect, look });
  }
  return dead.filter(({ index }) => !revived.has(index));
}

async function nonceCarriers(unnamed: Suspect[]): Promise<Set<string>> {
  const byMark = new Map<string, string>();
  for (const { attempt } of unnamed) {
    const order = orderOf(attempt);
    if (order !== undefined) byMark.set(`RUNCTL_NONCE=${order.nonce}`, attempt.dir);
  }
  const carried = await processesWithMarks([...byMark.keys()]);
  return new Set(carried.map(({ mark }) => byMark.get(mark)).filter((dir) => dir !== undefined));
}

// The agent's last written record is the best evidence of when it died.
async function lastSign(attempt: AttemptDir): Promise<string | undefined> {
  let latest = 0;
  for (const name of ["status.json", "feed", "exit.json", "runner.json", "guard.json", "boots.jsonl"]) {
    const info = await stat(join(attempt.dir, name)).catch(() => undefined);
    if (info !== undefined) latest = Math.max(latest, info.mtimeMs);
  }
  return latest === 0 ? undefined : new Date(latest).toISOString();
}
