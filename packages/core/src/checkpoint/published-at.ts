import { errorKind } from "../errors/runctl-error.ts";
import type { ObjectStore } from "../provider/object-store.ts";
import { asFolder, joinKey, keyBelow, toUri } from "../storage/location.ts";
import type { CheckpointInfo, Checkpoints } from "./checkpoints.ts";
import { hashObject } from "./place.ts";
import { manifestToRef, type PublishedCheckpoint } from "./published.ts";
import { publishedManifestSchema } from "./published-manifest.ts";

// A location that is a run, or one published checkpoint of a run.

interface Options {
  signal?: AbortSignal | undefined;
}

/** The run's folder when the location is a run's folder or its `ckpt/`. */
export async function runAt(storeOf: (uri: string) => ObjectStore, location: string, options: Options): Promise<string | undefined> {
  const uri = asFolder(toUri(location));
  for (const run of uri.endsWith("/ckpt/") ? [uri.slice(0, -5)] : [uri]) {
    const ckpt = `${run}ckpt/`;
    for await (const object of storeOf(run).list(ckpt, options)) {
      const key = keyBelow(ckpt, object.uri);
      // A user's own folder named "ckpt" has no such names; one look at the first object is enough.
      return /^(LATEST\.[0-9]{10}|[0-9]+\/[0-9]{6,}\/.+)$/.test(key) ? run : undefined;
    }
  }
  return undefined;
}

/** The published checkpoint when the location is its folder or its `files/`. */
export async function publishedAt(
  storeOf: (uri: string) => ObjectStore,
  location: string,
  options: Options,
): Promise<PublishedCheckpoint | undefined> {
  const uri = asFolder(toUri(location)).replace(/files\/$/, "");
  if (!/\/[0-9]+\/[0-9]{6,}\/$/.test(uri)) return undefined;
  const manifestUri = `${uri}manifest.json`;
  try {
    const parsed = publishedManifestSchema.safeParse(JSON.parse(new TextDecoder().decode(await storeOf(uri).get(manifestUri, options))));
    if (!parsed.success) return undefined;
    return { manifestUri, manifest: parsed.data, ref: manifestToRef(manifestUri, parsed.data) };
  } catch (error) {
    if (error instanceof SyntaxError || errorKind(error) === "not-found") return undefined;
    throw error;
  }
}

/** Every byte of a published checkpoint against its manifest. */
export async function verifyPublished(
  storeOf: (uri: string) => ObjectStore,
  found: PublishedCheckpoint,
  options: Options,
): ReturnType<Checkpoints["verify"]> {
  const { manifest, ref } = found;
  const files = manifest.files.map((file) => ({ path: file.path, sizeBytes: file.size, sha256: file.sha256 }));
  const store = storeOf(ref.location);
  const run = /\/([^/]+)\/ckpt\/[0-9]+\/[0-9]+\/files\/$/.exec(ref.location)?.[1];
  if (run !== undefined && decodeURIComponent(run) !== manifest.run) {
    return { status: "foreign", format: ref.format, reason: `it belongs to run ${manifest.run}`, files };
  }
  for (const file of manifest.files) {
    options.signal?.throwIfAborted();
    const uri = joinKey(ref.location, file.path);
    const head = await store.head(uri, options);
    let reason: string | undefined;
    if (head === undefined) reason = `${file.path} is missing in the store`;
    else if (head.sizeBytes !== file.size) reason = `${file.path} has ${head.sizeBytes} bytes instead of ${file.size}`;
    else if ((await hashObject(store, uri, file.size, options.signal)) !== file.sha256) {
      reason = `${file.path} is not what was published: its SHA-256 differs`;
    }
    if (reason !== undefined) return { status: "torn", format: ref.format, reason, files };
  }
  const status = ref.grade === "verified" ? "complete" : "unknown";
  return { status, format: ref.format, ...(status === "unknown" ? { reason: SEALED } : {}), files };
}

const SEALED = "its bytes are as published; its format cannot show whether it was whole";

/** A published checkpoint as `list` shows it. */
export function infoOfPublished({ ref, manifest }: PublishedCheckpoint): CheckpointInfo {
  return {
    path: ref.path,
    location: ref.location,
    kind: manifest.kind,
    format: ref.format,
    status: ref.grade === "verified" ? "complete" : "unknown",
    ...(ref.grade === "verified" ? {} : { reason: SEALED }),
    step: ref.step,
    sizeBytes: ref.sizeBytes,
    files: manifest.files.map((file) => ({ path: file.path, sizeBytes: file.size, sha256: file.sha256 })),
    savedAt: ref.publishedAt,
    published: ref,
    metrics: manifest.metrics,
  };
}

/** One that cannot be used, with the reason. */
export function infoOfRejected(run: string, item: { path: string; reason: string }): CheckpointInfo {
  const nothing = { sizeBytes: 0, files: [], savedAt: "1970-01-01T00:00:00.000Z" };
  const status = item.reason.startsWith("it belongs to run") ? "foreign" : "torn";
  return { path: item.path, location: `${run}ckpt/`, kind: "file", format: "unknown", status, reason: item.reason, ...nothing };
}
