import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { SyncError } from "../errors/kinds.ts";
import type { Clock } from "../util/clock.ts";
import { sleep } from "../util/sleep.ts";
import { type FileStat, isSame } from "./stat-index.ts";

const TRIES = 4;
const WAIT_MS = 25;

/** Files up to this size are read whole into one buffer that is used again and again. */
export const SMALL_BYTES = 16 * 1024 * 1024;
const STREAM_BYTES = 1024 * 1024;

function pick(found: Stats): FileStat {
  return { size: found.size, mtimeMs: found.mtimeMs, ctimeMs: found.ctimeMs, ino: found.ino };
}

/** Gets the bytes of one try, in order. Returning a promise is back-pressure. */
export interface ByteSink {
  /** A new try begins: forget what came before. */
  restart(size: number): Promise<void> | void;
  chunk(bytes: Uint8Array): Promise<void> | undefined | void;
}

/** Reads files as they stood at one moment. */
export class StableReader {
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  #buffer = Buffer.allocUnsafe(256 * 1024);

  constructor(clock: Clock, signal: AbortSignal | undefined) {
    this.#clock = clock;
    this.#signal = signal;
  }

  /**
   * One synchronous try at a small file. undefined: it changed meanwhile, or so shortly before that a change could hide in the same
   * tick of the file system's clock. The bytes are valid until the next call. "large": use `stream`. "gone": it was removed.
   */
  trySmall(path: string): { bytes: Uint8Array; stat: FileStat } | "large" | "gone" | undefined {
    const fd = this.#open(path);
    if (typeof fd !== "number") return fd;
    try {
      const before = fstatSync(fd);
      if (!before.isFile()) return undefined;
      if (before.size > SMALL_BYTES) return "large";
      if (this.#buffer.length <= before.size) this.#buffer = Buffer.allocUnsafe(Math.min(SMALL_BYTES + 1, before.size * 2 + 1));
      let done = 0;
      // One byte more than there should be, so that growth shows.
      while (done <= before.size) {
        const count = readSync(fd, this.#buffer, done, before.size + 1 - done, null);
        if (count === 0) break;
        done += count;
      }
      const stat = pick(before);
      if (done !== before.size || !isSame(stat, pick(fstatSync(fd))) || this.#isFresh(stat)) return undefined;
      return { bytes: this.#buffer.subarray(0, done), stat };
    } catch (error) {
      throw unreadable(path, error);
    } finally {
      closeSync(fd);
    }
  }

  /** A small file, with patience. Throws SyncError when it does not hold still. */
  async small(path: string): Promise<{ bytes: Uint8Array; stat: FileStat } | "large" | "gone"> {
    for (let tries = 0; tries < TRIES; tries += 1) {
      if (tries > 0) await sleep(this.#clock, WAIT_MS, this.#signal);
      const found = this.trySmall(path);
      if (found !== undefined) return found;
    }
    throw restless(path);
  }

  /** A file of any size, chunk by chunk, giving way to the event loop between chunks. */
  async stream(path: string, sink: ByteSink): Promise<{ stat: FileStat } | "gone"> {
    for (let tries = 0; tries < TRIES; tries += 1) {
      if (tries > 0) await sleep(this.#clock, WAIT_MS, this.#signal);
      const fd = this.#open(path);
      if (fd === undefined) continue;
      if (fd === "gone") return fd;
      try {
        const stat = pick(fstatSync(fd));
        if (this.#isFresh(stat)) continue;
        await sink.restart(stat.size);
        const chunk = Buffer.allocUnsafe(STREAM_BYTES);
        let done = 0;
        for (;;) {
          this.#signal?.throwIfAborted();
          const count = readSync(fd, chunk, 0, chunk.length, null);
          if (count === 0 || done + count > stat.size) {
            done += count;
            break;
          }
          done += count;
          await sink.chunk(chunk.subarray(0, count));
          await new Promise<void>((resolve) => setImmediate(resolve));
        }
        if (done === stat.size && isSame(stat, pick(fstatSync(fd)))) return { stat };
      } catch (error) {
        if (
          typeof (error as NodeJS.ErrnoException).syscall === "string" &&
          ["read", "fstat"].includes((error as NodeJS.ErrnoException).syscall ?? "")
        ) {
          throw unreadable(path, error);
        }
        throw error;
      } finally {
        closeSync(fd);
      }
    }
    throw restless(path);
  }

  #isFresh(stat: FileStat): boolean {
    const age = this.#clock.now() - stat.mtimeMs;
    return age > -WAIT_MS && age < 12;
  }

  #open(path: string): number | "gone" | undefined {
    try {
      // NONBLOCK: should a pipe have taken its place, opening must not hang.
      return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "ENOENT" || code === "ENOTDIR") return "gone";
      if (code === "ELOOP" || code === "ENXIO") return undefined;
      throw unreadable(path, error);
    }
  }
}

function unreadable(path: string, error: unknown): SyncError {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return new SyncError({
    what: `${JSON.stringify(path)} cannot be read${code === "" ? "" : ` (${code})`}.`,
    why: "A snapshot without it would not be the project you see.",
    fix: [`Make it readable, for example chmod u+r ${JSON.stringify(path)}.`, "Or leave it out: add it to .runctlignore or `exclude`."],
    context: { path, errno: code },
    cause: error,
  });
}

function restless(path: string): SyncError {
  return new SyncError({
    what: `${JSON.stringify(path)} keeps changing while it is read.`,
    why: `It did not hold still in ${TRIES} tries, so its content would be a mixture.`,
    fix: ["Stop the program that writes it, or leave it out: add it to .runctlignore or `exclude`."],
    retryable: true,
    context: { path },
  });
}
