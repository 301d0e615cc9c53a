/** One published checkpoint of a run. */
export interface CheckpointRef {
  /** As the script wrote it, relative to the checkpoint dir: "epoch-3.pt" or "checkpoint-500". */
  path: string;
  /** Absolute location of the published copy's data: a folder URI or path ending in "/files/". */
  location: string;
  attempt: number;
  /** Counts up within an attempt. */
  seq: number;
  step?: number | undefined;
  sizeBytes: number;
  /** SHA-256 of the manifest's canonical file list: one digest for the whole checkpoint. */
  sha256: string;
  /** "sealed": stable bytes and hashes. "verified": the format itself was checked too. */
  grade: "sealed" | "verified";
  /** Recognised format, "unknown" when none. */
  format: string;
  publishedAt: string;
}
