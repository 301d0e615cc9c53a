import { createHash } from "node:crypto";
import type { Clock } from "../util/clock.ts";
import { timeSlice } from "../util/time-slice.ts";
import type { KnownBlobs } from "./known-blobs.ts";
import type { PackWriter } from "./pack-writer.ts";
import { StableReader } from "./read-stable.ts";
import type { FileStat, KnownPack, StatIndex } from "./stat-index.ts";
import type { WalkedFile } from "./walk-tree.ts";

/** How far a snapshot is. Sizes in bytes. */
export interface SnapshotProgress {
  files: number;
  totalFiles: number;
  bytes: number;
  totalBytes: number;
  /** Contents that the store did not have. */
  movedBytes: number;
}

export interface Survey {
  /** With their digests. */
  files: WalkedFile[];
  /** Files whose content the store does not have (or did not, before it was moved), and the bytes of those contents, each once. */
  changed: { files: number; bytes: number };
  /** Files whose stats were not enough. */
  read: WalkedFile[];
}

export interface SurveyOptions {
  root: string;
  files: readonly WalkedFile[];
  index: StatIndex | undefined;
  known: KnownBlobs;
  /** Where missing contents go; without it nothing is written. */
  writer: PackWriter | undefined;
  clock: Clock;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: SnapshotProgress) => void) | undefined;
}

/** Above this number of packs the small ones are written together anew: a host must not fetch a thousand objects for one tree. */
const MAX_PACKS = 64;
const SMALL_PACK_BYTES = 1024 * 1024;

async function settlePacks(files: readonly WalkedFile[], known: KnownBlobs): Promise<void> {
  const packs = new Set<KnownPack>();
  for (const { sha256 } of files) {
    const place = sha256 === "" ? undefined : known.guess(sha256);
    if (place !== undefined) packs.add(place.pack);
  }
  const small = [...packs].filter((pack) => pack.size < SMALL_PACK_BYTES);
  if (packs.size > MAX_PACKS) for (const pack of small) known.forget(pack);
  await Promise.all([...packs].map((pack) => known.isThere(pack)));
}

/** Finds every file's digest, by its stats where the index knows them, by reading where not, and moves contents the store lacks. */
export async function surveyFiles(options: SurveyOptions): Promise<Survey> {
  const { known, index, writer } = options;
  await settlePacks(options.files, known);

  const reader = new StableReader(options.clock, options.signal);
  const slice = timeSlice(options.clock, options.signal);
  const result: Survey = { files: [], changed: { files: 0, bytes: 0 }, read: [] };
  const missing = new Set<string>();
  const progress: SnapshotProgress = {
    files: 0,
    totalFiles: options.files.length,
    bytes: 0,
    totalBytes: options.files.reduce((sum, file) => sum + file.size, 0),
    movedBytes: 0,
  };
  const report = (): void => options.onProgress?.({ ...progress, movedBytes: result.changed.bytes });

  function add(file: WalkedFile): void {
    result.read.push(file);
    result.files.push(file);
  }
  async function inStore(sha256: string): Promise<boolean> {
    const place = known.guess(sha256);
    return place !== undefined && (known.wasSeen(place.pack) || (await known.isThere(place.pack)));
  }
  /** Counts a content the store lacks; true when it is the first of its kind. */
  function isNew(sha256: string, size: number): boolean {
    result.changed.files += 1;
    if (missing.has(sha256)) return false;
    missing.add(sha256);
    result.changed.bytes += size;
    return true;
  }

  async function large(file: WalkedFile, path: string): Promise<{ sha256: string; stat: FileStat } | undefined> {
    const cached = index?.files.last(file.path);
    // A file that was touched only: one look at its bytes is cheaper than writing them in vain.
    const probablyKnown = cached !== undefined && cached.size === file.size && known.guess(cached.sha256) !== undefined;
    if (writer === undefined || probablyKnown) {
      let hash = createHash("sha256");
      const read = await reader.stream(path, {
        restart: () => {
          hash = createHash("sha256");
        },
        chunk: (bytes) => void hash.update(bytes),
      });
      if (read === "gone") return undefined;
      const sha256 = hash.digest("hex");
      if (await inStore(sha256)) return { sha256, stat: read.stat };
      if (writer === undefined) {
        isNew(sha256, read.stat.size);
        return { sha256, stat: read.stat };
      }
    }
    let hash = createHash("sha256");
    let pack: ReturnType<PackWriter["single"]> | undefined;
    try {
      const read = await reader.stream(path, {
        restart: async () => {
          await pack?.discard();
          pack = writer.single();
          hash = createHash("sha256");
        },
        chunk: (bytes) => {
          hash.update(bytes);
          return pack?.append(bytes);
        },
      });
      if (read === "gone") return undefined;
      const sha256 = hash.digest("hex");
      if (!(await inStore(sha256)) && isNew(sha256, read.stat.size)) {
        const full = pack;
        pack = undefined;
        await full?.commit(sha256);
      }
      return { sha256, stat: read.stat };
    } finally {
      await pack?.discard();
    }
  }

  for (let n = 0; n < options.files.length; n += 1) {
    if (slice.due()) {
      report();
      await slice.pause();
    }
    const file = options.files[n];
    if (file === undefined) continue;
    const { path, mode } = file;
    const place = file.sha256 === "" ? undefined : known.guess(file.sha256);
    progress.files += 1;
    progress.bytes += file.size;
    if (place !== undefined && known.wasSeen(place.pack)) {
      result.files.push(file);
      continue;
    }
    const full = `${options.root}/${path}`;
    const read = reader.trySmall(full) ?? (await reader.small(full));
    // Removed since the walk: the tree is as it would have been seen a moment later.
    if (read === "gone") continue;
    if (read === "large") {
      const done = await large(file, full);
      if (done !== undefined) add({ path, mode, sha256: done.sha256, ...done.stat });
      continue;
    }
    const digest = createHash("sha256").update(read.bytes).digest("hex");
    const there = known.guess(digest);
    const isKnown = there !== undefined && (known.wasSeen(there.pack) || (await known.isThere(there.pack)));
    if (!isKnown && isNew(digest, read.stat.size)) {
      const wait = writer?.add(digest, read.bytes);
      if (wait !== undefined) await wait;
    }
    add({ path, mode, sha256: digest, ...read.stat });
  }
  report();
  return result;
}
