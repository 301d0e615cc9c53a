import { readFileSync } from "node:fs";
import { hostname } from "node:os";

/** Names one process for good: a pid alone is reused. */
export interface ProcessIdentity {
  host: string;
  bootId: string;
  pid: number;
  /** The kernel's start time in ticks; "" where the platform does not tell. */
  startTime: string;
}

let own: ProcessIdentity | undefined;

/** This process. Read once: it is asked for with every sign of life. */
export function ownIdentity(): ProcessIdentity {
  // A forked child inherits what was read.
  if (own?.pid !== process.pid) own = { host: hostname(), bootId: bootId(), pid: process.pid, startTime: startTimeOf(process.pid) ?? "" };
  return own;
}

/** True unless the process is known to be dead: another host or an unreadable platform is "maybe", which counts as alive. */
export function mayBeAlive(identity: ProcessIdentity): boolean {
  if (identity.host !== hostname()) return true;
  if (identity.bootId !== bootId()) return false;
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const now = startTimeOf(identity.pid);
  return now === undefined || identity.startTime === "" || now === identity.startTime;
}

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

/** Field 22 of /proc/<pid>/stat (proc(5)); the command before it may hold spaces and parentheses. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie is dead: only its parent has not looked yet.
    return fields[0] === "Z" ? "" : fields[19];
  } catch {
    return undefined;
  }
}
