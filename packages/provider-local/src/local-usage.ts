import { readFile } from "node:fs/promises";
import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import { type Clock, isoNow, type MachineUsage, sleep } from "@runctl/core/provider";
import { diskOf } from "./local-offers.ts";
import { queryGpus } from "./nvidia-smi.ts";
import { processTimes, topProcesses } from "./top-processes.ts";

const SAMPLE_MS = 150;

/** What this computer is doing now. Waits 150 ms between two looks at the processors. Everything but processor and memory may be missing. */
export async function localUsage(home: string, clock: Clock): Promise<MachineUsage> {
  const gpus = queryGpus(clock);
  const before = { cpu: cpuTimes(), processes: await processTimes(), at: clock.monotonic() };
  await sleep(clock, SAMPLE_MS);
  const after = { cpu: cpuTimes(), processes: await processTimes(), at: clock.monotonic() };
  const total = after.cpu.total - before.cpu.total;
  return {
    at: isoNow(clock),
    cpuPercent: total <= 0 ? undefined : round((100 * (total - (after.cpu.idle - before.cpu.idle))) / total),
    memory: await memory(),
    disks: await disks(home),
    gpus: (await gpus).gpus,
    processes: await topProcesses(before.processes, after.processes, after.at - before.at, availableParallelism()),
    network: await network(),
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function cpuTimes(): { idle: number; total: number } {
  let idle = 0;
  let total = 0;
  for (const { times } of cpus()) {
    idle += times.idle;
    total += times.user + times.nice + times.sys + times.idle + times.irq;
  }
  return { idle, total };
}

// "Available" counts what caches would give back; "free" alone would call every busy disk cache a full memory.
async function memory(): Promise<{ usedBytes: number; totalBytes: number }> {
  const text = await readFile("/proc/meminfo", "utf8").catch(() => "");
  const available = /^MemAvailable:\s+(\d+) kB/m.exec(text)?.[1];
  const totalBytes = totalmem();
  return { usedBytes: totalBytes - (available === undefined ? freemem() : Number(available) * 1024), totalBytes };
}

async function disks(home: string): Promise<MachineUsage["disks"]> {
  const found: MachineUsage["disks"] = [];
  for (const path of ["/", home]) {
    const space = await diskOf(path);
    if (space === undefined) continue;
    const disk = { path, usedBytes: space.totalBytes - space.freeBytes, totalBytes: space.totalBytes };
    // The same numbers are the same disk.
    if (!found.some((other) => other.totalBytes === disk.totalBytes && Math.abs(other.usedBytes - disk.usedBytes) < 1024 * 1024))
      found.push(disk);
  }
  return found;
}

async function network(): Promise<MachineUsage["network"]> {
  const text = await readFile("/proc/net/dev", "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  let receivedBytes = 0;
  let sentBytes = 0;
  for (const line of text.split("\n")) {
    const match = /^\s*([^:\s]+):\s*(.*)$/.exec(line);
    if (match === null || match[1] === "lo") continue;
    const fields = (match[2] ?? "").split(/\s+/).map(Number);
    receivedBytes += fields[0] ?? 0;
    sentBytes += fields[8] ?? 0;
  }
  return { receivedBytes, sentBytes };
}
