import { access, open } from "node:fs/promises";
import { join } from "node:path";
import {
  AbortedError,
  type Clock,
  type ExecOptions,
  type ExecResult,
  type HostSession,
  HostUnreachableError,
  type Random,
  randomId,
} from "@runctl/core/provider";
import { writeAtomic } from "./atomic-file.ts";
import { copyTree } from "./copy-tree.ts";
import { makeParents, resolveOnHost } from "./host-paths.ts";
import { TOKEN_VARIABLE } from "./kill-machine.ts";
import type { MachineRecord } from "./machine-record.ts";
import { runCommand } from "./run-command.ts";
import { errnoOf, storageError } from "./storage-error.ts";
import { watchFolder } from "./watch-folder.ts";

const DEFAULT_READ = 1024 * 1024;

/** What a session is made from. */
interface SessionParts {
  record: MachineRecord;
  home: string;
  cacheDir: string;
  /** The environment of every command. */
  env: Record<string, string>;
  clock: Clock;
  random: Random;
}

/** A session on a machine of this computer: processes and files, no network. Holds nothing open but running commands and watches. */
export class LocalSession implements HostSession {
  readonly home: string;
  readonly cacheDir: string;
  readonly #parts: SessionParts;
  readonly #closed = new AbortController();
  readonly #watches = new Set<() => void>();

  constructor(parts: SessionParts) {
    this.home = parts.home;
    this.cacheDir = parts.cacheDir;
    this.#parts = parts;
  }

  async exec(argv: [string, ...string[]], options: ExecOptions = {}): Promise<ExecResult> {
    await this.#reachable();
    const { clock, random, record, env } = this.#parts;
    const id = randomId(random);
    return runCommand(clock, argv, {
      env: { ...env, ...options.env, RUNCTL_HOME: this.home, [TOKEN_VARIABLE]: record.token, RUNCTL_EXEC: id },
      cwd: options.cwd === undefined ? this.home : resolveOnHost(this.home, options.cwd),
      stdin: options.stdin,
      timeoutMs: options.timeoutMs,
      signal: options.signal === undefined ? this.#closed.signal : AbortSignal.any([options.signal, this.#closed.signal]),
      mark: `RUNCTL_EXEC=${id}`,
      // Ending a machine marks it, then looks for its processes; starting one looks for the mark afterwards. So one of the two sees it.
      stillWanted: () => this.#reachable(),
    });
  }

  async write(path: string, data: string | Uint8Array, options: { mode?: number | undefined } = {}): Promise<void> {
    await this.#reachable();
    const target = resolveOnHost(this.home, path);
    try {
      await makeParents(this.home, target);
      await writeAtomic(target, data, this.#parts.random, options.mode ?? 0o600);
    } catch (error) {
      await this.#reachable();
      throw storageError("Writing", target, error);
    }
  }

  async upload(localPath: string, hostPath: string, options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    await this.#reachable();
    const target = resolveOnHost(this.home, hostPath);
    await makeParents(this.home, target).catch((error: unknown) => {
      throw storageError("Uploading", target, error);
    });
    await copyTree(localPath, target, this.#parts.random, options.signal);
  }

  async download(hostPath: string, localPath: string, options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    await this.#reachable();
    await makeParents(undefined, localPath).catch((error: unknown) => {
      throw storageError("Downloading", localPath, error);
    });
    await copyTree(resolveOnHost(this.home, hostPath), localPath, this.#parts.random, options.signal);
  }

  async read(path: string, offset: number, maxBytes: number = DEFAULT_READ): Promise<Uint8Array | undefined> {
    const target = resolveOnHost(this.home, path);
    try {
      const file = await open(target, "r");
      try {
        const { size } = await file.stat();
        // Only what is there is asked for: a large maxBytes must not allocate for a small file. Files in /proc say 0.
        const buffer = Buffer.alloc(size === 0 ? maxBytes : Math.max(0, Math.min(maxBytes, size - offset)));
        let filled = 0;
        while (filled < buffer.length) {
          const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, offset + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return new Uint8Array(buffer.buffer, buffer.byteOffset, filled);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (!["ENOENT", "ENOTDIR"].includes(errnoOf(error))) throw storageError("Reading", target, error);
      await this.#reachable();
      return undefined;
    }
  }

  watch(path: string, onChange: () => void): () => void {
    const stop = watchFolder(resolveOnHost(this.home, path), onChange, this.#parts.clock);
    this.#watches.add(stop);
    return () => {
      this.#watches.delete(stop);
      stop();
    };
  }

  close(): Promise<void> {
    for (const stop of this.#watches) stop();
    this.#watches.clear();
    if (!this.#closed.signal.aborted) {
      this.#closed.abort(new AbortedError({ what: `The session on ${this.#parts.record.name} was closed.` }));
    }
    return Promise.resolve();
  }

  // The machine may have been terminated, stopped or interrupted since `connect`. A closed session says so, too.
  async #reachable(): Promise<void> {
    this.#closed.signal.throwIfAborted();
    const has = (file: string): Promise<boolean> =>
      access(join(this.home, file)).then(
        () => true,
        () => false,
      );
    const [there, ended, stopped] = await Promise.all(["machine.json", "ended.json", "stopped.json"].map(has));
    const reason = !there ? "it does not exist any more" : ended ? "it has ended" : stopped ? "it is stopped" : undefined;
    if (reason !== undefined) throw unreachable(this.#parts.record.name, reason);
  }
}

/** A local machine that cannot be used, and why. */
export function unreachable(name: string, reason: string): HostUnreachableError {
  return new HostUnreachableError({
    what: `The local machine ${name} cannot be reached: ${reason}.`,
    fix: reason === "it is stopped" ? ["Start it with runctl.machines.start()."] : ["Create a new machine."],
    context: { machine: name, reason },
  });
}
