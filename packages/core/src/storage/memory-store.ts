import { readFile } from "node:fs/promises";
import { ConflictError, NotFoundError, UnsupportedCapabilityError, ValidationError } from "../errors/kinds.ts";
import type { ObjectInfo, ObjectStore } from "../provider/object-store.ts";
import { compareBytes } from "../util/byte-order.ts";
import { type Clock, isoNow, systemClock } from "../util/clock.ts";
import { fileError } from "./file-errors.ts";

/**
 * Objects in this process's memory, scheme `memory`, for tests and dry runs: `memory://any/key`. Hosts cannot reach it
 * (`hostAccess` throws UnsupportedCapabilityError). Bodies are copied in and out, so nobody shares bytes by accident.
 */
export function memoryStore(options: { clock?: Clock | undefined } = {}): ObjectStore {
  const clock = options.clock ?? systemClock;
  const objects = new Map<string, { bytes: Uint8Array; info: ObjectInfo }>();
  let version = 0;

  function at(uri: string): string {
    if (uri.startsWith("memory://") && !uri.endsWith("/")) return uri;
    throw new ValidationError({
      what: `${JSON.stringify(uri)} is not an object of the memory store.`,
      fix: ['Use for example "memory://run/a.txt".'],
    });
  }
  function conflict(uri: string, why: string): ConflictError {
    return new ConflictError({ what: `${uri} was not written.`, why, fix: ["Read the object again and decide anew."], context: { uri } });
  }

  return {
    scheme: "memory",
    async put(uri, body, putOptions = {}) {
      at(uri);
      const bytes =
        typeof body === "string" ? Buffer.from(body) : body instanceof Uint8Array ? Uint8Array.from(body) : await bytesOf(body.file);
      putOptions.signal?.throwIfAborted();
      const current = objects.get(uri);
      if (putOptions.ifNoneMatch === "*" && current !== undefined) throw conflict(uri, "It exists already.");
      if (putOptions.ifMatch !== undefined && current?.info.etag !== putOptions.ifMatch)
        throw conflict(uri, "It has changed since it was read.");
      version += 1;
      const etag = `v${version}`;
      objects.set(uri, { bytes, info: { uri, sizeBytes: bytes.byteLength, etag, modifiedAt: isoNow(clock) } });
      return { etag };
    },
    async get(uri, getOptions = {}) {
      getOptions.signal?.throwIfAborted();
      const found = objects.get(at(uri));
      if (found === undefined) throw new NotFoundError({ what: `There is no object ${uri}.`, context: { uri } });
      const start = Math.max(0, getOptions.range?.start ?? 0);
      return Uint8Array.from(found.bytes.subarray(start, Math.max(start, getOptions.range?.end ?? found.bytes.byteLength)));
    },
    async head(uri, headOptions = {}) {
      headOptions.signal?.throwIfAborted();
      const found = objects.get(at(uri));
      return found && { ...found.info };
    },
    async *list(uri, listOptions = {}) {
      for (const key of [...objects.keys()].sort(compareBytes)) {
        listOptions.signal?.throwIfAborted();
        if (!key.startsWith(uri) || (listOptions.after !== undefined && compareBytes(key, listOptions.after) <= 0)) continue;
        const found = objects.get(key);
        if (found !== undefined) yield { ...found.info };
      }
    },
    async delete(uri) {
      objects.delete(at(uri));
    },
    async hostAccess(uri) {
      throw new UnsupportedCapabilityError({
        what: `${uri} is in this process's memory; a training host cannot reach it.`,
        fix: ["Use a file: or s3: store for runs."],
      });
    },
  };
}

async function bytesOf(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw fileError(error, "Reading", file);
  }
}
