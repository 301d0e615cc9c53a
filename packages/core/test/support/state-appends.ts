import type { AppendOptions } from "../../src/state/state-store.ts";

const AT = "2026-11-22T00:00:00.000Z";

/** Append options for tests. */
export function at(expected: number, more: Partial<AppendOptions> = {}): AppendOptions {
  return { expected, session: "s1", at: AT, ...more };
}

/** All of an async iterable. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
