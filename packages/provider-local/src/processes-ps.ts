import { execFile } from "node:child_process";
import type { MarkedProcess } from "./processes.ts";

// macOS has no /proc: `ps` and `sysctl` tell the same, coarser.

function output(command: string, args: string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(
      command,
      args,
      { maxBuffer: 64 * 1024 * 1024, timeout: 10_000, env: { PATH: process.env.PATH ?? "/usr/bin:/bin", LC_ALL: "C" } },
      (error, stdout) =>
        // ps ends with 1 when no process matched: empty output says the same.
        resolve(error === null ? stdout : ""),
    );
  });
}

/** The second the kernel was started in, which names a boot. */
export async function bootIdBySysctl(): Promise<string> {
  const text = await output("sysctl", ["-n", "kern.bootsessionuuid"]);
  if (text.trim() !== "") return text.trim();
  return (await output("sysctl", ["-n", "kern.boottime"])).replace(/\D+/g, "-");
}

/** Start time in the words of `ps`, to the second; undefined when it is gone or a zombie. */
export async function startTimeByPs(pid: number): Promise<string | undefined> {
  const text = (await output("ps", ["-o", "stat=,lstart=", "-p", String(pid)])).trim();
  if (text === "" || text.startsWith("Z")) return undefined;
  // The host agent records these very words.
  return text.replace(/^\S+\s+/, "");
}

/** Processes whose environment, as far as `ps -E` shows it, holds one of the marks. */
export async function processesByPs(marks: readonly string[]): Promise<MarkedProcess[]> {
  const found: MarkedProcess[] = [];
  for (const line of (await output("ps", ["-axEww", "-o", "pid=,stat=,command="])).split("\n")) {
    const match = /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(line);
    if (match === null || match[2]?.startsWith("Z")) continue;
    const pid = Number(match[1]);
    const words = ` ${match[3]} `;
    const mark = marks.find((candidate) => words.includes(` ${candidate} `));
    if (pid !== process.pid && mark !== undefined) found.push({ pid, mark });
  }
  return found;
}

/** The busiest processes by `ps`, whose processor figure is an average over a process's life. */
export async function psUsage(
  most: number,
): Promise<Array<{ pid: number; user: string; cpuPercent: number; memoryBytes: number; command: string }>> {
  const rows = (await output("ps", ["-axo", "pid=,user=,pcpu=,rss=,comm="])).split("\n").flatMap((line) => {
    const match = /^\s*(\d+)\s+(\S+)\s+([\d.]+)\s+(\d+)\s+(.*)$/.exec(line);
    if (match === null) return [];
    const [, pid, user = "", cpu, rss, command = ""] = match;
    return [
      {
        pid: Number(pid),
        user,
        cpuPercent: Number(cpu),
        memoryBytes: Number(rss) * 1024,
        command: command.slice(command.lastIndexOf("/") + 1),
      },
    ];
  });
  return rows.sort((a, b) => b.cpuPercent - a.cpuPercent || b.memoryBytes - a.memoryBytes).slice(0, most);
}
