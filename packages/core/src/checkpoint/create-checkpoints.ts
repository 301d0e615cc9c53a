import { NotFoundError, ValidationError } from "../errors/kinds.ts";
import { errorKind } from "../errors/runctl-error.ts";
import type { ObjectStore } from "../provider/object-store.ts";
import { parseDuration } from "../spec/units.ts";
import { asFolder, joinKey, keyBelow, toUri } from "../storage/location.ts";
import { compareBytes } from "../util/byte-order.ts";
import type { Clock } from "../util/clock.ts";
import type { CheckpointInfo, CheckpointKeep, Checkpoints } from "./checkpoints.ts";
import { type CheckpointUnit, findUnits } from "./formats/layout.ts";
import { judgeUnit } from "./formats/unit.ts";
import { recommendInterval } from "./interval.ts";
import { type CheckpointPlace, hashObject, openBeside, openPlace } from "./place.ts";
import { type PruneReport, prunePublished } from "./prune-published.ts";
import { manifestToRef, type PublishedCheckpoint, readPublished } from "./published.ts";
import { publishedManifestSchema } from "./published-manifest.ts";
import { planRetention } from "./retention.ts";

interface Options {
  signal?: AbortSignal | undefined;
}

/** The building block `runctl.checkpoints`. `store` finds the object store of a URI and throws when nobody serves its scheme. */
export function createCheckpoints(deps: { store(uri: string): ObjectStore; clock: Clock }): Checkpoints {
  const storeOf = (uri: string): ObjectStore => deps.store(uri);

  async function list(location: string, options: Options = {}): Promise<CheckpointInfo[]> {
    const run = await runAt(storeOf, location, options);
    if (run !== undefined) {
      const { good, rejected } = await readPublished(storeOf(run), run, options);
      return [...good.map(infoOfPublished), ...rejected.map((item) => infoOfRejected(run, item))];
    }
    return infosOf(await openPlace(storeOf, location, options), options);
  }

  async function inspect(location: string, options: Options = {}): Promise<CheckpointInfo> {
    const published = await publishedAt(storeOf, location, options);
    if (published !== undefined) return infoOfPublished(published);
    const { place, name } = await openBeside(storeOf, location, options);
    const units = findUnits(place.tree.sizes.keys());
    const unit = unitNamed(units, name, place);
    return infoOf(place, unit, await previousWorld(place, units, unit));
  }

  return {
    list,
    inspect,
    recommendInterval,
    async verify(location, options = {}) {
      const published = await publishedAt(storeOf, location, options);
      if (published === undefined) {
        const { status, format, reason, files } = await inspect(location, options);
        return { status, format, ...(reason === undefined ? {} : { reason }), files };
      }
      return verifyPublished(storeOf, published, options);
    },
    async latest(location, options = {}) {
      const rejected: Array<{ path: string; reason: string }> = [];
      for (const info of await list(location, options)) {
        if (info.status === "complete" || info.status === "unknown") return { checkpoint: info, rejected };
        rejected.push({ path: info.path, reason: info.reason ?? info.status });
      }
      return { rejected };
    },
    async prune(location, keep, options = {}) {
      const rules = {
        last: lastOf(keep),
        everyMs: keep.every === undefined ? undefined : parseDuration(keep.every, "keep.every"),
        best: keep.best,
      };
      const run = await runAt(storeOf, location, options);
      if (run !== undefined) return prunePublished(storeOf(run), run, rules, options);
      const place = await openPlace(storeOf, location, options);
      return pruneFolder(place, await infosOf(place, options), rules, options);
    },
  };
}

function lastOf(keep: CheckpointKeep): number | undefined {
  if (keep.last === undefined || (Number.isSafeInteger(keep.last) && keep.last >= 0)) return keep.last;
  throw new ValidationError({
    what: `keep.last must be a whole number of checkpoints, not ${String(keep.last)} (${typeof keep.last}).`,
    fix: ["For example { last: 10 }."],
  });
}

