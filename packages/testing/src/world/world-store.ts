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

interface Held {
  bytes: Uint8Array;
  info: ObjectInfo;
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

  /** An object's bytes, for looking at; undefined where there is none. Not to be changed. */
  peek(uri: string): Uint8Array | undefined {
    return this.#objects.get(uri)?.bytes;
  }

  async put(uri: string, body: PutBody, options: PutOptions = {}): Promise<{ etag: string }> {
    at(uri);
    const bytes =
      typeof body === "string" ? Buffer.from(body) : body instanceof Uint8Array ? Uint8Array.from(body) : await contentOf(body.file);
    options.signal?.throwIfAborted();
    const current = this.#objects.get(uri);
    if (options.ifNoneMatch === "*" && current !== undefined) throw conflict(uri, "It exists already.");
    if (options.ifMatch !== undefined && current?.info.etag !== options.ifMatch) throw conflict(uri, "It has changed since it was read.");
    if (!this.#objects.has(uri)) this.#keys.add(uri);
    this.#version += 1;
    const etag = `v${this.#version}`;
    const modifiedAt = new Date(this.#clock.now()).toISOString();
    this.#objects.set(uri, { bytes, info: { uri, sizeBytes: bytes.byteLength, etag, modifiedAt } });
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
    return Uint8Array.from(found.bytes.subarray(start, Math.max(start, options.range?.end ?? found.bytes.byteLength)));
  }

  async head(uri: string, options: { signal?: AbortSignal | undefined } = {}): Promise<ObjectInfo | undefined> {
    options.signal?.throwIfAborted();
    const found = this.#objects.get(at(uri));
    return found && { ...found.info };
  }

  async *list(uri: string, options: { after?: string | undefined; signal?: AbortSignal | undefined } = {}): AsyncGenerator<ObjectInfo> {
    for (const key of this.#keys.below(uri, options.after)) {
      options.signal?.throwIfAborted();
      const found = this.#objects.get(key);
      if (found !== undefined) yield { ...found.info };
    }
  }

  async delete(uri: string): Promise<void> {
    if (this.#objects.delete(at(uri))) this.#keys.delete(uri);
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

async function contentOf(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new StorageError({
      what: `${file} cannot be read.`,
      fix: ["Check the path and its permissions."],
      context: { path: file },
      cause,
    });
  }
}

function conflict(uri: string, why: string): ConflictError {
  return new ConflictError({ what: `${uri} was not written.`, why, fix: ["Read the object again and decide anew."], context: { uri } });
}
