import type { ObjectStore } from "../provider/object-store.ts";
import { type PublishedCheckpoint, readPublished } from "./published.ts";
import { type KeepRules, planRetention } from "./retention.ts";

/** What pruning removed, or would remove. */
export interface PruneReport {
  dryRun: boolean;
  removed: Array<{ path: string; location: string; sizeBytes: number }>;
  kept: Array<{ path: string; location: string; why: string[] }>;
  freedBytes: number;
}

/** LATEST versions that stay: enough that a reader between list and get still finds the one it saw. */
const LATEST_TAIL = 10;

/**
 * Removes published checkpoints that no rule keeps: each manifest first, then its files, so that half a removal is never taken for a
 * checkpoint. Only the holder of the run's lease may call it. Kept whatever the rules say: what the claiming attempt resumed from, what LATEST
 * names, the newest, the newest verified and `inUse` (locations). Also sweeps uploads without manifest of attempts that are over, and old LATEST
 * versions. Objects that are not checkpoints are never touched.
 */
export async function prunePublished(
  store: ObjectStore,
  runUri: string,
  keep: KeepRules,
  options: { inUse?: readonly string[] | undefined; dryRun?: boolean | undefined; signal?: AbortSignal | undefined } = {},
): Promise<PruneReport> {
  const listing = await readPublished(store, runUri, options);
  const { latest, uri, objects } = listing;
  const protectedLocations = new Set(options.inUse ?? []);
  for (const { ref } of listing.good) {
    const isBase = latest?.base?.attempt === ref.attempt && latest.base.seq === ref.seq;
    const isLatest = latest?.attempt === ref.attempt && latest.seq === ref.seq;
    if (isBase || isLatest) protectedLocations.add(ref.location);
  }
  const plan = planRetention(
    listing.good.map(({ ref, manifest }) => ({
      id: ref.location,
      at: Date.parse(ref.publishedAt),
      verified: ref.grade === "verified",
      good: true,
      metrics: manifest.metrics,
    })),
    keep,
    protectedLocations,
  );
  const going = listing.good.filter(({ ref }) => plan.remove.includes(ref.location));
  const dryRun = options.dryRun ?? false;
  if (!dryRun) {
    for (const found of going) await remove(store, found, options.signal);
    await sweep(store, uri, objects, latest?.claimedBy ?? 0, options.signal);
  }
  return {
    dryRun,
    removed: going.map(({ ref }) => ({ path: ref.path, location: ref.location, sizeBytes: ref.sizeBytes })),
    kept: listing.good.flatMap(({ ref }) => {
      const why = plan.keep.get(ref.location);
      return why === undefined ? [] : [{ path: ref.path, location: ref.location, why }];
    }),
    freedBytes: going.reduce((sum, { ref }) => sum + ref.sizeBytes, 0),
  };
}

async function remove(store: ObjectStore, found: PublishedCheckpoint, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await store.delete(found.manifestUri);
  for await (const object of store.list(found.ref.location, { signal })) await store.delete(object.uri);
}

async function sweep(
  store: ObjectStore,
  uri: string,
  objects: ReadonlyMap<string, { uri: string }>,
  claimedBy: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const versions = [...objects.keys()].filter((key) => /^LATEST\.[0-9]{10}$/.test(key)).sort();
  const old = versions.slice(0, Math.max(0, versions.length - LATEST_TAIL));
  const left = [...objects.keys()].filter((key) => {
    const place = /^([0-9]+)\/([0-9]{6,})\/files\//.exec(key);
    return place !== null && Number(place[1]) < claimedBy && !objects.has(`${place[1]}/${place[2]}/manifest.json`);
  });
  for (const key of [...old, ...left]) {
    signal?.throwIfAborted();
    const object = objects.get(key);
    if (object?.uri.startsWith(uri) === true) await store.delete(object.uri);
  }
}
