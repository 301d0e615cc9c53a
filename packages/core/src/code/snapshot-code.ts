import { realpath, rm, stat } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { ConflictError, NotFoundError, SyncError, ValidationError } from "../errors/kinds.ts";
import type { ObjectStore } from "../provider/object-store.ts";
import type { Notice } from "../provider/plan.ts";
import { fileUriToPath } from "../storage/file-uri.ts";
import { joinKey, schemeOf } from "../storage/location.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { isInside } from "../util/contained-path.ts";
import { type Random, systemRandom } from "../util/random.ts";
import { codeNotices } from "./code-notices.ts";
import { KnownBlobs, packsOfNewestTree } from "./known-blobs.ts";
import { PackWriter } from "./pack-writer.ts";
import { makeSpool } from "./spool.ts";
import { indexId, isSettled, type KnownPack, loadIndex, rememberPack, type StatIndex, saveIndex } from "./stat-index.ts";
import { type SnapshotProgress, type Survey, surveyFiles } from "./survey.ts";
import { parseTreeManifest, sortByPath, type TreeManifest, treeDigest, treeKey } from "./tree-manifest.ts";
import type { WalkedTree } from "./walk-tree.ts";

export interface InspectCodeOptions {
  /** Project root: a folder, absolute or relative to the working directory. */
  root: string;
  /** .gitignore lines, relative to the root, that bring back what ignore files or defaults leave out. */
  include?: readonly string[] | undefined;
  /** .gitignore lines of what to leave out besides. They win over `include`. */
  exclude?: readonly string[] | undefined;
  /** Folders, absolute or relative to the root, that never belong to the code: the checkpoint folder, for example. */
  excludeDirs?: readonly string[] | undefined;
  store: ObjectStore;
  /** URI of the folder in the store below which `code/` lies. */
  prefix: string;
  /** Folder for the stat cache; best on the store's disk. Without it every snapshot reads every file. */
  cacheDir?: string | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: SnapshotProgress) => void) | undefined;
  clock?: Clock | undefined;
}

export interface SnapshotCodeOptions extends InspectCodeOptions {
  random?: Random | undefined;
  /** Size in bytes at which a pack is closed. Default 64 MiB. */
  packBytes?: number | undefined;
}

export interface CodeInspection {
  /** Digest of the tree: equal trees have equal digests. */
  sha256: string;
  files: number;
  bytes: number;
  /** Files whose content the store did not have; bytes of those contents, each once. */
  changed: { files: number; bytes: number };
  notices: Notice[];
}

export interface CodeSnapshot extends CodeInspection {
  /** Key of the tree manifest, relative to the prefix. */
  manifestKey: string;
}

interface Prepared {
  root: string;
  id: string;
  tree: WalkedTree;
  index: StatIndex | undefined;
  known: KnownBlobs;
  /** Wall time before anything was looked at. */
  startedAt: number;
}

async function prepare(options: InspectCodeOptions, clock: Clock): Promise<Prepared> {
  options.signal?.throwIfAborted();
  const startedAt = clock.now();
  const root = await existingFolder(options.root);
  const id = indexId(root, options.prefix);
  const index = options.cacheDir === undefined ? undefined : loadIndex(options.cacheDir, id);
  const { walkTree } = await loadWalker();
  const tree = await walkTree({
    root,
    include: options.include ?? [],
    exclude: options.exclude ?? [],
    excludeDirs: await foldersToLeaveOut(root, options),
    clock,
    signal: options.signal,
    remembered: index,
  });
  const known = new KnownBlobs(options.store, options.prefix, options.signal);
  known.add(index?.packs ?? (await packsOfNewestTree(options.store, options.prefix, options.signal)));
  return { root, id, tree, index, known, startedAt };
}

let walker: Promise<typeof import("./walk-tree.ts")> | undefined;

/**
 * Loaded with the library that knows ignore rules, which costs as much as all the rest: when there is a tree to walk. Asked of the
 * loader once a process: it may live in a thread of its own, and a simulated world cannot wait for what it does not see.
 */
function loadWalker(): Promise<typeof import("./walk-tree.ts")> {
  walker ??= import("./walk-tree.ts");
  return walker;
}

