export interface ObjectInfo {
  uri: string;
  sizeBytes: number;
  /** Opaque version for `ifMatch`. */
  etag: string;
  modifiedAt: string;
}

export interface PutOptions {
  /** "*": create only; ConflictError when the object exists. */
  ifNoneMatch?: "*" | undefined;
  /** Replace only this version; ConflictError otherwise. */
  ifMatch?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** `move`: the file is the store's to take (it may be renamed away instead of copied); it is gone after a successful put where that was cheaper. */
export type PutBody = string | Uint8Array | { file: string; move?: boolean | undefined };

/** How the host agent reaches a store by itself. "command": an executable that answers get, put, head, list. */
export interface HostAccess {
  kind: "s3" | "file" | "command";
  settings: Record<string, string>;
  secrets: Record<string, string>;
  command?: string | undefined;
  expiresAt?: string | undefined;
}

/** Objects under URIs of one scheme. `put` is all or nothing: a reader never sees half an object. Missing is NotFoundError. */
export interface ObjectStore {
  readonly scheme: string;
  put(uri: string, body: PutBody, options?: PutOptions): Promise<{ etag: string }>;
  /** Bytes `start` (inclusive) to `end` (exclusive; default the end of the object). What lies past the end of the object is left out. */
  get(
    uri: string,
    options?: { range?: { start: number; end?: number | undefined } | undefined; signal?: AbortSignal | undefined },
  ): Promise<Uint8Array>;
  /** Streams an object into a local file (tmp, rename). */
  getToFile?(uri: string, file: string, options?: { signal?: AbortSignal | undefined }): Promise<void>;
  head(uri: string, options?: { signal?: AbortSignal | undefined }): Promise<ObjectInfo | undefined>;
  /** Every object whose URI begins with `uri`, in byte order of the URI, `after` exclusive. Pages are fetched lazily. */
  list(uri: string, options?: { after?: string | undefined; signal?: AbortSignal | undefined }): AsyncIterable<ObjectInfo>;
  /** Gone is success. */
  delete(uri: string): Promise<void>;
  hostAccess(uri: string, options: { mode: "read" | "write"; ttlMs: number }): Promise<HostAccess>;
}
