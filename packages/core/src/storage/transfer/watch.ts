import type { ObjectInfo } from "../../provider/object-store.ts";
import type { Clock } from "../../util/clock.ts";
import { sleep } from "../../util/sleep.ts";
import type { StorageChange, WatchOptions } from "./transfer-types.ts";

/**
 * Looks again and again and yields every new version once. A version that is overwritten between two looks is not seen: stores
 * keep no history. With `settle`, a version counts when two looks in a row see it.
 */
export async function* watchObjects(
  look: (signal: AbortSignal | undefined) => AsyncIterable<ObjectInfo>,
  options: WatchOptions & { clock: Clock; settle: boolean },
): AsyncGenerator<StorageChange> {
  const { signal } = options;
  const reported = new Map<string, string>();
  let pending = new Map<string, string>();
  let first = true;
  try {
    for (;;) {
      const seen = new Map<string, string>();
      const there = new Set<string>();
      const changes: StorageChange[] = [];
      for await (const info of look(signal)) {
        there.add(info.uri);
        const before = reported.get(info.uri);
        if (before === info.etag) continue;
        if (first && options.existing !== true) {
          reported.set(info.uri, info.etag);
          continue;
        }
        if (options.settle && pending.get(info.uri) !== info.etag) {
          seen.set(info.uri, info.etag);
          continue;
        }
        reported.set(info.uri, info.etag);
        changes.push({ ...info, change: before === undefined ? "new" : "overwritten" });
      }
      // What is gone and comes back is new again; and nothing is remembered for ever.
      for (const uri of reported.keys()) if (!there.has(uri)) reported.delete(uri);
      pending = seen;
      first = false;
      yield* changes;
      await sleep(options.clock, options.intervalMs ?? 5000, signal);
    }
  } catch (error) {
    if (signal?.aborted === true) return;
    throw error;
  }
}