/** The run's folder when the location is a run's folder or its `ckpt/`. */
async function runAt(storeOf: (uri: string) => ObjectStore, location: string, options: Options): Promise<string | undefined> {
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
async function publishedAt(
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

async function verifyPublished(
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

function infoOfPublished({ ref, manifest }: PublishedCheckpoint): CheckpointInfo {
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

function infoOfRejected(run: string, item: { path: string; reason: string }): CheckpointInfo {
  const nothing = { sizeBytes: 0, files: [], savedAt: "1970-01-01T00:00:00.000Z" };
  const status = item.reason.startsWith("it belongs to run") ? "foreign" : "torn";
  return { path: item.path, location: `${run}ckpt/`, kind: "file", format: "unknown", status, reason: item.reason, ...nothing };
}

const READS_AT_ONCE = 16;

async function infosOf(place: CheckpointPlace, options: Options): Promise<CheckpointInfo[]> {
  const units = findUnits(place.tree.sizes.keys());
  const infos: CheckpointInfo[] = [];
  const saved = new Map(units.map((unit) => [unit.path, Math.max(...unit.files.map((file) => place.modifiedMs(file)))]));
  const oldestFirst = [...units].sort((a, b) => (saved.get(a.path) ?? 0) - (saved.get(b.path) ?? 0));
  const worlds = new Map<string, number>();
  // Single files do not depend on each other; a folder with 10,000 of them is read several at a time.
  const single = oldestFirst.filter((unit) => unit.format === "file");
  for (let at = 0; at < single.length; at += READS_AT_ONCE) {
    options.signal?.throwIfAborted();
    const batch = await Promise.all(single.slice(at, at + READS_AT_ONCE).map((unit) => judged(place, unit, undefined)));
    for (const { info } of batch) infos.push(info);
  }
  for (const unit of oldestFirst) {
    if (unit.format === "file") continue;
    options.signal?.throwIfAborted();
    const { info, world } = await judged(place, unit, worlds.get(unit.format));
    if (world !== undefined && (info.status === "complete" || !worlds.has(unit.format))) worlds.set(unit.format, world);
    infos.push(info);
  }
  return infos.sort(
    (a, b) => Date.parse(b.savedAt) - Date.parse(a.savedAt) || (b.step ?? -1) - (a.step ?? -1) || compareBytes(b.path, a.path),
  );
}

async function judged(
  place: CheckpointPlace,
  unit: CheckpointUnit,
  expected: number | undefined,
): Promise<{ info: CheckpointInfo; world?: number | undefined }> {
  const verdict = await judgeUnit(unit, place.tree, expected).catch((error: unknown) => {
    // Deleted or unreadable: a fact about this checkpoint, not a failure of the listing.
    const code = (error as { code?: unknown } | null)?.code;
    if (code !== "ENOENT" && code !== "EACCES" && code !== "EIO" && errorKind(error) !== "not-found") throw error;
    return {
      status: "torn" as const,
      format: unit.format as string,
      reason: `it cannot be read (${String(code)})`,
      step: undefined,
      world: undefined,
    };
  });
  const files = unit.files.map((path) => ({ path, sizeBytes: place.tree.sizes.get(path) ?? 0 }));
  return {
    world: verdict.world,
    info: {
      path: unit.path,
      location: place.location(unit.path),
      kind: unit.kind,
      format: verdict.format,
      status: verdict.status,
      ...(verdict.reason === undefined ? {} : { reason: verdict.reason }),
      ...(verdict.step === undefined ? {} : { step: verdict.step }),
      sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
      files,
      savedAt: isoOfMs(Math.max(...unit.files.map((path) => place.modifiedMs(path)))),
    },
  };
}

function isoOfMs(ms: number): string {
  // A clock that jumped can leave times that no Date holds.
  const date = new Date(Math.min(8.64e15, Math.max(-62_135_596_800_000, ms)));
  return date.toISOString();
}

async function infoOf(place: CheckpointPlace, unit: CheckpointUnit, expected: number | undefined): Promise<CheckpointInfo> {
  return (await judged(place, unit, expected)).info;
}

async function previousWorld(place: CheckpointPlace, units: CheckpointUnit[], unit: CheckpointUnit): Promise<number | undefined> {
  if (unit.format !== "composer") return undefined;
  const worlds = await Promise.all(units.filter((u) => u !== unit && u.format === unit.format).map((u) => judgeUnit(u, place.tree)));
  const found = worlds.flatMap((verdict) => verdict.world ?? []);
  return found.length === 0 ? undefined : Math.max(...found);
}

function unitNamed(units: CheckpointUnit[], name: string, place: CheckpointPlace): CheckpointUnit {
  const exact = units.find((unit) => unit.path === name) ?? units.find((unit) => unit.files.includes(name));
  if (exact !== undefined) return exact;
  const below = units.filter((unit) => unit.path.startsWith(`${name}/`));
  if (below.length === 1 && below[0] !== undefined) return below[0];
  if (below.length > 1) {
    throw new ValidationError({
      what: `${place.location(name)} holds ${below.length} checkpoints, not one.`,
      fix: ["Use list() or latest() for it, or name one of them."],
    });
  }
  // A file that find would pass over (a log, a temporary name) is judged as it is when it is asked for.
  if (place.tree.sizes.has(name)) return { path: name, kind: "file", format: "file", files: [name] };
  const inside = [...place.tree.sizes.keys()].filter((path) => path.startsWith(`${name}/`));
  if (inside.length > 0) return { path: name, kind: "dir", format: "folder", files: inside.sort(compareBytes) };
  throw new NotFoundError({ what: `There is no checkpoint at ${place.location(name)}.`, fix: ["Use list() to see what is there."] });
}

async function pruneFolder(
  place: CheckpointPlace,
  infos: CheckpointInfo[],
  rules: Parameters<typeof planRetention>[1],
  options: { dryRun?: boolean | undefined; inUse?: readonly string[] | undefined; signal?: AbortSignal | undefined },
): Promise<PruneReport> {
  const named = new Set(options.inUse ?? []);
  const inUse = new Set(
    infos.filter((info) => named.has(info.path) || named.has(info.location) || named.has(plain(info.location))).map((i) => i.path),
  );
  const plan = planRetention(
    infos.map((info) => ({
      id: info.path,
      at: Date.parse(info.savedAt),
      verified: info.status === "complete",
      good: info.status === "complete" || info.status === "unknown",
      metrics: info.metrics,
    })),
    rules,
    inUse,
  );
  const remove = new Set(plan.remove);
  const going = infos.filter((info) => remove.has(info.path));
  const dryRun = options.dryRun ?? false;
  if (!dryRun) {
    for (const info of going) {
      options.signal?.throwIfAborted();
      // Markers first: half a removal must not look like a checkpoint.
      for (const file of [...info.files].sort((a, b) => rank(a.path) - rank(b.path))) await place.remove(file.path);
      if (info.kind === "dir") await place.removeEmpty(info.path);
    }
  }
  const brief = (info: CheckpointInfo): { path: string; location: string; sizeBytes: number } => ({
    path: info.path,
    location: info.location,
    sizeBytes: info.sizeBytes,
  });
  return {
    dryRun,
    removed: going.map(brief),
    kept: infos.flatMap((info) => {
      const why = plan.keep.get(info.path);
      return why === undefined ? [] : [{ path: info.path, location: info.location, why }];
    }),
    freedBytes: going.reduce((sum, info) => sum + info.sizeBytes, 0),
  };
}

const MARKER =
  /(?:^|\/)(?:trainer_state\.json|\.metadata|_CHECKPOINT_METADATA|commit_success\.txt|random_states_0\.pkl|[^/]*\.index(?:\.json)?)$/;

function rank(path: string): number {
  return MARKER.test(path) ? 0 : 1;
}

function plain(location: string): string {
  return location.startsWith("file://") ? decodeURIComponent(location.slice(7)).replace(/\/$/, "") : location;
}
