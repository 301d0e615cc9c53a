import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256Hex } from "../util/hash.ts";
import { type Random, randomId } from "../util/random.ts";
import { decodeIndex, encodeIndex } from "./index-codec.ts";

/** What identifies a file's content without reading it. */
export interface FileStat {
  size: number;
  mtimeMs: number;
  ctimeMs: number;
  ino: number;
}

/** A pack in the store and the blobs in it. */
export interface KnownPack {
  key: string;
  size: number;
  /** sha256, offset, size, and so on: one flat list, because it parses several times faster. */
  blobs: Array<string | number>;
}

/** What is known of files that were seen before, by path. */
export interface KnownFiles {
  readonly count: number;
  has(path: string): boolean;
  /** Digest of the content while the file is the very version that was read; else undefined. */
  sameAs(path: string, stat: FileStat): string | undefined;
  /** What the file held when it was read, whatever it holds now. */
  last(path: string): { size: number; sha256: string } | undefined;
}

/** What an earlier snapshot of this root into this store learnt. A cache and no more: any of it may be wrong or missing. */
export interface StatIndex {
  files: KnownFiles;
  packs: KnownPack[];
  /** The newest tree written and the packs it uses. */
  tree: { sha256: string; packs: string[] } | undefined;
  /** Digest of the rules under which the files were found. */
  rules: string;
}

/** Calls `visit` for every blob of a pack. */
export function eachBlob(pack: KnownPack, visit: (sha256: string, offset: number, size: number) => void): void {
  for (let n = 0; n + 3 <= pack.blobs.length; n += 3) visit(String(pack.blobs[n]), Number(pack.blobs[n + 1]), Number(pack.blobs[n + 2]));
}

/**
 * git's racy-clean rule: a file changed within this time before it was read may change again within the same tick of the file
 * system's clock, so its stats prove nothing. 2 s is FAT's tick, the coarsest in use.
 */
const RACY_MS = 2000;

/** True when the stats, taken at wall time `readAt` or later, prove that the content is still the one that was read. */
export function isSettled(stat: FileStat, readAt: number): boolean {
  return Math.max(stat.mtimeMs, stat.ctimeMs) < readAt - RACY_MS;
}

function indexPath(cacheDir: string, id: string): string {
  return join(cacheDir, `code-${id}.index`);
}

function packFolder(cacheDir: string, id: string): string {
  return join(cacheDir, `code-${id}.packs`);
}

/** Names the cache of one root and one store. */
export function indexId(root: string, prefix: string): string {
  return sha256Hex(`${root}\0${prefix}`).slice(0, 20);
}

// The first line is the digest of the rest: a torn or damaged note is no note.
function readPack(path: string): KnownPack | undefined {
  try {
    const text = readFileSync(path, "utf8");
    const cut = text.indexOf("\n");
    const body = text.slice(cut + 1);
    return text.slice(0, cut) === sha256Hex(body) ? (JSON.parse(body) as KnownPack) : undefined;
  } catch {
    return undefined;
  }
}

function replace(path: string, body: string | Uint8Array, random: Random): void {
  const tmp = `${path}.${randomId(random, 10)}.tmp`;
  try {
    writeFileSync(tmp, body, { mode: 0o600, flag: "wx" });
    renameSync(tmp, path);
  } catch {
    // A full or read-only disk costs the next snapshot some reading, nothing else.
    rmSync(tmp, { force: true });
  }
}

function readIndex(path: string): StatIndex | undefined {
  try {
    return decodeIndex(readFileSync(path));
  } catch {
    return undefined;
  }
}

const NO_FILES: KnownFiles = { count: 0, has: () => false, sameAs: () => undefined, last: () => undefined };

/** Loads the index, plus packs that a killed snapshot had already brought to the store. undefined when there is nothing. */
export function loadIndex(cacheDir: string, id: string): StatIndex | undefined {
  const stored = readIndex(indexPath(cacheDir, id));
  let names: string[] = [];
  try {
    names = readdirSync(packFolder(cacheDir, id));
  } catch {
    // None.
  }
  const packs = new Map<string, KnownPack>(stored?.packs.map((pack) => [pack.key, pack]));
  for (const name of names) {
    const pack = name.endsWith("-2.json") ? readPack(join(packFolder(cacheDir, id), name)) : undefined;
    if (pack !== undefined) packs.set(pack.key, pack);
  }
  if (stored === undefined && packs.size === 0) return undefined;
  return { files: stored?.files ?? NO_FILES, packs: [...packs.values()], tree: stored?.tree, rules: stored?.rules ?? "" };
}

/** Remembers one pack at once, so that a snapshot that is killed later does not send it again. */
export function rememberPack(cacheDir: string, id: string, pack: KnownPack, random: Random): void {
  try {
    mkdirSync(packFolder(cacheDir, id), { recursive: true, mode: 0o700 });
  } catch {
    return;
  }
  const body = JSON.stringify(pack);
  replace(join(packFolder(cacheDir, id), `${sha256Hex(pack.key).slice(0, 32)}-2.json`), `${sha256Hex(body)}\n${body}`, random);
}

/** Saves the index; `readAt` is the wall time before the first file was read. Never throws. */
export function saveIndex(
  cacheDir: string,
  id: string,
  index: { files: ReadonlyArray<FileStat & { path: string; sha256: string }>; packs: KnownPack[]; tree: StatIndex["tree"]; rules: string },
  readAt: number,
  random: Random,
): void {
  try {
    mkdirSync(cacheDir, { recursive: true, mode: 0o700 });
  } catch {
    return;
  }
  replace(indexPath(cacheDir, id), encodeIndex({ ...index, files: index.files.filter((file) => isSettled(file, readAt)) }), random);
  let noted: Set<string>;
  try {
    noted = new Set(readdirSync(packFolder(cacheDir, id)));
  } catch {
    return;
  }
  // Only what the index now holds may go; a pack that another process has just added stays.
  for (const pack of index.packs) {
    const name = `${sha256Hex(pack.key).slice(0, 32)}-2.json`;
    if (noted.has(name)) rmSync(join(packFolder(cacheDir, id), name), { force: true });
  }
}

/** True when both describe the very same version of a file. */
export function isSame(a: FileStat, b: FileStat): boolean {
  return a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.ino === b.ino;
}
