import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256Hex } from "../util/hash.ts";
import { type Random, randomId } from "../util/random.ts";
import type { FileStat } from "./walk-tree.ts";

export type { FileStat };

/** A pack in the store and the blobs in it. */
export interface KnownPack {
  key: string;
  size: number;
  /** sha256, offset, size, and so on: one flat list, because it parses several times faster. */
  blobs: Array<string | number>;
}

/** What an earlier snapshot of this root into this store learnt. A cache and no more: any of it may be wrong or missing. */
export interface StatIndex {
  /** By path: the content's digest as of these stats. */
  files: Map<string, FileStat & { sha256: string }>;
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

/** path, size, mtimeMs, ctimeMs, ino, number of the content; one flat list, because it parses several times faster. */
const COLUMNS = 6;
interface Stored {
  v: 2;
  rules: string;
  files: Array<string | number>;
  contents: string[];
  packs: KnownPack[];
  tree: StatIndex["tree"] | null;
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

// The first line is the digest of the rest: a torn or damaged cache is no cache.
function readChecked<T>(path: string): T | undefined {
  try {
    const text = readFileSync(path, "utf8");
    const cut = text.indexOf("\n");
    const body = text.slice(cut + 1);
    return text.slice(0, cut) === sha256Hex(body) ? (JSON.parse(body) as T) : undefined;
  } catch {
    return undefined;
  }
}

function writeChecked(path: string, value: unknown, random: Random): void {
  const tmp = `${path}.${randomId(random, 10)}.tmp`;
  try {
    const body = JSON.stringify(value);
    writeFileSync(tmp, `${sha256Hex(body)}\n${body}`, { mode: 0o600, flag: "wx" });
    renameSync(tmp, path);
  } catch {
    // A full or read-only disk costs the next snapshot some reading, nothing else.
    rmSync(tmp, { force: true });
  }
}

/** Loads the index, plus packs that a killed snapshot had already brought to the store. undefined when there is nothing. */
export function loadIndex(cacheDir: string, id: string): StatIndex | undefined {
  const stored = readChecked<Stored>(indexPath(cacheDir, id));
  const packs = new Map<string, KnownPack>(stored?.v === 2 ? stored.packs.map((pack) => [pack.key, pack]) : []);
  let names: string[] = [];
  try {
    names = readdirSync(packFolder(cacheDir, id));
  } catch {
    // None.
  }
  for (const name of names) {
    const pack = name.endsWith("-2.json") ? readChecked<KnownPack>(join(packFolder(cacheDir, id), name)) : undefined;
    if (pack !== undefined) packs.set(pack.key, pack);
  }
  if (stored?.v !== 2 && packs.size === 0) return undefined;
  const files = new Map<string, FileStat & { sha256: string }>();
  const rows = stored?.v === 2 ? stored.files : [];
  for (let n = 0; n + COLUMNS <= rows.length; n += COLUMNS) {
    const sha256 = stored?.contents[Number(rows[n + 5])];
    if (sha256 === undefined) continue;
    const [size, mtimeMs, ctimeMs, ino] = [Number(rows[n + 1]), Number(rows[n + 2]), Number(rows[n + 3]), Number(rows[n + 4])];
    files.set(String(rows[n]), { size, mtimeMs, ctimeMs, ino, sha256 });
  }
  return {
    files,
    packs: [...packs.values()],
    tree: stored?.v === 2 ? (stored.tree ?? undefined) : undefined,
    rules: stored?.v === 2 ? stored.rules : "",
  };
}

/** Remembers one pack at once, so that a snapshot that is killed later does not send it again. */
export function rememberPack(cacheDir: string, id: string, pack: KnownPack, random: Random): void {
  try {
    mkdirSync(packFolder(cacheDir, id), { recursive: true, mode: 0o700 });
  } catch {
    return;
  }
  writeChecked(join(packFolder(cacheDir, id), `${sha256Hex(pack.key).slice(0, 32)}-2.json`), pack, random);
}

/** Saves the index; `readAt` is the wall time before the first file was read. Never throws. */
export function saveIndex(
  cacheDir: string,
  id: string,
  index: { files: ReadonlyArray<FileStat & { path: string; sha256: string }>; packs: KnownPack[]; tree: StatIndex["tree"]; rules: string },
  readAt: number,
  random: Random,
): void {
  const files: Array<string | number> = [];
  const contents: string[] = [];
  const numbers = new Map<string, number>();
  for (const file of index.files) {
    if (Math.max(file.mtimeMs, file.ctimeMs) >= readAt - RACY_MS) continue;
    let number = numbers.get(file.sha256);
    if (number === undefined) {
      number = contents.push(file.sha256) - 1;
      numbers.set(file.sha256, number);
    }
    files.push(file.path, file.size, file.mtimeMs, file.ctimeMs, file.ino, number);
  }
  try {
    mkdirSync(cacheDir, { recursive: true, mode: 0o700 });
  } catch {
    return;
  }
  const stored: Stored = { v: 2, rules: index.rules, files, contents, packs: index.packs, tree: index.tree ?? null };
  writeChecked(indexPath(cacheDir, id), stored, random);
  // Only what the index now holds may go; a pack that another process has just added stays.
  for (const pack of index.packs) rmSync(join(packFolder(cacheDir, id), `${sha256Hex(pack.key).slice(0, 32)}-2.json`), { force: true });
}

/** True when the index knows this very version of the file. */
export function isSame(a: FileStat, b: FileStat): boolean {
  return a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.ino === b.ino;
}
