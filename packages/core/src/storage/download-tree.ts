// Placeholder of the lead, to be overwritten by builder "storage".
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ObjectStore } from "../provider/object-store.ts";
export async function downloadTree(
  store: ObjectStore,
  prefix: string,
  to: string,
  _options: { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  for await (const object of store.list(prefix)) {
    const file = join(to, decodeURIComponent(object.uri.slice(prefix.length)));
    await mkdir(dirname(file), { recursive: true });
    await store.getToFile?.(object.uri, file);
  }
}
