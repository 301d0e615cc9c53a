import { errorKind } from "../errors/runctl-error.ts";
import type { ObjectInfo, ObjectStore } from "../provider/object-store.ts";
import { asFolder, isPlainKey, keyBelow } from "../storage/location.ts";
import { compareBytes } from "../util/byte-order.ts";
import { sha256Hex } from "../util/hash.ts";
import { canonicalJson } from "../util/json.ts";
import type { CheckpointRef } from "./checkpoint-ref.ts";
import { type PublishedManifest, publishedManifestSchema } from "./published-manifest.ts";

/** A manifest as it stands in a run's store. */
export interface PublishedCheckpoint {
  manifestUri: string;
  manifest: PublishedManifest;
  ref: CheckpointRef;
}

/** What the highest LATEST version says. A hint and a claim; manifests are the truth. */
export interface LatestRecord {
  claimedBy: number;
  attempt: number | null;
  seq: number | null;
  manifest: string | null;
  /** What the claiming attempt resumed from. */
  base: { attempt: number; seq: number } | null;
}

/** Everything below a run's `ckpt/`, from one listing. */
export interface PublishedListing {
  /** Folder URI `<run>/ckpt/`. */
  uri: string;
  /** Newest (attempt, seq) first. */
  good: PublishedCheckpoint[];
  rejected: Array<{ path: string; reason: string }>;
  latest: LatestRecord | undefined;
  /** Every object by its raw key below `uri`. */
  objects: Map<string, ObjectInfo>;
}

/** One digest for a checkpoint: SHA-256 of the canonical JSON of its files, [{path, sha256, size}, …] by path in byte order. */
export function fileListDigest(files: ReadonlyArray<{ path: string; size: number; sha256: string }>): string {
  const sorted = [...files].sort((a, b) => compareBytes(a.path, b.path));
  return sha256Hex(canonicalJson(sorted.map(({ path, size, sha256 }) => ({ path, size, sha256 }))));
}

/** The reference that events and results carry, for the manifest at `manifestUri` (".../<attempt>/<seq>/manifest.json"). */
export function manifestToRef(manifestUri: string, manifest: PublishedManifest): CheckpointRef {
  return {
    path: manifest.path,
    location: `${manifestUri.slice(0, manifestUri.lastIndexOf("/") + 1)}files/`,
    attempt: manifest.attempt,
    seq: manifest.seq,
    step: manifest.step ?? undefined,
    sizeBytes: manifest.sizeBytes,
    sha256: manifest.sha256,
    grade: manifest.grade,
    format: manifest.format,
    publishedAt: manifest.createdAt,
  };
}

/** Inverse of `manifestToRef`'s location: where a published checkpoint's manifest is. */
export function manifestUriOf(ref: CheckpointRef): string {
  return ref.location.replace(/files\/$/, "manifest.json");
}

