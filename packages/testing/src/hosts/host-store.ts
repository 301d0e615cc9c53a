import { errorKind, type HostAccess, type ObjectStore, StorageError } from "@runctl/core/provider";
import { encodeSegment, pathToFileUri } from "@runctl/core/seams";

/** The store failed or cannot be reached; the outcome of a write is unknown. */
export class StoreFailure extends Error {}
/** No such object. */
export class MissingObject extends Error {}
/** Create-only, and the object exists. */
export class ObjectExists extends Error {}

interface Access {
  prefix: string;
  access: Omit<HostAccess, "secrets">;
}

/** The machine's way to the world: whether there is one, and what comes back while there is power. */
export interface HostNetwork {
  isOnline(): boolean;
  /** Delivers an outcome only while the machine lives. */
  reply<T>(work: Promise<T>): Promise<T>;
}

/** A store as the agent on a machine sees it: by keys, through the machine's network. What is asked of it never answers a machine that lost its power. */
export class HostStore {
  readonly kind: string;
  readonly #store: ObjectStore;
  readonly #base: string;
  readonly #encode: boolean;
  readonly #network: HostNetwork;

  constructor(store: ObjectStore, base: string, kind: string, network: HostNetwork) {
    this.kind = kind;
    this.#store = store;
    this.#base = base;
    this.#encode = base.startsWith("file:");
    this.#network = network;
  }

  async put(key: string, body: string | Uint8Array, createOnly = false): Promise<void> {
    await this.#ask(() => this.#store.put(this.#uri(key), body, createOnly ? { ifNoneMatch: "*" } : {}));
  }

  get(key: string): Promise<Uint8Array> {
    return this.#ask(() => this.#store.get(this.#uri(key)));
  }

  async size(key: string): Promise<number | undefined> {
    return (await this.#ask(() => this.#store.head(this.#uri(key))))?.sizeBytes;
  }

  /** Keys that begin with `prefix`, in byte order; those after the key `after` where it is given. */
  async list(prefix: string, after?: string): Promise<Array<{ key: string; size: number }>> {
    return this.#ask(async () => {
      const found: Array<{ key: string; size: number }> = [];
      const options = after === undefined ? {} : { after: this.#uri(after) };
      for await (const object of this.#store.list(this.#uri(prefix), options)) {
        const rest = object.uri.slice(this.#base.length);
        found.push({ key: this.#encode ? rest.split("/").map(decodeURIComponent).join("/") : rest, size: object.sizeBytes });
      }
      return found;
    });
  }

  #uri(key: string): string {
    return this.#base + (this.#encode ? key.split("/").map(encodeSegment).join("/") : key);
  }

  async #ask<T>(call: () => Promise<T>): Promise<T> {
    if (!this.#network.isOnline()) throw new StoreFailure("the store cannot be reached: no route to host");
    try {
      return await this.#network.reply(call());
    } catch (error) {
      const kind = errorKind(error);
      const text = error instanceof Error ? error.message : String(error);
      if (kind === "not-found") throw new MissingObject(text);
      if (kind === "conflict") throw new ObjectExists(text);
      throw new StoreFailure(text);
    }
  }
}

/**
 * Opens what `stores[i]` of an attempt describes. A folder ("file") is reached by its own URI; of any other kind `settings.uri` says the
 * base URI of its keys, else it is `<scheme>://`.
 */
export function openHostStore(entry: Access, store: ObjectStore, network: HostNetwork): HostStore {
  const { kind, settings } = entry.access;
  let base = settings.uri ?? `${store.scheme}://`;
  if (kind === "file") {
    if (settings.root === undefined) throw new StorageError({ what: "A file store needs settings.root." });
    base = pathToFileUri(settings.root.replace(/\/?$/, "/"));
  } else if (settings.uri !== undefined && !base.endsWith("/")) {
    base += "/";
  }
  const prefix = base.startsWith("file:") ? entry.prefix.split("/").map(encodeSegment).join("/") : entry.prefix;
  return new HostStore(store, base + prefix, kind, network);
}
