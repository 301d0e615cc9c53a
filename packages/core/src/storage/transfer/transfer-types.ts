import type { ObjectInfo } from "../../provider/object-store.ts";

/** How far a transfer is. Sizes in bytes. */
export interface TransferProgress {
  files: number;
  totalFiles: number;
  bytes: number;
  totalBytes: number;
}

export interface TransferOptions {
  /** Aborts with the signal's own reason; what has arrived stays, and the next call goes on from there. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: TransferProgress) => void) | undefined;
  /** Objects in flight at once. Default 8. */
  concurrency?: number | undefined;
  /** Tells what would be done and does nothing. */
  dryRun?: boolean | undefined;
  /** Sends everything, also what is believed to be there unchanged. */
  force?: boolean | undefined;
}

export interface SyncOptions extends TransferOptions {
  /** Also removes objects of the target that the source does not have. Default false: deletions are never propagated. */
  delete?: boolean | undefined;
}

export interface TransferReport {
  /** URIs. */
  from: string;
  to: string;
  /** Objects of the source, and their bytes. */
  files: number;
  sizeBytes: number;
  /** Those that were sent (or, in a dry run, would be). */
  copied: { files: number; sizeBytes: number };
  /** URIs removed from the target (or that would be). */
  deleted: string[];
}

/** Totals of a location. */
export interface StorageReview {
  location: string;
  objects: number;
  sizeBytes: number;
  newest?: ObjectInfo | undefined;
  oldest?: ObjectInfo | undefined;
  /** At most ten, largest first. */
  largest: ObjectInfo[];
  /** By first path segment below the location ("" for objects directly in it). */
  folders: Record<string, { objects: number; sizeBytes: number }>;
}

export interface RemoveReport {
  location: string;
  objects: number;
  sizeBytes: number;
  dryRun: boolean;
}

export interface WatchOptions {
  signal?: AbortSignal | undefined;
  /** Milliseconds between two looks. Default 5000. */
  intervalMs?: number | undefined;
  /** Report what is there already as new. Default false. */
  existing?: boolean | undefined;
}

/** An object that appeared or was overwritten. Each version is reported once. */
export interface StorageChange extends ObjectInfo {
  change: "new" | "overwritten";
}

/** `runctl.storage`: moving and looking at data in any two stores. Locations are plain paths, `file://…`, `s3://…`. */
export interface Storage {
  /**
   * Copies an object, or everything below a folder, to another place; unchanged objects are skipped, nothing is removed. A single
   * object keeps its name when `to` ends in "/". Throws NotFoundError when there is nothing at `from`, SyncError when a source keeps
   * changing or arrives damaged, and what the stores throw.
   */
  copy(from: string, to: string, options?: TransferOptions): Promise<TransferReport>;
  /** Like `copy` of a folder, and with `delete: true` the target's other objects go. An empty source is fine. */
  sync(from: string, to: string, options?: SyncOptions): Promise<TransferReport>;
  /** Objects at or below a location, in byte order, page by page. */
  list(location: string, options?: { signal?: AbortSignal | undefined }): AsyncIterable<ObjectInfo>;
  /** Removes the object, or everything below the folder, never neighbours of a longer name. Refuses the root of a disk or bucket. */
  remove(location: string, options?: { dryRun?: boolean | undefined; signal?: AbortSignal | undefined }): Promise<RemoveReport>;
  /** New and overwritten objects, once each, until the signal aborts (then it ends quietly) or the loop is left. */
  watch(location: string, options?: WatchOptions): AsyncIterable<StorageChange>;
  /** Counts and sizes, however many objects there are. */
  review(location: string, options?: { signal?: AbortSignal | undefined }): Promise<StorageReview>;
}
