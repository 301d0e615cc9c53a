import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/**
 * Which process is writing, as one word in the name of its temporary file or claim. Process ids are used again, and every
 * container counts its own, so boot, namespace and start time belong to it.
 */
export interface FileWriter {
  pid: number;
  /** Clock ticks since boot; "" where the system does not say (macOS). */
  startTime: string;
  /** Process-id namespace, "" where there is none. */
  namespace: string;
  bootId: string;
}

function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** undefined: no such process, or none that can still act (a zombie). */
function startTimeOf(pid: number): string | undefined {
  const stat = quietly(() => readFileSync(`/proc/${pid}/stat`, "latin1"));
  // The name in parentheses may hold anything, so fields count from the last one: start time is the 22nd of all.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields?.[0] === "Z" || fields?.[0] === "X" ? undefined : fields?.[19];
}

function bootId(): string {
  const id = quietly(() => readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()) ?? hostname();
  return id.replaceAll(/[^A-Za-z0-9.]/g, "").slice(0, 40);
}

function namespace(): string {
  return quietly(() => readlinkSync("/proc/self/ns/pid").replace(/\D/g, "")) ?? "";
}

/** The calling process as a word without slash, space or dash. */
export function ownWriter(): string {
  return [process.pid, startTimeOf(process.pid) ?? "", namespace(), bootId()].join("_");
}

/** Inverse of `ownWriter`; undefined for anything else. */
export function parseWriter(text: string): FileWriter | undefined {
  const match = /^(\d+)_(\d*)_(\d*)_([^_]+)$/.exec(text);
  if (match === null) return undefined;
  const [, pid = "", startTime = "", space = "", boot = ""] = match;
  return { pid: Number(pid), startTime, bootId: boot, namespace: space };
}

/**
 * "dead" only when that is certain: the same boot and namespace, and the process is gone or its id belongs to another one now.
 * "another-boot": another machine or an earlier boot of this one; on a disk that is this machine's alone it means dead.
 */
export function lifeOf(who: FileWriter): "alive" | "dead" | "unknown" | "another-boot" {
  if (who.bootId !== bootId()) return "another-boot";
  if (who.namespace !== namespace()) return "unknown";
  const started = startTimeOf(who.pid);
  if (started !== undefined) return who.startTime === "" || started === who.startTime ? "alive" : "dead";
  if (who.startTime !== "") return "dead";
  try {
    process.kill(who.pid, 0);
    return "alive";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH" ? "dead" : "alive";
  }
}
