import type { CheckpointRef } from "./checkpoint-ref.ts";
import type { VerdictStatus } from "./formats/verdict.ts";
import type { IntervalAdvice } from "./interval.ts";
import type { PruneReport } from "./prune-published.ts";

/** One checkpoint of a folder, of an object store's prefix, or of a run. */
export interface CheckpointInfo {
  /** As its writer named it, relative to the listed place; "." when the place itself is the checkpoint. */
  path: string;
  /** Absolute URI of the file or folder; of a published one, its data folder. */
  location: string;
  kind: "file" | "dir";
  /** "pytorch", "safetensors", "hf-trainer", "dcp" … or "unknown". */
  format: string;
  /**
   * complete: its format proves it whole. torn: its format shows that something is missing. foreign: something else under this name.
   * unknown: nothing in its format can be checked.
   */
  status: VerdictStatus;
  /** Why it is not complete. */
  reason?: string | undefined;
  step?: number | undefined;
  sizeBytes: number;
  /** Its files, relative to the same place as `path`. */
  files: Array<{ path: string; sizeBytes: number; sha256?: string | undefined }>;
  /** When its newest file was changed, or when it was published. ISO. */
  savedAt: string;
  /** Present for published checkpoints. */
  published?: CheckpointRef | undefined;
  metrics?: Record<string, number> | undefined;
}

/** What stays when pruning; a checkpoint stays if any rule keeps it. */
export interface CheckpointKeep {
  /** The newest ones. Default 10. */
  last?: number | undefined;
  /** One each span of this length: "6h", or milliseconds. */
  every?: number | string | undefined;
  /** The best by a metric; only published checkpoints know their metrics. */
  best?: { metric: string; mode: "min" | "max" } | undefined;
}

/**
 * Looks at checkpoints from outside; nothing is ever unpickled. A location is a plain folder or file, `file://…`, a prefix of an object store,
 * or a run's folder in its store. Methods reject with NotFoundError when there is nothing, and with the store's error when it cannot be read.
 */
export interface Checkpoints {
  /** Newest first: by time of change for folders (the highest number is not trusted), by attempt and order for a run. */
  list(location: string, options?: { signal?: AbortSignal | undefined }): Promise<CheckpointInfo[]>;
  /** Everything about one checkpoint; the same checks as `list`, without reading all of its bytes. */
  inspect(location: string, options?: { signal?: AbortSignal | undefined }): Promise<CheckpointInfo>;
  /** Checks one checkpoint: its format, and every byte against its published hashes where there are any. */
  verify(
    location: string,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<{ status: VerdictStatus; format: string; reason?: string | undefined; files: CheckpointInfo["files"] }>;
  /** The newest one that can be resumed from, and why newer ones cannot. */
  latest(
    location: string,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<{ checkpoint?: CheckpointInfo | undefined; rejected: Array<{ path: string; reason: string }> }>;
  /**
   * Deletes checkpoints that no rule keeps. Never the newest, the only verified one, `inUse` (paths or locations), what is torn (it may still
   * be written) or any file that belongs to no checkpoint. `dryRun` only tells.
   */
  prune(
    location: string,
    keep: CheckpointKeep,
    options?: { dryRun?: boolean | undefined; inUse?: readonly string[] | undefined; signal?: AbortSignal | undefined },
  ): Promise<PruneReport>;
  /** How often to save; see `recommendInterval`. */
  recommendInterval(input: { saveMs: number; meanTimeBetweenInterruptionsMs: number }): IntervalAdvice;
}
