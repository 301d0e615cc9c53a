import { readdir, readFile } from "node:fs/promises";
import { bootIdBySysctl, processesByPs, startTimeByPs } from "./processes-ps.ts";

const linux = process.platform === "linux";

/** This boot of the computer: process ids mean nothing across boots. */
export async function bootId(): Promise<string> {
  if (!linux) return bootIdBySysctl();
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
}

/** Fields of /proc/<pid>/stat after the command, which may itself hold spaces and brackets. [0] is the state. */
export async function procStat(pid: number | string): Promise<{ comm: string; fields: string[] } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const end = text.lastIndexOf(")");
  return { comm: text.slice(text.indexOf("(") + 1, end), fields: text.slice(end + 2).split(" ") };
}

/** When the process began, as the kernel counts it; undefined when it is gone or a zombie. */
export async function startTime(pid: number): Promise<string | undefined> {
  if (!linux) return startTimeByPs(pid);
  const stat = await procStat(pid);
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
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const found = await Promise.all(
    pids.map(async (pid): Promise<MarkedProcess | undefined> => {
      const environ = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
      const mark = environ.split("\0").find((entry) => wanted.has(entry));
      return mark === undefined ? undefined : { pid: Number(pid), mark };
    }),
  );
  return found.filter((process) => process !== undefined);
}