async function existingFolder(path: string): Promise<string> {
  const root = await realpath(path).catch((cause: unknown) => {
    throw new ValidationError({
      what: `root ${JSON.stringify(path)} does not exist or cannot be entered.`,
      fix: ["Check the path of the project root."],
      context: { field: "root", path },
      cause,
    });
  });
  if (!(await stat(root)).isDirectory()) {
    throw new ValidationError({
      what: `root ${JSON.stringify(path)} is not a folder.`,
      fix: ["Name the folder that holds the script."],
      context: { field: "root", path },
    });
  }
  return root;
}

// A snapshot must never contain the store it goes into, nor its own cache.
async function foldersToLeaveOut(root: string, options: InspectCodeOptions): Promise<string[]> {
  const folders = (options.excludeDirs ?? []).map((folder) => resolve(root, folder));
  const own = [
    ...(options.cacheDir === undefined ? [] : [resolve(options.cacheDir)]),
    ...(schemeOf(options.prefix) === "file" ? [fileUriToPath(options.prefix).replace(/(.)\/$/, "$1")] : []),
  ];
  for (const folder of own) folders.push(folder, await realpath(folder).catch(() => folder));
  if (folders.slice(options.excludeDirs?.length ?? 0).includes(root)) {
    throw new ValidationError({
      what: `The store ${JSON.stringify(options.prefix)} or the cache is the project root itself.`,
      why: "Every snapshot would contain all earlier ones.",
      fix: [`Put the store into a folder of its own, for example ${JSON.stringify(`${root}/.runctl/store`)}.`],
      context: { root, prefix: options.prefix },
    });
  }
  return folders.filter((folder) => folder !== root && isInside(root, folder)).map((folder) => relative(root, folder));
}

function describe(tree: WalkedTree, survey: Survey): CodeInspection {
  return {
    sha256: treeDigest({ files: survey.files, links: tree.links, dirs: tree.dirs }),
    files: survey.files.length,
    bytes: survey.files.reduce((sum, file) => sum + file.size, 0),
    changed: survey.changed,
    notices: codeNotices(tree.remarks, survey.files),
  };
}

/**
 * What `snapshotCode` would do: counts, sizes, remarks. Reads files that the cache does not know, writes nothing anywhere.
 * Throws like `snapshotCode`.
 */
export async function inspectCode(options: InspectCodeOptions): Promise<CodeInspection> {
  const clock = options.clock ?? systemClock;
  const { root, tree, index, known } = await prepare(options, clock);
  const { signal, onProgress } = options;
  return describe(tree, await surveyFiles({ root, files: tree.files, index, known, writer: undefined, clock, signal, onProgress }));
}

/**
 * Brings the project's code into the store, content-addressed: only contents the store does not have move, packed together, and a
 * tree manifest says what lies where. When it returns, packs and manifest are durable. A killed snapshot leaves nothing that counts,
 * and the next one sends only what is missing; two at once are fine. The working tree is only read.
 * Throws ValidationError (root), SyncError (a file that cannot be read, keeps changing, or has an impossible name), what the store
 * throws (StorageError for a full disk), or the signal's reason.
 */
export async function snapshotCode(options: SnapshotCodeOptions): Promise<CodeSnapshot> {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const { store, prefix, cacheDir, onProgress } = options;
  const failed = new AbortController();
  const signal = options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  const { root, id, tree, index, known, startedAt } = await prepare(options, clock);
  const spool = await makeSpool(cacheDir);
  const written: KnownPack[] = [];
  const writer = new PackWriter({
    store,
    prefix,
    spool,
    packBytes: options.packBytes ?? 64 * 1024 * 1024,
    signal,
    onSealed(pack) {
      if (cacheDir !== undefined) rememberPack(cacheDir, id, pack, random);
    },
    onStored: (pack) => void written.push(pack),
  });
  try {
    const survey = await surveyFiles({ root, files: tree.files, index, known, writer, clock, signal, onProgress });
    // The digest needs no packs: it is made while they become durable.
    const finishing = writer.finish();
    finishing.catch(() => undefined);
    const inspection = describe(tree, survey);
    await finishing;
    for (const pack of written) known.addWritten(pack);
    if (await isStored(options, inspection.sha256, known, index, signal)) {
      // Files changed a moment ago are read again next time, so reading them has taught nothing that could be kept.
      const learnt = survey.read.some((file) => isSettled(file, startedAt));
      if (!learnt && index?.rules === tree.rules) return { ...inspection, manifestKey: treeKey(inspection.sha256) };
    }
    const manifest = buildManifest(tree, survey, known);
    const storing = storeManifest(options, manifest, inspection.sha256, known, signal);
    storing.catch(() => undefined);
    if (cacheDir !== undefined) {
      const packs = packsToRemember(known, manifest.packs, survey.files.length);
      saveIndex(
        cacheDir,
        id,
        { files: survey.files, packs, tree: { sha256: inspection.sha256, packs: manifest.packs }, rules: tree.rules },
        startedAt,
        random,
      );
    }
    await storing;
    return { ...inspection, manifestKey: treeKey(inspection.sha256) };
  } catch (error) {
    failed.abort(error);
    await writer.abandon();
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    await rm(spool, { recursive: true, force: true });
  }
}

