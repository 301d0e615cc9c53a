import type { ObjectInfo, ObjectStore } from "@runctl/core/provider";
import type { Gate } from "./gate.ts";

/** An object store as one process sees it: every call through its gate. */
export function gatedStore(store: ObjectStore, gate: Gate): ObjectStore {
  const getToFile = store.getToFile?.bind(store);
  return {
    scheme: store.scheme,
    put: (uri, body, options) => gate.call("store", "put", uri, true, () => store.put(uri, body, options)),
    get: (uri, options) => gate.call("store", "get", uri, false, () => store.get(uri, options)),
    ...(getToFile === undefined
      ? {}
      : { getToFile: (uri, file, options) => gate.call("store", "getToFile", uri, false, () => getToFile(uri, file, options)) }),
    head: (uri, options) => gate.call("store", "head", uri, false, () => store.head(uri, options)),
    async *list(uri, options) {
      // One look at the far side: pages are no calls of their own.
      const found = await gate.call("store", "list", uri, false, async () => {
        const all: ObjectInfo[] = [];
        for await (const info of store.list(uri, options)) all.push(info);
        return all;
      });
      yield* found;
    },
    delete: (uri) => gate.call("store", "delete", uri, true, () => store.delete(uri)),
    hostAccess: (uri, options) => gate.call("store", "hostAccess", uri, false, () => store.hostAccess(uri, options)),
  };
}
