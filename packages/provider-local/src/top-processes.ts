import { readdir, readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import type { MachineUsage } from "@runctl/core/provider";
import { procStat } from "./processes.ts";
import { psUsage } from "./processes-ps.ts";

const MOST = 10;
// USER_HZ: the unit of /proc/<pid>/stat is 1/100 s on every Linux that Node runs on (proc(5), sysconf(_SC_CLK_TCK)).
const TICK_MS = 10;
// RSS is counted in pages; 4 KiB wherever it matters little, and /proc/<pid>/statm is no better.
const PAGE = 4096;

/** Processor time and memory of a process at one instant. */
interface ProcessTime {
  ticks: number;
  memoryBytes: number;
  comm: string;
}

/** The processes of this computer at this instant; empty where there is no /proc. */
export async function processTimes(): Promise<Map<number, ProcessTime>> {
  const times = new Map<number, ProcessTime>();
  const pids = (await readdir("/proc").catch(() => [] as string[])).filter((name) => /^\d+$/.test(name));
  await Promise.all(
    pids.map(async (pid) => {
      const found = procStat(pid);
      if (found === undefined) return;
      const { fields, comm } = found;
      times.set(Number(pid), { ticks: Number(fields[11]) + Number(fields[12]), memoryBytes: Number(fields[21]) * PAGE, comm });
    }),
  );
  return times;
}

/**
 * The ten busiest processes, by processor, then memory. `cpuPercent` is of one processor, as `top` shows it. Commands are shown as a
 * program's name and, for interpreters, the script's: whole command lines of other programs may hold secrets.
 */
export async function topProcesses(
  before: Map<number, ProcessTime>,
  after: Map<number, ProcessTime>,
  elapsedMs: number,
  processors: number,
): Promise<MachineUsage["processes"]> {
  if (after.size === 0) return psUsage(MOST);
  const busy = [...after].map(([pid, now]) => {
    const then = before.get(pid);
    const ms = then === undefined ? 0 : Math.max(0, now.ticks - then.ticks) * TICK_MS;
    const percent = elapsedMs <= 0 ? 0 : Math.min(100 * processors, (100 * ms) / elapsedMs);
    return { pid, cpuPercent: Math.round(percent * 10) / 10, memoryBytes: now.memoryBytes, comm: now.comm };
  });
  busy.sort((a, b) => b.cpuPercent - a.cpuPercent || b.memoryBytes - a.memoryBytes);
  const users = await userNames();
  return Promise.all(
    busy.slice(0, MOST).map(async ({ pid, cpuPercent, memoryBytes, comm }) => {
      const uid = (await stat(`/proc/${pid}`).catch(() => undefined))?.uid;
      return {
        pid,
        user: uid === undefined ? undefined : (users.get(uid) ?? String(uid)),
        cpuPercent,
        memoryBytes,
        command: await describe(pid, comm),
      };
    }),
  );
}

async function describe(pid: number, comm: string): Promise<string> {
  const argv = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
  const script = /^(python|node|bash|sh|ruby|perl|julia)/.test(comm)
    ? argv.slice(1).find((word) => /^[^-].*\.(py|js|ts|mjs|sh|rb|pl|jl|pyz)$/.test(word))
    : undefined;
  return script === undefined ? comm : `${comm} ${basename(script)}`;
}

async function userNames(): Promise<Map<number, string>> {
  const text = await readFile("/etc/passwd", "utf8").catch(() => "");
  return new Map(
    text
      .split("\n")
      .map((line) => line.split(":"))
      .map((fields): [number, string] => [Number(fields[2]), fields[0] ?? ""]),
  );
}
