/** complete: the format proves it. torn: the format disproves it. foreign: something else under this name. unknown: nothing to check. */
export type VerdictStatus = "complete" | "torn" | "foreign" | "unknown";

/** What the bytes of a checkpoint say. */
export interface Verdict {
  status: VerdictStatus;
  /** "pytorch", "safetensors", "hf-trainer" … or "unknown". */
  format: string;
  /** For people; absent when complete. */
  reason?: string | undefined;
  /** The step its name or content tells. */
  step?: number | undefined;
  /** How many ranks wrote shards, where the format shows it. */
  world?: number | undefined;
}

/** A listing with sizes (paths relative, POSIX, links left out) and a bounded reader. Reads past the end come back short. */
export interface CheckpointTree {
  readonly sizes: ReadonlyMap<string, number>;
  read(path: string, offset: number, length: number): Promise<Uint8Array>;
}

/** Reads of one file. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>;

/** Directories of archives and JSON are read up to this many bytes. */
export const MAX_READ = 16 * 1024 * 1024;

/** A verdict without a reason. */
export function complete(format: string): Verdict {
  return { status: "complete", format };
}

/** A verdict that the format disproves it. */
export function torn(format: string, reason: string): Verdict {
  return { status: "torn", format, reason };
}

/** A verdict that nothing can be checked. */
export function unproven(format: string, reason: string): Verdict {
  return { status: "unknown", format, reason };
}
