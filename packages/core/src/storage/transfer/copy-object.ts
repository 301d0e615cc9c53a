import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SyncError } from "../../errors/kinds.ts";
import type { ObjectInfo, ObjectStore } from "../../provider/object-store.ts";
import { fileUriToPath } from "../file-uri.ts";

/** Objects up to this size travel through memory. */
const SMALL_BYTES = 8 * 1024 * 1024;
const TRIES = 3;

async function digestOfFile(path: string, signal: AbortSignal | undefined): Promise<{ sha256: string; size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024, signal })) {
    hash.update(chunk as Buffer);
    size += (chunk as Buffer).length;
  }
  return { sha256: hash.digest("hex"), size };
}

/** SHA-256 of an object, read in pieces: memory stays flat. */
export async function digestOf(
  store: ObjectStore,
  info: { uri: string; sizeBytes: number },
  signal: AbortSignal | undefined,
): Promise<string> {
  if (store.scheme === "file") return (await digestOfFile(fileUriToPath(info.uri), signal)).sha256;
  const hash = createHash("sha256");
  for (let start = 0; start < info.sizeBytes; start += SMALL_BYTES) {
    hash.update(await store.get(info.uri, { range: { start, end: Math.min(start + SMALL_BYTES, info.sizeBytes) }, signal }));
  }
  return hash.digest("hex");
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A local copy of a large object; `done` removes it. */
async function asFile(
  store: ObjectStore,
  uri: string,
  size: number,
  signal: AbortSignal | undefined,
): Promise<{ path: string; move: boolean; done: () => Promise<void> }> {
  if (store.scheme === "file") return { path: fileUriToPath(uri), move: false, done: async () => undefined };
  const folder = await mkdtemp(join(tmpdir(), "runctl-copy-"));
  const path = join(folder, "object");
  const done = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    if (store.getToFile !== undefined) await store.getToFile(uri, path, { signal });
    else {
      const handle = await open(path, "wx");
      try {
        for (let start = 0; start < size; start += SMALL_BYTES) {
          await handle.writeFile(await store.get(uri, { range: { start, end: Math.min(start + SMALL_BYTES, size) }, signal }));
        }
      } finally {
        await handle.close();
      }
    }
    return { path, move: true, done };
  } catch (error) {
    await done();
    throw error;
  }
}

/** Sends the bytes and returns their digest as read from the source. */
async function send(
  from: ObjectStore,
  info: ObjectInfo,
  to: ObjectStore,
  target: string,
  signal: AbortSignal | undefined,
): Promise<{ sha256: string; etag: string }> {
  if (info.sizeBytes <= SMALL_BYTES) {
    const bytes = await from.get(info.uri, { signal });
    return { sha256: sha256Of(bytes), etag: (await to.put(target, bytes, { signal })).etag };
  }
  const file = await asFile(from, info.uri, info.sizeBytes, signal);
  try {
    const { sha256 } = await digestOfFile(file.path, signal);
    return { sha256, etag: (await to.put(target, { file: file.path, move: file.move }, { signal })).etag };
  } finally {
    await file.done();
  }
}

/**
 * Copies one object and checks it: the source must be the same version before and after, the target must have the right size, and
 * where reading is free (this machine's disk or memory) the right SHA-256. Tries three times. Throws SyncError.
 */
export async function copyObject(
  from: ObjectStore,
  info: ObjectInfo,
  to: ObjectStore,
  target: string,
  signal: AbortSignal | undefined,
): Promise<{ source: ObjectInfo; etag: string } | "gone"> {
  let source = info;
  let why = "";
  for (let tries = 0; tries < TRIES; tries += 1) {
    signal?.throwIfAborted();
    const sent = await send(from, source, to, target, signal);
    const after = await from.head(source.uri, { signal });
    if (after === undefined) return "gone";
    if (after.etag !== source.etag) {
      why = "It keeps changing while it is read.";
      source = after;
      continue;
    }
    const arrived = await to.head(target, { signal });
    if (arrived?.etag !== sent.etag) {
      why = "Somebody else writes the same target.";
      continue;
    }
    const isFree = to.scheme === "file" || to.scheme === "memory";
    if (arrived.sizeBytes === source.sizeBytes && (!isFree || (await digestOf(to, arrived, signal)) === sent.sha256))
      return { source, etag: sent.etag };
    why = "What arrived is not what was sent.";
  }
  throw new SyncError({
    what: `${info.uri} could not be copied to ${target}.`,
    why: `${why} ${TRIES} tries.`,
    fix: ["Wait until nothing writes to it, then try again: what has arrived already is not sent twice."],
    retryable: true,
    context: { from: info.uri, to: target },
  });
}
