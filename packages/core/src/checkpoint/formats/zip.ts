import { MAX_READ, type ReadAt, type Verdict } from "./verdict.ts";

/** One line of a zip archive's central directory. */
export interface ZipEntry {
  name: string;
  method: number;
  packed: number;
  offset: number;
}

const END = Buffer.from("PK\x05\x06", "latin1");

/** The central directory, read up to 16 MiB; `torn` says why there is none. Sizes beyond 2^53 count as damaged. */
export async function zipEntries(size: number, read: ReadAt): Promise<{ torn?: string; entries: ZipEntry[] }> {
  const tailSize = Math.min(size, 65_535 + 22 + 20);
  const tail = Buffer.from(await read(size - tailSize, tailSize));
  const end = findEnd(tail);
  if (end < 0) return { torn: "its zip end-of-central-directory record is missing", entries: [] };
  let count = tail.readUInt16LE(end + 10);
  let directorySize = tail.readUInt32LE(end + 12);
  let directoryAt = tail.readUInt32LE(end + 16);
  let directoryEnd = size - tailSize + end;
  const large = count === 0xffff || directorySize === 0xffffffff || directoryAt === 0xffffffff;
  if (end >= 20 && tail.toString("latin1", end - 20, end - 16) === "PK\x06\x07") {
    // PyTorch writes this record into small files too.
    const recordAt = Number(tail.readBigUInt64LE(end - 20 + 8));
    const record = recordAt + 56 <= size ? Buffer.from(await read(recordAt, 56)) : Buffer.alloc(0);
    if (record.length === 56 && record.toString("latin1", 0, 4) === "PK\x06\x06") {
      count = Number(record.readBigUInt64LE(32));
      directorySize = Number(record.readBigUInt64LE(40));
      directoryAt = Number(record.readBigUInt64LE(48));
      directoryEnd = recordAt;
    } else if (large) {
      return { torn: "its zip64 end record is missing", entries: [] };
    }
  }
  if (directoryAt + directorySize !== directoryEnd) return { torn: "its zip directory is not where the end record says", entries: [] };
  if (directorySize > MAX_READ) return { entries: [] };
  const directory = Buffer.from(await read(directoryAt, directorySize));
  const entries: ZipEntry[] = [];
  let at = 0;
  while (at + 46 <= directory.length) {
    if (directory.toString("latin1", at, at + 4) !== "PK\x01\x02") return { torn: "its zip directory is damaged", entries: [] };
    const nameSize = directory.readUInt16LE(at + 28);
    const extraSize = directory.readUInt16LE(at + 30);
    const next = at + 46 + nameSize + extraSize + directory.readUInt16LE(at + 32);
    const extra = directory.subarray(at + 46 + nameSize, at + 46 + nameSize + extraSize);
    const { packed, offset } = zip64(
      extra,
      directory.readUInt32LE(at + 24),
      directory.readUInt32LE(at + 20),
      directory.readUInt32LE(at + 42),
    );
    if (offset + 30 + packed > directoryAt) return { torn: "an entry of its zip directory lies outside the file", entries: [] };
    const name = directory.toString("latin1", at + 46, at + 46 + nameSize);
    entries.push({ name, method: directory.readUInt16LE(at + 10), packed, offset });
    at = next;
  }
  if (entries.length !== count || at !== directory.length) {
    return { torn: `its zip directory has ${entries.length} of ${count} entries`, entries: [] };
  }
  for (const entry of [...entries.slice(0, 1), ...entries.slice(-1)]) {
    const header = Buffer.from(await read(entry.offset, 4));
    if (header.toString("latin1") !== "PK\x03\x04") {
      return { torn: "an entry's header is missing where the zip directory says", entries: [] };
    }
  }
  return { entries };
}

function findEnd(tail: Buffer): number {
  let at = tail.length;
  while (at > 0) {
    // Only a record that ends exactly at the end of the file counts; weights may hold the same four bytes.
    at = tail.lastIndexOf(END, at - END.length);
    if (at < 0) return -1;
    if (at + 22 <= tail.length && at + 22 + tail.readUInt16LE(at + 20) === tail.length) return at;
    if (at + 3 < END.length) return -1;
    at += 3;
  }
  return -1;
}

function zip64(extra: Buffer, plainIn: number, packedIn: number, offsetIn: number): { packed: number; offset: number } {
  let packed = packedIn;
  let offset = offsetIn;
  let at = 0;
  while (at + 4 <= extra.length) {
    const length = extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 1) {
      const values: number[] = [];
      for (let p = at + 4; p + 8 <= Math.min(at + 4 + length, extra.length); p += 8) values.push(Number(extra.readBigUInt64LE(p)));
      if (plainIn === 0xffffffff) values.shift();
      if (packed === 0xffffffff) packed = values.shift() ?? packed;
      if (offset === 0xffffffff) offset = values.shift() ?? offset;
      break;
    }
    at += 4 + length;
  }
  return { packed, offset };
}

/** The first bytes of an entry that is stored without compression, as PyTorch stores data.pkl; empty otherwise. */
export async function storedEntry(entries: readonly ZipEntry[], name: string, limit: number, read: ReadAt): Promise<Buffer> {
  const entry = entries.find((candidate) => candidate.method === 0 && (candidate.name === name || candidate.name.endsWith(`/${name}`)));
  if (entry === undefined) return Buffer.alloc(0);
  const header = Buffer.from(await read(entry.offset, 30));
  if (header.length !== 30) return Buffer.alloc(0);
  const start = entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  return Buffer.from(await read(start, Math.min(entry.packed, limit)));
}

/** PyTorch since 1.6, Lightning, NumPy .npz and Keras 3 are zip archives; the end record is written last. */
export async function judgeZip(format: string, size: number, read: ReadAt): Promise<Verdict> {
  const { torn, entries } = await zipEntries(size, read);
  if (torn !== undefined) return { status: "torn", format: format === "unknown" ? "zip" : format, reason: torn };
  if (entries.some((entry) => entry.name === "data.pkl" || entry.name.endsWith("/data.pkl"))) {
    const text = await storedEntry(entries, "data.pkl", 4096, read);
    return { status: "complete", format: text.includes("pytorch-lightning_version") ? "lightning" : "pytorch" };
  }
  if (entries.length > 0 && entries.every((entry) => entry.name.endsWith(".npy"))) return { status: "complete", format: "npz" };
  if (entries.some((entry) => entry.name.endsWith(".weights.h5"))) return { status: "complete", format: "keras" };
  if (entries.length === 0 && size > MAX_READ) return { status: "complete", format: format === "unknown" ? "zip" : format };
  return { status: "complete", format: format === "npz" ? "npz" : "zip" };
}

/** The small integer that a pickle stores for a text key, found by looking at its bytes: key, optional memo, BININT*. */
export function intAfterKey(text: Buffer, key: string): number | undefined {
  let at = text.indexOf(key, 0, "latin1");
  if (at < 0) return undefined;
  at += key.length;
  const memo = text[at];
  if (memo === 0x71) at += 2;
  else if (memo === 0x72) at += 5;
  else if (memo === 0x94) at += 1;
  const op = text[at];
  if (op === 0x4b && text.length >= at + 2) return text[at + 1];
  if (op === 0x4d && text.length >= at + 3) return text.readUInt16LE(at + 1);
  if (op === 0x4a && text.length >= at + 5) return text.readInt32LE(at + 1);
  return undefined;
}
