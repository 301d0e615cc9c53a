import { type FSWatcher, mkdirSync, watch } from "node:fs";
import { writeFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Clock, Timer } from "../util/clock.ts";

/** Several changes within this time are one call. */
const COALESCE_MS = 10;

export interface ChangeHint {
  /** Tells this process's watchers and, through one small file, those of others. Never fails: it is only a hint. */
  changed(): void;
  watch(onChange: () => void): () => void;
  /** Ends all watchers and waits for what is being written. */
  close(): Promise<void>;
}

/**
 * One file that every append touches, so that watching a state of any size takes one inotify watch. Watchers are unref'ed; where
 * watching is impossible (network file systems, no inotify watches left) only this process's own changes are seen.
 */
export function changeHint(file: string, clock: Clock): ChangeHint {
  const watchers = new Map<object, () => void>();
  let fsWatcher: FSWatcher | undefined;
  let timer: Timer | undefined;
  let writing: Promise<void> | undefined;
  let writeAgain = false;

  const fire = (): void => {
    timer ??= clock.timer(
      COALESCE_MS,
      () => {
        timer = undefined;
        for (const [key, call] of [...watchers]) if (watchers.has(key)) call();
      },
      { unref: true },
    );
  };

  const stop = (): void => {
    fsWatcher?.close();
    fsWatcher = undefined;
    timer?.cancel();
    timer = undefined;
  };

  const start = (): void => {
    try {
      mkdirSync(dirname(file), { recursive: true });
      fsWatcher = watch(dirname(file), { persistent: false }, (_type, name) => {
        if (name === null || name === basename(file)) fire();
      });
      fsWatcher.on("error", () => {
        fsWatcher?.close();
        fsWatcher = undefined;
      });
    } catch {
      fsWatcher = undefined;
    }
  };

  const write = (): void => {
    if (writing !== undefined) {
      writeAgain = true;
      return;
    }
    writing = writeFile(file, `${Math.round(clock.monotonic())}\n`)
      .catch(() => {})
      .then(() => {
        writing = undefined;
        if (writeAgain) {
          writeAgain = false;
          write();
        }
      });
  };

  return {
    changed() {
      if (watchers.size > 0) fire();
      write();
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
      while (writing !== undefined) await writing;
    },
  };
}
