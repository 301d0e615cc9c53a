import { constants } from "node:fs";
import { copyFile, link, open, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ConflictError, StorageError, ValidationError } from "../errors/kinds.ts";
import type { PutBody, PutOptions } from "../provider/object-store.ts";
import type { Clock } from "../util/clock.ts";

import { type Random, randomId } from "../util/random.ts";
import { withClaim } from "./file-claim.ts";
import { errnoOf } from "./file-errors.ts";
import { makeFolder, syncFolder } from "./file-folders.ts";
import { etagOf, HIDDEN_PREFIX, lstatObject, statObject } from "./file-version.ts";
import { ownWriter } from "./file-writer.ts";

/** What the parts of the file store share. */
export interface FileStoreContext {
  clock: Clock;
  random: Random;
  /** Checks containment; throws ValidationError. */
  check(path: string): Promise<void>;
}

/** A name beside `path` that listings never show; its owner can be told from it, so that leftovers of the dead are swept. */
export function temporaryBeside(path: string, random: Random): string {
  return join(dirname(path), `${HIDDEN_PREFIX}${ownWriter()}-${randomId(random, 12)}`);
}

async function writeTemporary(tmp: string, body: PutBody, signal: AbortSignal | undefined): Promise<void> {
  if (typeof body === "object" && "file" in body) {
    if (body.move === true) {
      try {
        await link(body.file, tmp);
      } catch (error) {
        if (!["EXDEV", "EPERM", "EMLINK", "ENOTSUP"].includes(errnoOf(error))) throw error;
        await copyFile(body.file, tmp, constants.COPYFILE_EXCL);
      }
    } else {
      // A reflink where the file system has them: no bytes move.
      await copyFile(body.file, tmp, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    }
  }
  const bytes = typeof body === "string" ? Buffer.from(body) : body instanceof Uint8Array ? body : undefined;
  // Reading is enough to sync, and all that a copy of a read-only file allows.
  const handle = await open(tmp, bytes === undefined ? "r" : "wx");
  try {
    // Node's own AbortError would hide the caller's reason.
    if (bytes !== undefined) await handle.writeFile(bytes, { signal }).finally(() => signal?.throwIfAborted());
    signal?.throwIfAborted();
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A successor is always younger than its predecessor, whatever the clock does: versions never repeat. */
async function makeYounger(tmp: string, thanNs: bigint): Promise<string> {
  const found = await stat(tmp, { bigint: true });
  if (found.mtimeNs > thanNs) return etagOf(found);
  const handle = await open(tmp, "r");
  try {
    // utimes takes seconds as a double, good to about 0.3 µs: steps of 2 µs are safe.
    const seconds = Number(thanNs / 1000n + 2n) / 1e6;
    await handle.utimes(seconds, seconds);
    await handle.sync();
    return etagOf(await handle.stat({ bigint: true }));
  } finally {
    await handle.close();
  }
}

function conflict(uri: string, why: string): ConflictError {
  return new ConflictError({ what: `${uri} was not written.`, why, fix: ["Read the object again and decide anew."], context: { uri } });
}

// Not every file system has links (exFAT, some network ones). Only a plain put can do without.
function isUnsupported(error: unknown): boolean {
  return ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(errnoOf(error));
}

async function withoutLinks(error: unknown, uri: string, path: string, tmp: string, options: PutOptions): Promise<void> {
  if (!isUnsupported(error)) throw error;
  if (options.ifMatch !== undefined || options.ifNoneMatch !== undefined) {
    throw new StorageError({
      what: `${uri} cannot be written under a condition.`,
      why: "The file system there has no links, so two writers could not be told apart.",
      fix: ["Put the store on a file system with links (ext4, xfs, btrfs, APFS, NFS)."],
      context: { path },
      cause: error,
    });
  }
  await rename(tmp, path);
}

async function create(uri: string, path: string, tmp: string, options: PutOptions): Promise<"created" | "again"> {
  try {
    await link(tmp, path);
    return "created";
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") {
      await withoutLinks(error, uri, path, tmp, options);
      return "created";
    }
  }
  const there = await lstatObject(path);
  if (there?.isDirectory() === true) throw Object.assign(new Error("is a directory"), { code: "EISDIR", syscall: "link" });
  if (options.ifNoneMatch === "*") throw conflict(uri, "It exists already.");
  if (there === undefined || (await statObject(path)) !== undefined) return "again";
  // A dangling symlink or a special file has no version; it is replaced like the name it is.
  await rename(tmp, path);
  return "created";
}

async function publish(context: FileStoreContext, uri: string, path: string, tmp: string, options: PutOptions): Promise<string> {
  for (;;) {
    options.signal?.throwIfAborted();
    const current = await statObject(path);
    if (current === undefined) {
      if (options.ifMatch !== undefined) throw conflict(uri, "The version it should replace is gone.");
      const created = etagOf(await stat(tmp, { bigint: true }));
      if ((await create(uri, path, tmp, options)) === "created") return created;
      continue;
    }
    if (options.ifNoneMatch === "*") throw conflict(uri, "It exists already.");
    const etag = etagOf(current);
    if (options.ifMatch !== undefined && options.ifMatch !== etag) throw conflict(uri, "It has changed since it was read.");
    const mine = await makeYounger(tmp, current.mtimeNs);
    try {
      const { changed } = await withClaim(path, etag, context.clock, options.signal, async () => {
        const now = await statObject(path);
        if (now === undefined || etagOf(now) !== etag) return { changed: false };
        await rename(tmp, path);
        return { changed: true };
      });
      if (changed) return mine;
    } catch (error) {
      await withoutLinks(error, uri, path, tmp, options);
      return mine;
    }
    if (options.ifMatch !== undefined) throw conflict(uri, "Another writer was faster.");
  }
}

/** Writes one object: temporary file in the same folder, sync, link or rename, sync of the folder. */
export async function putFile(
  context: FileStoreContext,
  uri: string,
  path: string,
  body: PutBody,
  options: PutOptions,
): Promise<{ etag: string }> {
  options.signal?.throwIfAborted();
  if (basename(path).startsWith(HIDDEN_PREFIX)) {
    throw new ValidationError({
      what: `Names that begin with ${HIDDEN_PREFIX} are kept for unfinished writes.`,
      fix: ["Choose another name."],
    });
  }
  const tmp = temporaryBeside(path, context.random);
  const folder = dirname(path);
  try {
    for (let tries = 0; ; tries += 1) {
      await context.check(path);
      await makeFolder(folder);
      try {
        await writeTemporary(tmp, body, options.signal);
        break;
      } catch (error) {
        // Another process pruned the empty folder between the two calls; a missing body is not that.
        if (errnoOf(error) !== "ENOENT" || tries >= 10 || (await stat(folder).catch(() => undefined)) !== undefined) throw error;
      }
    }
    const etag = await publish(context, uri, path, tmp, options);
    await syncFolder(folder);
    if (typeof body === "object" && "file" in body && body.move === true) await unlink(body.file).catch(() => undefined);
    return { etag };
  } finally {
    await unlink(tmp).catch(() => undefined);
  }
}

/** Removes one object; gone is success. Takes its turn with writers, so that a conditional put never brings it back. */
export async function deleteFile(context: FileStoreContext, path: string): Promise<void> {
  for (;;) {
    const current = await statObject(path);
    if (current === undefined) {
      const there = await lstatObject(path);
      if (there !== undefined && !there.isDirectory()) await unlink(path);
      return;
    }
    const etag = etagOf(current);
    const { changed } = await withClaim(path, etag, context.clock, undefined, async () => {
      const now = await statObject(path);
      if (now === undefined || etagOf(now) !== etag) return { changed: false };
      await unlink(path);
      return { changed: true };
    });
    if (changed) {
      await syncFolder(dirname(path));
      return;
    }
  }
}
