import { join } from "node:path";
import { z } from "zod";
import { readJson } from "./machine-record.ts";
import { startTime } from "./processes.ts";
import { listSmall, readSmall } from "./small-files.ts";

// What the host agent's records tell about the attempts on a machine (docs/decisions/host-protocol.md). Read tolerantly: the
// agent may be newer than this package.

/** Written once anything of the agent runs. `attempt.json` and `guard.conf` alone are only an order. */
const SIGNS_OF_START = ["guardian.pid", "supervisor.pid", "runner.json", "runner.pid", "guard.json", "boots.jsonl", "status.json"];

const start = z.union([z.string(), z.number()]).transform(String);
const runnerSchema = z.object({
  pid: z.number().int().positive(),
  startTime: start,
  bootId: z.string(),
  runnerPid: z.number().int().positive().optional(),
  runnerStartTime: start.optional(),
});
const orderSchema = z.object({ nonce: z.string().min(1), container: z.unknown().optional() });

/** A process that the agent recorded. The training's leader is no part of the agent. */
interface AgentProcess {
  role: "guardian" | "supervisor" | "runner" | "training";
  pid: number;
  startTime: string;
  bootId: string;
}

/** Where an attempt's records are. `key` is "<run>/<attempt>". */
export interface AttemptDir {
  key: string;
  dir: string;
}

/** Every attempt in a machine's folder. */
export function listAttempts(machineDir: string): AttemptDir[] {
  const runs = join(machineDir, "runs");
  return visible(runs).flatMap((run) =>
    visible(join(runs, run)).map((attempt) => ({ key: `${run}/${attempt}`, dir: join(runs, run, attempt) })),
  );
}

function visible(dir: string): string[] {
  return (listSmall(dir) ?? []).filter((name) => !name.startsWith("."));
}

/** How far an attempt is, by the names of its records. */
export function progressOf(attempt: AttemptDir): "not-started" | "started" | "over" {
  const names = listSmall(attempt.dir) ?? [];
  if (names.includes("final.json")) return "over";
  return SIGNS_OF_START.some((name) => names.includes(name)) ? "started" : "not-started";
}

/** The processes that the agent recorded, in the order in which they must be killed: each restarts those after it. */
export function recordedProcesses(attempt: AttemptDir): AgentProcess[] {
  const found: AgentProcess[] = [];
  for (const role of ["guardian", "supervisor"] as const) {
    const [pid, startTime, bootId] = (readSmall(join(attempt.dir, `${role}.pid`)) ?? "").split(/\s+/);
    if (/^[1-9]\d*$/.test(pid ?? "") && startTime !== undefined && bootId !== undefined) {
      // One word in sh: blanks are underscores.
      found.push({ role, pid: Number(pid), startTime: startTime.replaceAll("_", " "), bootId });
    }
  }
  const runner = readJson(join(attempt.dir, "runner.json"), runnerSchema);
  if (runner === undefined || runner === "malformed") return found;
  const { pid, startTime, bootId, runnerPid, runnerStartTime } = runner;
  if (runnerPid !== undefined && runnerStartTime !== undefined)
    found.push({ role: "runner", pid: runnerPid, startTime: runnerStartTime, bootId });
  found.push({ role: "training", pid, startTime, bootId });
  return found;
}

/** Is exactly this process running? */
export async function isAlive(recorded: AgentProcess, boot: string): Promise<boolean> {
  if (recorded.bootId !== boot) return false;
  const now = await startTime(recorded.pid);
  return now !== undefined && now.replace(/\s+/g, " ") === recorded.startTime.replace(/\s+/g, " ");
}

/** The attempt's nonce, and whether it uses a container; undefined when there is no readable order. */
export function orderOf(attempt: AttemptDir): { nonce: string; container: boolean } | undefined {
  const order = readJson(join(attempt.dir, "attempt.json"), orderSchema);
  if (order === undefined || order === "malformed") return undefined;
  return { nonce: order.nonce, container: order.container !== undefined && order.container !== null };
}
