import { ConfigurationError, ValidationError } from "../errors/kinds.ts";
import type { ObjectStore } from "../provider/object-store.ts";
import { fileStore } from "./file-store.ts";
import { schemeOf, toUri } from "./location.ts";

/** Finds the store of a location. */
export interface StoreRegistry {
  /** Schemes present, sorted. */
  readonly schemes: readonly string[];
  /** Location (plain path, `file://…`, `s3://…`) to its store and URI. Plain paths are relative to `base`, default the working directory. Throws ValidationError when no store has the scheme. */
  resolve(location: string, base?: string | undefined): { store: ObjectStore; uri: string };
  /** The store of a URI. */
  storeOf(uri: string): ObjectStore;
}

/** A registry of stores, `file:` built in unless one is given. Throws ConfigurationError for two stores of one scheme. */
export function createStoreRegistry(stores: readonly ObjectStore[]): StoreRegistry {
  const byScheme = new Map<string, ObjectStore>();
  for (const store of stores) {
    if (byScheme.has(store.scheme)) {
      throw new ConfigurationError({
        what: `Two object stores have the scheme "${store.scheme}".`,
        why: "A location must lead to exactly one store.",
        fix: ["Pass only one of them in `stores`; providers may bring theirs too."],
      });
    }
    byScheme.set(store.scheme, store);
  }
  if (!byScheme.has("file")) byScheme.set("file", fileStore());
  const schemes = [...byScheme.keys()].sort();
  function storeOf(uri: string): ObjectStore {
    const scheme = schemeOf(uri);
    const store = scheme === undefined ? undefined : byScheme.get(scheme);
    if (store !== undefined) return store;
    throw new ValidationError({
      what: `No object store for ${JSON.stringify(uri)}: the scheme ${JSON.stringify(scheme ?? "")} is unknown.`,
      why: `The stores present are: ${schemes.join(", ")}.`,
      fix: [
        scheme === "s3" ? "Add the aws provider, which brings the s3 store." : "Add a provider or a store that brings this scheme.",
        `Or use a location of one of these schemes: ${schemes.join(", ")}.`,
      ],
    });
  }
  return {
    schemes,
    storeOf,
    resolve(location, base) {
      const uri = toUri(location, base);
      return { store: storeOf(uri), uri };
    },
  };
}
