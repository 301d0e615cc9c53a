import { compareBytes } from "../../util/byte-order.ts";
import { judgeFile } from "./file.ts";
import type { CheckpointUnit } from "./layout.ts";
import { baseName, extension, INDEX_JSON, joinPath, SHARD_OF, stem, WEIGHT_EXTENSIONS } from "./names.ts";
import { type CheckpointTree, MAX_READ, type Verdict } from "./verdict.ts";

// What checkpoints of several files have in common: their files, shards, indexes and ranks.

/** The folder that a unit's files are below; "" for the root. */
export function unitBase(unit: CheckpointUnit): string {
  return unit.path === "." ? "" : unit.path;
}

/** A file's path as seen from inside a folder checkpoint. */
export function insideUnit(unit: CheckpointUnit, path: string): string {
  return unit.kind === "dir" && unit.path !== "." ? path.slice(unit.path.length + 1) : path;
}

/** The verdict on one file of a tree. */
export function judgePath(tree: CheckpointTree, path: string): Promise<Verdict> {
  return judgeFile(baseName(path), tree.sizes.get(path) ?? 0, (offset, length) => tree.read(path, offset, length));
}

/** A small file's bytes; undefined when it is not there or larger than `limit`. */
export async function readSmall(tree: CheckpointTree, path: string, limit = MAX_READ): Promise<Uint8Array | undefined> {
  const size = tree.sizes.get(path);
  return size === undefined || size > limit ? undefined : await tree.read(path, 0, size);
}

/** The first torn or foreign file with its reason, and whether every file was proven whole. */
export async function firstBad(
  tree: CheckpointTree,
  paths: readonly string[],
  unit: CheckpointUnit,
): Promise<{ bad?: string; whole: boolean }> {
  let whole = true;
  for (const path of paths) {
    const name = baseName(path);
    if (!WEIGHT_EXTENSIONS.has(extension(name)) && !name.endsWith(".json")) continue;
    const verdict = await judgePath(tree, path);
    if (verdict.status === "torn" || verdict.status === "foreign")
      return { bad: `${insideUnit(unit, path)}: ${verdict.reason}`, whole: false };
    whole = whole && verdict.status === "complete";
  }
  return { whole };
}

/** What is missing of ranks 0 to the highest seen, or to `expected`. */
export function rankGap(found: ReadonlySet<number>, expected: number | undefined, what: string): string | undefined {
  const count = Math.max(found.size === 0 ? 0 : Math.max(...found) + 1, expected ?? 0);
  for (let rank = 0; rank < Math.min(count, 1_000_000); rank += 1) {
    if (!found.has(rank)) return `it has ${what} of ${found.size} of ${count} ranks, rank ${rank} is missing`;
  }
  return undefined;
}

/** What a `*.index.json` names and is not there. */
export async function indexGap(tree: CheckpointTree, index: string): Promise<string | undefined> {
  const folder = index.slice(0, Math.max(0, index.lastIndexOf("/")));
  let weightMap: unknown;
  try {
    const raw = await readSmall(tree, index);
    const value: unknown = raw === undefined ? undefined : JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(raw));
    weightMap = typeof value === "object" && value !== null ? (value as { weight_map?: unknown }).weight_map : undefined;
  } catch {
    weightMap = undefined;
  }
  if (typeof weightMap !== "object" || weightMap === null || Array.isArray(weightMap)) {
    return `its index ${baseName(index)} has no weight_map`;
  }
  for (const shard of [...new Set(Object.values(weightMap).map(String))].sort(compareBytes)) {
    if (shard.includes("/") || ["", ".", ".."].includes(shard)) return "its index names a file outside its folder";
    if (!tree.sizes.has(joinPath(folder, shard))) return `${shard} of its index is missing`;
  }
  return undefined;
}

/** Names like model-00001-of-00003.bin: all three must be there, counted from 0 or from 1. */
export function shardGap(paths: readonly string[]): string | undefined {
  const groups = new Map<string, { count: number; numbers: Set<number> }>();
  for (const path of paths) {
    const found = SHARD_OF.exec(path);
    if (found === null) continue;
    const count = Number(found[3]);
    const key = `${found[1]}\n${count}\n${found[4]}`;
    const group = groups.get(key) ?? { count, numbers: new Set<number>() };
    group.numbers.add(Number(found[2]));
    groups.set(key, group);
  }
  for (const key of [...groups.keys()].sort(compareBytes)) {
    const group = groups.get(key);
    if (group !== undefined && group.numbers.size < group.count) return `it has ${group.numbers.size} of ${group.count} shards`;
  }
  return undefined;
}

/** A file that holds model weights rather than states of the optimizer or random generators. */
export function isWeights(path: string): boolean {
  const name = baseName(path);
  if (!WEIGHT_EXTENSIONS.has(extension(name))) return false;
  const own = stem(name);
  if (["optimizer", "scheduler", "scaler", "training_args", "trainer_state", "sampler"].includes(own)) return false;
  return !["rng_state", "random_states", "optimizer_", "scheduler_"].some((prefix) => own.startsWith(prefix));
}

/** The ranks in names like rng_state_3.pth directly in the unit's folder. */
export function ranksIn(unit: CheckpointUnit, prefix: string): Set<number> {
  const start = joinPath(unitBase(unit), prefix);
  const found = new Set<number>();
  for (const path of unit.files) {
    const digits = path.startsWith(start) ? path.slice(start.length).split(".")[0] : undefined;
    if (digits !== undefined && /^[0-9]+$/.test(digits)) found.add(Number(digits));
  }
  return found;
}

/** Does the unit hold a `*.index.json`, by path. */
export function isIndex(path: string): boolean {
  return INDEX_JSON.test(baseName(path));
}
