import { createHash, type Hash } from "node:crypto";
import { closeSync, openSync, write } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import PQueue from "p-queue";
import { ConflictError } from "../errors/kinds.ts";
import type { ObjectStore } from "../provider/object-store.ts";
import { fileError } from "../storage/file-errors.ts";
import { joinKey } from "../storage/location.ts";
import type { KnownPack } from "./stat-index.ts";
import { packKey } from "./tree-manifest.ts";

const writeAsync = promisify(write);
const CHUNK_BYTES = 4 * 1024 * 1024;

export interface PackWriterOptions {
  store: ObjectStore;
  /** URI of the store's prefix. */
  prefix: string;
  /** Folder for packs in the making; must exist. */
  spool: string;
  /** A pack is closed when it has reached this size. */
  packBytes: number;
  signal: AbortSignal;
  /** The pack is about to be sent. Noting it now, not after, lets a killed snapshot's successor find it; the store is asked anyway. */
  onSealed: (pack: KnownPack) => void;
  onStored: (pack: KnownPack) => void;
}

/** One pack in the making: bytes go to a spool file through one buffer, the digest is made on the way. */
class OpenPack {
  readonly file: string;
  readonly blobs: KnownPack["blobs"] = [];
  size = 0;
  readonly #fd: number;
  #isClosed = false;
  readonly #hash: Hash = createHash("sha256");
  #chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  #filled = 0;
  #written = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(file: string) {
    this.file = file;
    this.#fd = openSync(file, "wx", 0o600);
  }

  /** Takes a copy of the bytes; the promise, if any, is back-pressure. */
  append(bytes: Uint8Array): Promise<void> | undefined {
    let at = 0;
    let wait: Promise<void> | undefined;
    while (at < bytes.length) {
      const part = bytes.subarray(at, at + CHUNK_BYTES - this.#filled);
      this.#chunk.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === CHUNK_BYTES) wait = this.#flush();
    }
    this.size += bytes.length;
    return wait;
  }

  // One chunk is written while the next one fills: two buffers a pack, whatever the pack's size.
  #flush(): Promise<void> {
    const chunk = this.#chunk.subarray(0, this.#filled);
    const position = this.#written;
    this.#written += chunk.length;
    this.#chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    this.#filled = 0;
    this.#hash.update(chunk);
    const before = this.#writing;
    this.#writing = before.then(async () => {
      try {
        for (let done = 0; done < chunk.length; ) {
          done += (await writeAsync(this.#fd, chunk, done, chunk.length - done, position + done)).bytesWritten;
        }
      } catch (error) {
        throw fileError(error, "Writing", this.file);
      }
    });
    this.#writing.catch(() => undefined);
    return before;
  }

  async finish(): Promise<string> {
    if (this.#filled > 0) void this.#flush();
    await this.#writing;
    this.#close();
    return this.#hash.digest("hex");
  }

  async discard(): Promise<void> {
    await this.#writing.catch(() => undefined);
    this.#close();
  }

  // Once only: the number may be somebody else's file by the time of a second close.
  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#fd);
  }
}

/** Writes blobs into packs and packs into the store, two at a time. Memory stays at a few chunks. */
export class PackWriter {
  readonly #options: PackWriterOptions;
  readonly #queue = new PQueue({ concurrency: 2 });
  #open: OpenPack | undefined;
  #number = 0;
  #failure: { error: unknown } | undefined;

  constructor(options: PackWriterOptions) {
    this.#options = options;
  }

  #create(): OpenPack {
    this.#number += 1;
    return new OpenPack(join(this.#options.spool, `${this.#number}.pack`));
  }

  /** Adds one blob whose bytes are at hand. Await the result when there is one. */
  add(sha256: string, bytes: Uint8Array): Promise<void> | undefined {
    this.#rethrow();
    this.#open ??= this.#create();
    this.#open.blobs.push(sha256, this.#open.size, bytes.length);
    const wait = this.#open.append(bytes);
    if (this.#open.size < this.#options.packBytes) return wait;
    const full = this.#open;
    this.#open = undefined;
    return this.#seal(full);
  }

  /** Opens a pack of its own for one large blob, which `commit` seals and `discard` forgets. */
  single(): {
    append: (bytes: Uint8Array) => Promise<void> | undefined;
    commit: (sha256: string) => Promise<void>;
    discard: () => Promise<void>;
  } {
    this.#rethrow();
    const pack = this.#create();
    return {
      append: (bytes) => pack.append(bytes),
      commit: (sha256) => {
        pack.blobs.push(sha256, 0, pack.size);
        return this.#seal(pack);
      },
      discard: async () => {
        await pack.discard();
        await rm(pack.file, { force: true });
      },
    };
  }

  async #seal(pack: OpenPack): Promise<void> {
    // Waits for a free place, so that no more than two packs lie in the spool besides the open one.
    await this.#queue.onSizeLessThan(1);
    void this.#queue.add(async () => {
      try {
        const sha256 = await pack.finish();
        this.#options.signal.throwIfAborted();
        const key = packKey(sha256);
        const known: KnownPack = { key, size: pack.size, blobs: pack.blobs };
        this.#options.onSealed(known);
        await this.#put(joinKey(this.#options.prefix, key), pack);
        this.#options.onStored(known);
      } catch (error) {
        await pack.discard();
        this.#failure ??= { error };
      }
    });
  }

  async #put(uri: string, pack: OpenPack): Promise<void> {
    const { store, signal } = this.#options;
    try {
      await store.put(uri, { file: pack.file, move: true }, { ifNoneMatch: "*", signal });
    } catch (error) {
      if (!ConflictError.isInstance(error)) throw error;
      // Another snapshot was faster with the same bytes; the name is their digest. A wrong size is damage: repair it.
      if ((await store.head(uri, { signal }))?.sizeBytes !== pack.size) await store.put(uri, { file: pack.file, move: true }, { signal });
    }
    await rm(pack.file, { force: true });
  }

  #rethrow(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Seals the open pack and waits until all are durable in the store. */
  async finish(): Promise<void> {
    if (this.#open !== undefined && this.#open.size + this.#open.blobs.length > 0) {
      const last = this.#open;
      this.#open = undefined;
      await this.#seal(last);
    }
    await this.#queue.onIdle();
    this.#rethrow();
  }

  /** After a failure: lets running puts end and closes files. */
  async abandon(): Promise<void> {
    await this.#open?.discard();
    this.#open = undefined;
    await this.#queue.onIdle();
  }
}
