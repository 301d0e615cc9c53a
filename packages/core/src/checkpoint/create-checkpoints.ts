import { NotFoundError, ValidationError } from "../errors/kinds.ts";
import { errorKind } from "../errors/runctl-error.ts";
import type { ObjectStore } from "../provider/object-store.ts";
import { parseDuration } from "../spec/units.ts";
import { compareBytes } from "../util/byte-order.ts";
import type { Clock } from "../util/clock.ts";
import type { CheckpointInfo, CheckpointKeep, Checkpoints } from "./checkpoints.ts";
import { type CheckpointUnit, findUnits } from "./formats/layout.ts";
import { judgeUnit } from "./formats/unit.ts";
import { recommendInterval } from "./interval.ts";
import { type CheckpointPlace, openBeside, openPlace } from "./place.ts";
import { pruneFolder } from "./prune-folder.ts";
import { prunePublished } from "./prune-published.ts";
import { readPublished } from "./published.ts";
import { infoOfPublished, infoOfRejected, publishedAt, runAt, verifyPublished } from "./published-at.ts";

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
