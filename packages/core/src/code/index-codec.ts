import { crc32 } from "node:zlib";
import type { FileStat, KnownFiles, KnownPack, StatIndex } from "./stat-index.ts";

// The index of a large tree is read and written at every snapshot, so it is kept in columns: a tenth of the time JSON takes, and
// hardly any garbage. Text line with the checksum of the rest, text line with the counts, then numbers (8-byte floats), digests
// (32 bytes each) and paths (UTF-8, separated by NUL, which no path holds).

const FORMAT = "runctl-code-index-3";
/** size, mtimeMs, ctimeMs, ino */
const STATS = 4;
const DIGEST_BYTES = 32;

interface Head {
  rules: string;
  tree: StatIndex["tree"] | null;
  files: number;
  packs: Array<{ key: string; size: number; blobs: number }>;
}

/** A whole index as bytes. */
export function encodeIndex(index: {
  files: ReadonlyArray<FileStat & { path: string; sha256: string }>;
  packs: readonly KnownPack[];
  tree: StatIndex["tree"];
  rules: string;
}): Uint8Array {
  const { files, packs } = index;
  let blobs = 0;
  for (const pack of packs) blobs += pack.blobs.length / 3;
  const numbers = new Float64Array(files.length * STATS + blobs * 2);
  const digests: string[] = [];
  const paths: string[] = [];
  let at = 0;
  for (const file of files) {
    numbers[at] = file.size;
    numbers[at + 1] = file.mtimeMs;
    numbers[at + 2] = file.ctimeMs;
    numbers[at + 3] = file.ino;
    at += STATS;
    digests.push(file.sha256);
    paths.push(file.path);
  }
  for (const pack of packs) {
    for (let n = 0; n + 3 <= pack.blobs.length; n += 3) {
      digests.push(pack.blobs[n] as string);
      numbers[at] = pack.blobs[n + 1] as number;
      numbers[at + 1] = pack.blobs[n + 2] as number;
      at += 2;
    }
  }
  const head: Head = {
    rules: index.rules,
    tree: index.tree ?? null,
    files: files.length,
    packs: packs.map((pack) => ({ key: pack.key, size: pack.size, blobs: pack.blobs.length / 3 })),
  };
  const rest = Buffer.concat([
    Buffer.from(`${JSON.stringify(head)}\n`),
    new Uint8Array(numbers.buffer),
    Buffer.from(digests.join(""), "hex"),
    Buffer.from(paths.join("\0")),
  ]);
  return Buffer.concat([Buffer.from(`${FORMAT} ${crc32(rest)}\n`), rest]);
}

/** Inverse of `encodeIndex`; undefined for anything else, and for damage. */
export function decodeIndex(bytes: Buffer): StatIndex | undefined {
  const firstEnd = bytes.indexOf(10);
  const rest = bytes.subarray(firstEnd + 1);
  if (bytes.toString("latin1", 0, Math.max(0, firstEnd)) !== `${FORMAT} ${crc32(rest)}`) return undefined;
  const headEnd = rest.indexOf(10);
  const head = JSON.parse(rest.toString("utf8", 0, headEnd)) as Head;
  let blobs = 0;
  for (const pack of head.packs) blobs += pack.blobs;
  const numbersAt = headEnd + 1;
  const digestsAt = numbersAt + (head.files * STATS + blobs * 2) * 8;
  const pathsAt = digestsAt + (head.files + blobs) * DIGEST_BYTES;
  // A copy, because the columns need not begin at a multiple of eight.
  const numbers = new Float64Array(new Uint8Array(rest.subarray(numbersAt, digestsAt)).buffer);
  const digests = rest.toString("hex", digestsAt, pathsAt);
  const digest = (n: number): string => digests.slice(n * 2 * DIGEST_BYTES, (n + 1) * 2 * DIGEST_BYTES);
  const paths = head.files === 0 ? [] : rest.toString("utf8", pathsAt).split("\0");
  if (paths.length !== head.files) return undefined;

  let row = head.files;
  let at = head.files * STATS;
  const packs = head.packs.map(({ key, size, blobs: count }): KnownPack => {
    const list: Array<string | number> = [];
    for (let n = 0; n < count; n += 1, row += 1, at += 2) list.push(digest(row), numbers[at] ?? 0, numbers[at + 1] ?? 0);
    return { key, size, blobs: list };
  });
  return { files: new FileColumns(paths, numbers, digest), packs, tree: head.tree ?? undefined, rules: head.rules };
}

class FileColumns implements KnownFiles {
  readonly #rows = new Map<string, number>();
  readonly #numbers: Float64Array;
  readonly #digest: (row: number) => string;

  constructor(paths: readonly string[], numbers: Float64Array, digest: (row: number) => string) {
    for (let n = 0; n < paths.length; n += 1) this.#rows.set(paths[n] as string, n);
    this.#numbers = numbers;
    this.#digest = digest;
  }

  get count(): number {
    return this.#rows.size;
  }

  has(path: string): boolean {
    return this.#rows.has(path);
  }

  sameAs(path: string, stat: FileStat): string | undefined {
    const row = this.#rows.get(path);
    if (row === undefined) return undefined;
    const at = row * STATS;
    const numbers = this.#numbers;
    const same =
      numbers[at] === stat.size && numbers[at + 1] === stat.mtimeMs && numbers[at + 2] === stat.ctimeMs && numbers[at + 3] === stat.ino;
    return same ? this.#digest(row) : undefined;
  }

  last(path: string): { size: number; sha256: string } | undefined {
    const row = this.#rows.get(path);
    return row === undefined ? undefined : { size: this.#numbers[row * STATS] ?? 0, sha256: this.#digest(row) };
  }
}
