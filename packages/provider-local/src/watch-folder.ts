import { existsSync, type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
import type { Clock, Timer } from "@runctl/core/provider";

/** Changes closer together than this are told once. */
const COALESCE_MS = 20;
/** Where the system cannot watch (out of inotify watches, some network mounts), the caller is told to look this often. */
const POLL_MS = 500;

/**
 * Calls back soon after something in `folder` changed. A folder that does not exist yet is waited for; one that vanishes is
 * a change. Never throws, never keeps the process alive. Returns the function that ends it.
 */
export function watchFolder(folder: string, onChange: () => void, clock: Clock): () => void {
  let stopped = false;
  let watcher: FSWatcher | undefined;
  let pending: Timer | undefined;
  let again: Timer | undefined;

  const tell = (): void => {
    if (stopped || pending !== undefined) return;
    pending = clock.timer(
      COALESCE_MS,
      () => {
        pending = undefined;
        if (!stopped) onChange();
      },
      { unref: true },
    );
  };
  const retry = (): void => {
    watcher?.close();
    watcher = undefined;
    again?.cancel();
    if (stopped) return;
    again = clock.timer(
      POLL_MS,
      () => {
        tell();
        begin();
      },
      { unref: true },
    );
  };
  const begin = (): void => {
    watcher?.close();
    watcher = undefined;
    if (stopped) return;
    // Until it exists, the nearest folder above it is watched for the next one on the way.
    let at = folder;
    while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
    try {
      watcher = watch(at, { persistent: false }, () => {
        if (at === folder ? !existsSync(folder) : at !== nearest(folder)) {
          tell();
          begin();
        } else if (at === folder) tell();
      });
      watcher.on("error", () => {
        tell();
        retry();
      });
      // It may have come into being between the look and the watch.
      if (at !== nearest(folder)) {
        tell();
        begin();
      }
    } catch {
      retry();
    }
  };
  begin();
  return () => {
    stopped = true;
    watcher?.close();
    pending?.cancel();
    again?.cancel();
  };
}

function nearest(folder: string): string {
  let at = folder;
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  return at;
}
