import { bootIdBySysctl, processesByPs, startTimeByPs } from "./processes-ps.ts";
import { listSmall, readSmall, takeTurns } from "./small-files.ts";
import { errnoOf } from "./storage-error.ts";

const linux = process.platform === "linux";

/** This boot of the computer: process ids mean nothing across boots. */
export async function bootId(): Promise<string> {
  if (!linux) return bootIdBySysctl();
  return (readSmall("/proc/sys/kernel/random/boot_id") ?? "").trim();
}

/** Fields of /proc/<pid>/stat after the command, which may itself hold spaces and brackets. [0] is the state. Undefined: gone. */
export function procStat(pid: number | string): { comm: string; fields: string[] } | undefined {
  const text = readSmall(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const end = text.lastIndexOf(")");
  return { comm: text.slice(text.indexOf("(") + 1, end), fields: text.slice(end + 2).split(" ") };
}

/** When the process began, as the kernel counts it; undefined when it is gone or a zombie. */
export async function startTime(pid: number): Promise<string | undefined> {
  if (!linux) return startTimeByPs(pid);
  const stat = procStat(pid);
  if (stat === undefined || stat.fields[0] === "Z" || stat.fields[0] === "X") return undefined;
  return stat.fields[19];
}

/** A process and the mark by which it was found. */
export interface MarkedProcess {
  pid: number;
  mark: string;
}

/**
 * The processes (not this one) that carry one of `marks` ("NAME=value") in their environment. Processes of other users, whose
 * environment is hidden, are left out. One pass over the process table.
 */
export async function processesWithMarks(marks: readonly string[]): Promise<MarkedProcess[]> {
  if (marks.length === 0) return [];
  if (!linux) return processesByPs(marks);
  const wanted = new Set(marks);
  const found: MarkedProcess[] = [];
  const pids = (listSmall("/proc") ?? []).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  for await (const pid of takeTurns(pids, 200)) {
    const mark = environment(pid).find((entry) => wanted.has(entry));
    if (mark !== undefined) found.push({ pid: Number(pid), mark });
  }
  return found;
}

function environment(pid: string): string[] {
  try {
    return (readSmall(`/proc/${pid}/environ`, "latin1") ?? "").split("\0");
  } catch (error) {
    if (["EACCES", "EPERM"].includes(errnoOf(error))) return [];
    throw error;
  }
}