/** Reads all of a run's published checkpoints. `runUri` is the run's folder, `<store>/runs/<run id>/`. Rejects only when the store fails. */
export async function readPublished(
  store: ObjectStore,
  runUri: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<PublishedListing> {
  const uri = `${asFolder(runUri)}ckpt/`;
  const runId = keyBelow(parentOf(runUri), asFolder(runUri).slice(0, -1));
  const objects = new Map<string, ObjectInfo>();
  for await (const object of store.list(uri, options)) objects.set(keyBelow(uri, object.uri), object);
  const places: Array<{ key: string; attempt: number; seq: number }> = [];
  let latestKey: string | undefined;
  for (const key of objects.keys()) {
    const place = /^([0-9]+)\/([0-9]{6,})\/manifest\.json$/.exec(key);
    if (place !== null) places.push({ key, attempt: Number(place[1]), seq: Number(place[2]) });
    if (/^LATEST\.[0-9]{10}$/.test(key) && (latestKey === undefined || key > latestKey)) latestKey = key;
  }
  places.sort((a, b) => b.attempt - a.attempt || b.seq - a.seq);
  const listing: PublishedListing = { uri, good: [], rejected: [], latest: undefined, objects };
  const read = async (key: string): Promise<unknown> => {
    const object = objects.get(key);
    return object === undefined ? undefined : await readJson(store, object.uri, options);
  };
  listing.latest = latestKey === undefined ? undefined : latestOf(await read(latestKey));
  for (let at = 0; at < places.length; at += READS_AT_ONCE) {
    const batch = places.slice(at, at + READS_AT_ONCE);
    const values = await Promise.all(batch.map((place) => read(place.key)));
    batch.forEach((place, i) => {
      const parsed = publishedManifestSchema.safeParse(values[i]);
      const reason = parsed.success ? whyNot(parsed.data, place, runId, objects) : "its manifest is not a valid one";
      const manifestUri = objects.get(place.key)?.uri ?? "";
      if (parsed.success && reason === undefined) {
        listing.good.push({ manifestUri, manifest: parsed.data, ref: manifestToRef(manifestUri, parsed.data) });
      } else {
        listing.rejected.push({ path: parsed.success ? parsed.data.path : place.key, reason: reason ?? "" });
      }
    });
  }
  return listing;
}

const READS_AT_ONCE = 8;

function parentOf(uri: string): string {
  const folder = asFolder(uri).slice(0, -1);
  return folder.slice(0, folder.lastIndexOf("/") + 1);
}

async function readJson(store: ObjectStore, uri: string, options: { signal?: AbortSignal | undefined }): Promise<unknown> {
  try {
    return JSON.parse(new TextDecoder().decode(await store.get(uri, options)));
  } catch (error) {
    // Pruned since the listing, or damaged; anything else is the store's own failure.
    if (error instanceof SyntaxError || errorKind(error) === "not-found") return undefined;
    throw error;
  }
}

function latestOf(value: unknown): LatestRecord | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const record = value as Record<string, unknown>;
  const number = (item: unknown): number | null => (typeof item === "number" && Number.isSafeInteger(item) ? item : null);
  const base = typeof record.base === "object" && record.base !== null ? (record.base as Record<string, unknown>) : undefined;
  const attempt = number(base?.attempt);
  const seq = number(base?.seq);
  return {
    claimedBy: number(record.claimedBy) ?? 0,
    attempt: number(record.attempt),
    seq: number(record.seq),
    manifest: typeof record.manifest === "string" ? record.manifest : null,
    base: attempt === null || seq === null ? null : { attempt, seq },
  };
}

function whyNot(
  manifest: PublishedManifest,
  place: { key: string; attempt: number; seq: number },
  runId: string,
  objects: ReadonlyMap<string, ObjectInfo>,
): string | undefined {
  if (manifest.run !== runId) return `it belongs to run ${manifest.run}`;
  if (manifest.attempt !== place.attempt || manifest.seq !== place.seq) return "its manifest was made for another place";
  if (manifest.path !== "." && !isPlainKey(manifest.path)) return "its manifest's path is not plain";
  if (manifest.files.length === 0) return "it has no files";
  if (fileListDigest(manifest.files) !== manifest.sha256) return "its manifest does not match its own digest";
  const folder = place.key.replace(/manifest\.json$/, "files/");
  for (const file of manifest.files) {
    if (!isPlainKey(file.path)) return "its manifest names a file that is not plain";
    const held = objects.get(folder + file.path);
    if (held === undefined) return `${file.path} is missing in the store`;
    if (held.sizeBytes !== file.size) return `${file.path} has ${held.sizeBytes} bytes instead of ${file.size}`;
  }
  return undefined;
}

/** A run's good published checkpoints, oldest first. Rejects only when the store fails. */
export async function listPublished(
  store: ObjectStore,
  runUri: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<CheckpointRef[]> {
  return (await readPublished(store, runUri, options)).good.map((found) => found.ref).reverse();
}

/**
 * What a new attempt may resume from, best first: newest (attempt, seq) first; what an attempt published after a newer one had claimed the
 * run comes last (P-27), never thrown away. The host checks hashes and falls back in this order. `rejected` says why others are left out.
 */
export async function selectResume(
  store: ObjectStore,
  runUri: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<{ candidates: CheckpointRef[]; rejected: Array<{ path: string; reason: string }> }> {
  const listing = await readPublished(store, runUri, options);
  const { latest } = listing;
  const isLate = (ref: CheckpointRef): boolean => {
    if (latest === undefined || ref.attempt >= latest.claimedBy) return false;
    const { base } = latest;
    return base === null || ref.attempt > base.attempt || (ref.attempt === base.attempt && ref.seq > base.seq);
  };
  const refs = listing.good.map((found) => found.ref);
  return {
    candidates: [...refs.filter((ref) => !isLate(ref)), ...refs.filter(isLate)],
    rejected: listing.rejected,
  };
}
