export interface ExecOptions {
  /** Written to the command's standard input, which is then closed. Secrets travel here, never in argv. */
  stdin?: string | Uint8Array | undefined;
  cwd?: string | undefined;
  env?: Record<string, string> | undefined;
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface ExecResult {
  exitCode: number;
  signal?: string | undefined;
  stdout: string;
  stderr: string;
}

/** A way onto a machine. Paths are absolute on the host or relative to `home`. Unreachable is HostUnreachableError. */
export interface HostSession {
  /** Absolute folder on the host that belongs to this machine's runctl: RUNCTL_HOME. */
  readonly home: string;
  /** Folder for what several machines of one host may share (agent, environments). Default: home + "/cache". */
  readonly cacheDir?: string | undefined;
  /** Runs argv (no shell) to its end and buffers up to 8 MiB of each stream. */
  exec(argv: [string, ...string[]], options?: ExecOptions): Promise<ExecResult>;
  /** Writes one file whole: tmp, sync, rename. */
  write(path: string, data: string | Uint8Array, options?: { mode?: number | undefined }): Promise<void>;
  /** Copies a local file or tree to the host. */
  upload(localPath: string, hostPath: string, options?: { signal?: AbortSignal | undefined }): Promise<void>;
  download(hostPath: string, localPath: string, options?: { signal?: AbortSignal | undefined }): Promise<void>;
  /** Bytes from `offset` on, at most `maxBytes` (default 1 MiB); undefined when the file does not exist. */
  read(path: string, offset: number, maxBytes?: number): Promise<Uint8Array | undefined>;
  /** Optional: calls back soon after anything in the folder changed. Saves polling where the host is near. */
  watch?(path: string, onChange: () => void): () => void;
  close(): Promise<void>;
}
