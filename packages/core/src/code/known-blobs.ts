import { NotFoundError } from "../errors/kinds.ts";
import type { ObjectStore } from "../provider/object-store.ts";
import { joinKey } from "../storage/location.ts";
import { eachBlob, type KnownPack } from "./stat-index.ts";
import { parseTreeManifest } from "./tree-manifest.ts";

/** Where a content lies in the store. */
export interface BlobPlace {
  pack: KnownPack;
  offset: number;
  size: number;
}

/** Which contents are in the store already. Packs are believed in only after a look at the store. */
export class KnownBlobs {
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #signal: AbortSignal | undefined;
  readonly #places = new Map<string, BlobPlace>();
  readonly #packs = new Map<string, KnownPack>();
  readonly #checks = new Map<string, Promise<boolean>>();
  readonly #present = new Set<string>();

  constructor(store: ObjectStore, prefix: string, signal: AbortSignal | undefined) {
    this.#store = store;
    this.#prefix = prefix;
    this.#signal = signal;
  }

  /** Adds what may be there. */
  add(packs: Iterable<KnownPack>): void {
    for (const pack of packs) {
      if (this.#packs.has(pack.key)) continue;
      this.#packs.set(pack.key, pack);
      eachBlob(pack, (sha256, offset, size) => {
        if (!this.#places.has(sha256)) this.#places.set(sha256, { pack, offset, size });
      });
    }
  }

  /** Adds a pack that has just been written. */
  addWritten(pack: KnownPack): void {
    this.#checks.set(pack.key, Promise.resolve(true));
    this.#present.add(pack.key);
    this.#packs.set(pack.key, pack);
    eachBlob(pack, (sha256, offset, size) => void this.#places.set(sha256, { pack, offset, size }));
  }

  get packs(): KnownPack[] {
    return [...this.#packs.values()];
  }

  /** Where the content may be; not checked. */
  guess(sha256: string): BlobPlace | undefined {
    return this.#places.get(sha256);
  }

  /** Is the pack still in the store, in full size? Asked once a pack. */
  isThere(pack: KnownPack): Promise<boolean> {
    let check = this.#checks.get(pack.key);
    if (check === undefined) {
      check = this.#store.head(joinKey(this.#prefix, pack.key), { signal: this.#signal }).then((found) => {
        if (found?.sizeBytes === pack.size) {
          this.#present.add(pack.key);
          return true;
        }
        this.#forget(pack);
        return false;
      });
      // Every caller awaits it; a failure nobody came for yet must not end the process.
      check.catch(() => undefined);
      this.#checks.set(pack.key, check);
    }
    return check;
  }

  /** True when `isThere` has already said so: for loops that cannot wait a turn for every file. */
  wasSeen(pack: KnownPack): boolean {
    return this.#present.has(pack.key);
  }

  /** Drops what is known of a pack, so that its contents are written anew. */
  forget(pack: KnownPack): void {
    this.#forget(pack);
  }

  #forget(pack: KnownPack): void {
    this.#packs.delete(pack.key);
    eachBlob(pack, (sha256) => {
      if (this.#places.get(sha256)?.pack === pack) this.#places.delete(sha256);
    });
  }
}

/** Packs named by the newest tree in the store: what a machine without a cache can know. Sizes come from a look at each pack. */
export async function packsOfNewestTree(store: ObjectStore, prefix: string, signal: AbortSignal | undefined): Promise<KnownPack[]> {
  let newest: { uri: string; modifiedAt: string } | undefined;
  for await (const info of store.list(`${joinKey(prefix, "code/trees")}/`, { signal })) {
    if (newest === undefined || info.modifiedAt > newest.modifiedAt) newest = info;
  }
  if (newest === undefined) return [];
  let bytes: Uint8Array;
  try {
    bytes = await store.get(newest.uri, { signal });
  } catch (error) {
    if (NotFoundError.isInstance(error)) return [];
    throw error;
  }
  const tree = parseTreeManifest(bytes);
  if (tree === undefined) return [];
  const packs: Array<KnownPack | undefined> = await Promise.all(
    tree.packs.map(async (key) => {
      const found = await store.head(joinKey(prefix, key), { signal });
      return found && { key, size: found.sizeBytes, blobs: [] };
    }),
  );
  for (const file of tree.files) {
    const pack = packs[file.pack];
    if (pack !== undefined && file.offset + file.size <= pack.size) pack.blobs.push(file.sha256, file.offset, file.size);
  }
  return packs.filter((pack) => pack !== undefined);
}
