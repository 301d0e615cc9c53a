import { readFile } from "node:fs/promises";
import {
  type Clock,
  ConflictError,
  type HostAccess,
  NotFoundError,
  type ObjectInfo,
  type ObjectStore,
  type PutBody,
  type PutOptions,
  StorageError,
  ValidationError,
} from "@runctl/core/provider";
import { SortedKeys } from "./sorted-keys.ts";

/** Text stays text: a hundred thousand small records take a fraction of the memory that buffers of them would. */
interface Held {
  content: string | Uint8Array;
  size: number;
  etag: string;
  modifiedAt: number;
}

/**
 * The object store of a simulated world, scheme `memory`: in memory, outliving every process and machine, with conditional writes.
 * Controllers reach it through their gates; simulated hosts by `hostAccess`, through their machine's network.
 */
export class WorldStore implements ObjectStore {
  readonly scheme = "memory";
  readonly #clock: Clock;
  readonly #objects = new Map<string, Held>();
  readonly #keys = new SortedKeys();
  #version = 0;

  constructor(options: { clock: Clock }) {
    this.#clock = options.clock;
  }

  /** URIs of all objects, in the order in which they were first written. */
  get uris(): readonly string[] {
    return [...this.#objects.keys()];
  }

  /** Grows with every write and delete: equal numbers, equal contents. */
  get version(): number {
    return this.#version;
  }

  /** An object's bytes, for looking at; undefined where there is none. Not to be changed. */
  peek(uri: string): Uint8Array | undefined {
    const found = this.#objects.get(uri);
    return found && bytesOf(found);
  }

  async put(uri: string, body: PutBody, options: PutOptions = {}): Promise<{ etag: string }> {
    at(uri);
    // Copies: nobody shares bytes with the store, and none of them is a slice that keeps a pool alive.
    const content = typeof body === "string" ? body : body instanceof Uint8Array ? compact(body) : await read(body.file);
    options.signal?.throwIfAborted();
    const current = this.#objects.get(uri);
    if (options.ifNoneMatch === "*" && current !== undefined) throw conflict(uri, "It exists already.");
    if (options.ifMatch !== undefined && current?.etag !== options.ifMatch) throw conflict(uri, "It has changed since it was read.");
    if (current === undefined) this.#keys.add(uri);
    this.#version += 1;
    const etag = `v${this.#version}`;
    const size = typeof content === "string" ? Buffer.byteLength(content) : content.byteLength;
    this.#objects.set(uri, { content, size, etag, modifiedAt: this.#clock.now() });
    return { etag };
  }

  async get(
    uri: string,
    options: { range?: { start: number; end?: number | undefined } | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<Uint8Array> {
    options.signal?.throwIfAborted();
    const found = this.#objects.get(at(uri));
    if (found === undefined) throw new NotFoundError({ what: `There is no object ${uri}.`, context: { uri } });
    const start = Math.max(0, options.range?.start ?? 0);
    return Uint8Array.from(bytesOf(found).subarray(start, Math.max(start, options.range?.end ?? found.size)));
  }

  async head(uri: string, options: { signal?: AbortSignal | undefined } = {}): Promise<ObjectInfo | undefined> {
    options.signal?.throwIfAborted();
    const found = this.#objects.get(at(uri));
    return found && infoOf(uri, found);
  }

  async *list(uri: string, options: { after?: string | undefined; signal?: AbortSignal | undefined } = {}): AsyncGenerator<ObjectInfo> {
    for (const key of this.#keys.below(uri, options.after)) {
      options.signal?.throwIfAborted();
      const found = this.#objects.get(key);
      if (found !== undefined) yield infoOf(key, found);
    }
  }

  async delete(uri: string): Promise<void> {
    if (!this.#objects.delete(at(uri))) return;
    this.#keys.delete(uri);
    this.#version += 1;
  }

  async hostAccess(uri: string): Promise<HostAccess> {
    return { kind: "command", command: "world", settings: { uri: uri.endsWith("/") ? uri : `${uri}/` }, secrets: {} };
  }
}

function at(uri: string): string {
  if (uri.startsWith("memory://") && !uri.endsWith("/")) return uri;
  throw new ValidationError({
    what: `${JSON.stringify(uri)} is not an object of the world's store.`,
    fix: ['Use for example "memory://world/a.txt".'],
  });
}

function infoOf(uri: string, held: Held): ObjectInfo {
  return { uri, sizeBytes: held.size, etag: held.etag, modifiedAt: new Date(held.modifiedAt).toISOString() };
}

function bytesOf(held: Held): Uint8Array {
  return typeof held.content === "string" ? Buffer.from(held.content) : held.content;
}

/** Small plain text as a string: an array buffer costs ten times what is in it. */
function compact(bytes: Uint8Array): string | Uint8Array {
  if (bytes.byteLength > 4096 || bytes.some((byte) => byte > 127)) return new Uint8Array(bytes);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new StorageError({ what: `${path} cannot be read.`, fix: ["Check the path and its permissions."], context: { path }, cause });
  }
}

function conflict(uri: string, why: string): ConflictError {
  return new ConflictError({ what: `${uri} was not written.`, why, fix: ["Read the object again and decide anew."], context: { uri } });
}
