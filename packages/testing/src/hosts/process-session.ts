import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, type FSWatcher, watch } from "node:fs";
import { cp, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import {
  type Clock,
  type ExecOptions,
  type ExecResult,
  type HostSession,
  HostUnreachableError,
  type Random,
  randomId,
  TimeoutError,
  type Timer,
} from "@runctl/core/provider";

const MOST_OUTPUT = 8 << 20;
const WATCH_POLL_MS = 100;

/** What a session is made from. */
export interface ProcessSessionParts {
  id: string;
  home: string;
  cacheDir: string;
  env: Record<string, string>;
  clock: Clock;
  random: Random;
  /** False once the boot that it was made in is over. */
  isUp(): boolean;
}

/** A way onto a machine that is processes of this computer. */
export class ProcessSession implements HostSession {
  readonly home: string;
  readonly cacheDir: string;
  readonly #parts: ProcessSessionParts;
  readonly #children = new Set<ChildProcess>();
  readonly #watches = new Set<() => void>();
  #isClosed = false;

  constructor(parts: ProcessSessionParts) {
    this.home = parts.home;
    this.cacheDir = parts.cacheDir;
    this.#parts = parts;
  }

  async exec(argv: [string, ...string[]], options: ExecOptions = {}): Promise<ExecResult> {
    this.#mustAnswer();
    options.signal?.throwIfAborted();
    const cwd = options.cwd === undefined ? this.home : this.#path(options.cwd);
    const child = spawn(argv[0], argv.slice(1), { cwd, env: { ...this.#parts.env, ...options.env }, stdio: "pipe" });
    this.#children.add(child);
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
    child.stdin.on("error", () => undefined).end(options.stdin ?? "");
    let limit: Timer | undefined;
    let giveUp: (() => void) | undefined;
    try {
      const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
        child.on("close", (code, signal) => resolve({ code, signal }));
        child.on("error", (error) => (isMissing(error) ? resolve({ code: 127, signal: null }) : reject(error)));
        if (options.timeoutMs !== undefined) {
          const ms = options.timeoutMs;
          limit = this.#parts.clock.timer(ms, () => reject(new TimeoutError({ what: `${argv[0]} did not end within ${ms} ms.` })));
        }
        giveUp = () => reject(options.signal?.reason);
        options.signal?.addEventListener("abort", giveUp);
      });
      const { code, signal } = await ended;
      this.#mustAnswer();
      return { exitCode: code ?? 128, ...(signal === null ? {} : { signal }), stdout: stdout(), stderr: stderr() };
    } finally {
      limit?.cancel();
      if (giveUp !== undefined) options.signal?.removeEventListener("abort", giveUp);
      this.#children.delete(child);
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    }
  }

  async write(path: string, data: string | Uint8Array, options: { mode?: number | undefined } = {}): Promise<void> {
    this.#mustAnswer();
    const target = this.#path(path);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    const tmp = `${target}.${randomId(this.#parts.random, 8)}.tmp`;
    const file = await open(tmp, "wx", options.mode ?? 0o600);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(tmp, target).catch(async (error: unknown) => {
      await rm(tmp, { force: true });
      throw error;
    });
  }

  async upload(localPath: string, hostPath: string): Promise<void> {
    this.#mustAnswer();
    const target = this.#path(hostPath);
    await mkdir(dirname(target), { recursive: true });
    await cp(localPath, target, { recursive: true });
  }

  async download(hostPath: string, localPath: string): Promise<void> {
    this.#mustAnswer();
    await mkdir(dirname(localPath), { recursive: true });
    await cp(this.#path(hostPath), localPath, { recursive: true });
  }

  async read(path: string, offset: number, maxBytes = 1 << 20): Promise<Uint8Array | undefined> {
    this.#mustAnswer();
    try {
      const file = await open(this.#path(path));
      try {
        const { size } = await file.stat();
        const buffer = Buffer.alloc(Math.max(0, Math.min(maxBytes, size - offset)));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
        return buffer.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  watch(path: string, onChange: () => void): () => void {
    const folder = this.#path(path);
    let watcher: FSWatcher | undefined;
    let timer: Timer | undefined;
    const stop = (): void => {
      watcher?.close();
      timer?.cancel();
    };
    // The folder may not be there yet.
    const begin = (): void => {
      if (!existsSync(folder)) {
        timer = this.#parts.clock.timer(WATCH_POLL_MS, begin, { unref: true });
        return;
      }
      watcher = watch(folder, { persistent: false }, onChange).on("error", onChange);
      onChange();
    };
    begin();
    this.#watches.add(stop);
    return () => {
      this.#watches.delete(stop);
      stop();
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const stop of this.#watches) stop();
    this.#watches.clear();
    for (const child of this.#children) child.kill("SIGKILL");
  }

  #path(path: string): string {
    return isAbsolute(path) ? path : join(this.home, path);
  }

  #mustAnswer(): void {
    if (this.#isClosed || !this.#parts.isUp()) {
      throw new HostUnreachableError({ what: `The machine ${this.#parts.id} does not answer.` });
    }
  }
}

/** All of a stream up to the limit; the rest is read and dropped. */
function collect(stream: NodeJS.ReadableStream): () => string {
  const parts: Buffer[] = [];
  let size = 0;
  stream.on("data", (part: Buffer) => {
    if (size < MOST_OUTPUT) parts.push(part.subarray(0, MOST_OUTPUT - size));
    size += part.length;
  });
  stream.on("error", () => undefined);
  return () => Buffer.concat(parts).toString("utf8");
}

function isMissing(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
}