function buildManifest(tree: WalkedTree, survey: Survey, known: KnownBlobs): TreeManifest {
  const places = survey.files.map((file) => {
    const place = known.guess(file.sha256);
    if (place !== undefined) return { file, place };
    throw new SyncError({
      what: `The content of ${JSON.stringify(file.path)} was removed from the store while the snapshot was made.`,
      fix: ["Try again."],
      retryable: true,
      context: { path: file.path },
    });
  });
  const packs = [...new Set(places.map(({ place }) => place.pack.key))].sort();
  const numbers = new Map(packs.map((key, number) => [key, number]));
  return {
    v: 1,
    files: places.map(({ file, place }) => ({
      path: file.path,
      size: file.size,
      sha256: file.sha256,
      mode: file.mode,
      pack: numbers.get(place.pack.key) ?? 0,
      offset: place.offset,
    })),
    links: sortByPath([...tree.links]),
    dirs: tree.dirs,
    packs,
  };
}

function packsSeen(known: KnownBlobs): Set<string> {
  return new Set(known.packs.filter((pack) => known.wasSeen(pack)).map((pack) => pack.key));
}

/** The tree was stored by the last snapshot from here, and all it needs is still there. */
async function isStored(
  options: InspectCodeOptions,
  sha256: string,
  known: KnownBlobs,
  index: StatIndex | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  if (index?.tree?.sha256 !== sha256) return false;
  const seen = packsSeen(known);
  if (!index.tree.packs.every((key) => seen.has(key))) return false;
  return (await options.store.head(joinKey(options.prefix, treeKey(sha256)), { signal })) !== undefined;
}

async function storeManifest(
  options: InspectCodeOptions,
  manifest: TreeManifest,
  sha256: string,
  known: KnownBlobs,
  signal: AbortSignal,
): Promise<void> {
  const { store, prefix } = options;
  const uri = joinKey(prefix, treeKey(sha256));
  const body = JSON.stringify(manifest);
  try {
    await store.put(uri, body, { ifNoneMatch: "*", signal });
  } catch (error) {
    if (!ConflictError.isInstance(error)) throw error;
    // The same tree was stored before, perhaps from other packs. It stands unless one of those is gone.
    if (!(await isWhole(store, prefix, uri, packsSeen(known), signal))) await store.put(uri, body, { signal });
  }
}

async function isWhole(store: ObjectStore, prefix: string, uri: string, seen: ReadonlySet<string>, signal: AbortSignal): Promise<boolean> {
  const bytes = await store.get(uri, { signal }).catch((error: unknown) => {
    if (NotFoundError.isInstance(error)) return undefined;
    throw error;
  });
  const there = bytes && parseTreeManifest(bytes);
  if (there === undefined) return false;
  const needed = there.packs.map(() => 0);
  for (const file of there.files) needed[file.pack] = Math.max(needed[file.pack] ?? 0, file.offset + file.size);
  const checks = there.packs.map(async (key, n) => {
    if (seen.has(key)) return true;
    const found = await store.head(joinKey(prefix, key), { signal });
    return found !== undefined && found.sizeBytes >= (needed[n] ?? 0);
  });
  return (await Promise.all(checks)).every(Boolean);
}

/** What this tree uses, then others (another branch, perhaps), within a bound. */
function packsToRemember(known: KnownBlobs, used: readonly string[], files: number): KnownPack[] {
  const inUse = new Set(used);
  const kept = known.packs.filter((pack) => inUse.has(pack.key));
  let room = Math.max(50_000, 4 * files);
  for (const pack of known.packs.reverse()) {
    if (inUse.has(pack.key)) continue;
    room -= pack.blobs.length / 3;
    if (room < 0) break;
    kept.push(pack);
  }
  return kept;
}
