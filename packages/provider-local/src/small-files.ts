import { readdirSync, readFileSync } from "node:fs";
import { errnoOf } from "./storage-error.ts";

// A listing looks at several files of a few hundred bytes for each machine. Read one after the other on a local disk or in /proc,
// each takes some microseconds; through the thread pool it takes ten times as much processor time. So these reads are synchronous,
// and whoever does many of them lets others run in between with `takeTurns`.

/** The text of a small file; undefined when there is none. Other errors are thrown. */
export function readSmall(path: string, encoding: "utf8" | "latin1" = "utf8"): string | undefined {
  try {
    return readFileSync(path, encoding);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ESRCH"].includes(errnoOf(error))) return undefined;
    throw error;
  }
}

/** The names in a folder; undefined when there is none. Other errors are thrown. */
export function listSmall(path: string): string[] | undefined {
  try {
    return readdirSync(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error))) return undefined;
    throw error;
  }
}

/** Passes through items and gives the event loop its turn after every `each` of them. */
export async function* takeTurns<T>(items: Iterable<T>, each = 16): AsyncGenerator<T> {
  let count = 0;
  for (const item of items) {
    if (count > 0 && count % each === 0) await new Promise((resolve) => setImmediate(resolve));
    count += 1;
    yield item;
  }
}
