import { type FSWatcher, mkdirSync, watch } from "node:fs";
import { mkdir, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Timer } from "../util/clock.ts";
import type { StreamName } from "./state-store.ts";
import { errnoCode } from "./storage-failure.ts";
import { isStreamId } from "./stream-name.ts";

/** Several changes within this time are one call a stream. */
const COALESCE_MS = 10;

export interface ChangeHint {
  /**
   * Tells this process's watchers and, through one small file a live stream, those of others. Never fails: it is only a hint.
   * `ended`: it was the stream's last change.
   */
  changed(stream: StreamName, ended?: boolean): void;
  watch(onChange: (stream?: StreamName | undefined) => void): () => void;
  /** Ends all watchers and waits for what is being written. */
  close(): Promise<void>;
}

/** Name of a stream's hint file: "run.abc" for "run/abc". */
export function hintName(stream: StreamName): string {
  return stream.replace("/", ".");
}

/** The stream of a hint file; undefined for any other name. */
export function hintedStream(name: string): StreamName | undefined {
  if (name === "project") return name;
  const [, kind, id] = /^(run|resource)\.(.+)$/.exec(name) ?? [];
  return kind !== undefined && id !== undefined && isStreamId(id) ? `${kind}/${id}` : undefined;
}

/**
 * A folder with one file a live stream, touched by every append: one inotify watch tells of a state of any size which stream
 * changed. Watchers are unref'ed; where watching is impossible (network file systems, no inotify watches left) only this process's
 * own changes are seen.
 */
export function changeHint(folder: string, clock: Clock): ChangeHint {
  const watchers = new Map<object, (stream?: StreamName | undefined) => void>();
  const writing = new Map<StreamName, Promise<void>>();
  /** Changed while its file was being written; true: it ended. */
  const again = new Map<StreamName, boolean>();
  /** Streams to tell of; `undefined` among them: any. */
  let news = new Set<StreamName | undefined>();
  let fsWatcher: FSWatcher | undefined;
  let timer: Timer | undefined;

  const tell = (): void => {
    timer = undefined;
    const streams = news.has(undefined) ? [undefined] : [...news];
    news = new Set();
    for (const stream of streams) {
      for (const [key, call] of [...watchers]) if (watchers.has(key)) call(stream);
    }
  };

  const fire = (stream: StreamName | undefined): void => {
    news.add(stream);
    timer ??= clock.timer(COALESCE_MS, tell, { unref: true });
  };

  const stop = (): void => {
    fsWatcher?.close();
    fsWatcher = undefined;
    timer?.cancel();
    timer = undefined;
    news = new Set();
  };

  const start = (): void => {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      fsWatcher = watch(folder, { persistent: false }, (_type, name) => {
        if (name === null) return fire(undefined);
        const stream = hintedStream(name);
        if (stream !== undefined) fire(stream);
      });
      fsWatcher.on("error", () => {
        fsWatcher?.close();
        fsWatcher = undefined;
      });
    } catch {
      fsWatcher = undefined;
    }
  };

  const write = (stream: StreamName, ended: boolean): void => {
    if (writing.has(stream)) {
      again.set(stream, ended);
      return;
    }
    const done = touch(join(folder, hintName(stream)), ended, clock)
      .catch(() => {})
      .then(() => {
        writing.delete(stream);
        const next = again.get(stream);
        again.delete(stream);
        if (next !== undefined) write(stream, next);
      });
    writing.set(stream, done);
  };

  return {
    changed(stream, ended = false) {
      if (watchers.size > 0) fire(stream);
      write(stream, ended);
    },
    watch(onChange) {
      const key = {};
      if (watchers.size === 0) start();
      watchers.set(key, onChange);
      return () => {
        if (watchers.delete(key) && watchers.size === 0) stop();
      };
    },
    async close() {
      watchers.clear();
      stop();
      while (writing.size > 0) await Promise.all(writing.values());
    },
  };
}

/** Writes the hint file, or takes it away for good. The folder above it is never made: a deleted state stays deleted. */
async function touch(file: string, ended: boolean, clock: Clock): Promise<void> {
  if (ended) return unlink(file);
  const text = `${Math.round(clock.monotonic())}\n`;
  try {
    await writeFile(file, text, { mode: 0o600 });
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
    await mkdir(join(file, ".."), { mode: 0o700 }).catch(() => {});
    await writeFile(file, text, { mode: 0o600 });
  }
}
