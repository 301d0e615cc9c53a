import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { readJson } from "./machine-record.ts";

// What the host agent's records tell about the attempts on a machine (docs/decisions/host-protocol.md). Read tolerantly: the
// agent may be newer than this package.

const processSchema = z.object({
  pid: z.number().int().positive(),
  startTime: z.union([z.string(), z.number()]).transform(String),
  bootId: z.string(),
});
const nonceSchema = z.object({ nonce: z.string().min(1), container: z.unknown().optional() });

/** Written once anything of the agent runs. `attempt.json` alone is only an order. */
const SIGNS_OF_START = ["guard.json", "guardian.json", "supervisor.json", "runner.json", "status.json", "boots.jsonl"];
const PROCESS_RECORDS = ["guard.json", "guardian.json", "supervisor.json", "runner.json"];

/** A recorded process of the agent. */
export interface AgentProcess {
  role: string;
  pid: number;
  startTime: string;
  bootId: string;
}

/** One attempt's folder on a machine. */
export interface AttemptFolder {
  /** "<run>/<attempt>" */
  key: string;
  dir: string;
  started: boolean;
  final: boolean;
  nonce?: string | undefined;
  container: boolean;
  processes: AgentProcess[];
}

async function subfolders(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith(".")).map((entry) => entry.name);
}

/** Reads one attempt's folder again. */
export async function readAttempt(dir: string, key: string): Promise<AttemptFolder> {
  const names = new Set(await readdir(dir).catch(() => [] as string[]));
  const processes: AgentProcess[] = [];
  for (const name of PROCESS_RECORDS) {
    if (!names.has(name)) continue;
    const record = await readJson(join(dir, name), processSchema);
    if (record !== undefined) processes.push({ role: name.slice(0, -".json".length), ...record });
  }
  const order = names.has("attempt.json") ? await readJson(join(dir, "attempt.json"), nonceSchema) : undefined;
  return {
    key,
    dir,
    started: SIGNS_OF_START.some((name) => names.has(name)),
    final: names.has("final.json"),
    nonce: order?.nonce,
    container: order?.container !== undefined && order.container !== null,
    processes,
  };
}

/** Every attempt in a machine's folder. */
export async function listAttempts(machineDir: string): Promise<AttemptFolder[]> {
  const runs = join(machineDir, "runs");
  const attempts: Promise<AttemptFolder>[] = [];
  for (const run of await subfolders(runs)) {
    for (const attempt of await subfolders(join(runs, run))) attempts.push(readAttempt(join(runs, run, attempt), `${run}/${attempt}`));
  }
  return Promise.all(attempts);
}
