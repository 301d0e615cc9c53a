import { resolve } from "node:path";
import type { ObjectStore } from "../../provider/object-store.ts";
import { systemRandom } from "../../util/random.ts";
import { fileStore } from "../file-store.ts";
import { pathToFileUri } from "../file-uri.ts";
import { asFolder } from "../location.ts";
import { copyTree } from "./copy-tree.ts";
import { SyncMarkers } from "./sync-markers.ts";
import type { TransferOptions } from "./transfer-types.ts";

/**
 * Brings everything below the folder `prefix` into the local folder `toDir` (made when missing), verified. Names that would leave it,
 * and symlinks in it that lead out, are refused (ValidationError, SyncError). Local files that are equal already are kept, others of
 * the same name replaced, the rest of the folder is left alone. Interrupted, it goes on from where it was, without reading remote
 * objects again when `cacheDir` (a folder for sync markers) is given.
 */
export async function downloadTree(
  store: ObjectStore,
  prefix: string,
  toDir: string,
  options: TransferOptions & { cacheDir?: string | undefined } = {},
): Promise<{ files: number; sizeBytes: number; copied: { files: number; sizeBytes: number } }> {
  const root = resolve(toDir);
  const target = { store: fileStore({ root }), uri: asFolder(pathToFileUri(root)) };
  const markers = await SyncMarkers.load(options.cacheDir, prefix, target.uri, systemRandom);
  const { files, sizeBytes, copied } = await copyTree({ store, uri: asFolder(prefix) }, target, markers, options);
  return { files, sizeBytes, copied };
}
