import { judgeByteCheckpoint, judgeDcp } from "./dcp.ts";
import { judgeDeepspeed } from "./deepspeed.ts";
import { type CheckpointUnit, dirFormat, filesBelow, folderTree, type UnitFormat } from "./layout.ts";
import { baseName, COMPOSER_FILE, joinPath, stepOf, TF_DATA } from "./names.ts";
import { firstBad, indexGap, insideUnit, isIndex, isWeights, judgePath, rankGap, ranksIn, readSmall, shardGap, unitBase } from "./parts.ts";
import { type CheckpointTree, complete, torn, unproven, type Verdict } from "./verdict.ts";

type Judge = (unit: CheckpointUnit, tree: CheckpointTree, expected: number | undefined) => Promise<Verdict>;

/**
 * The verdict on one checkpoint: the format's own marker, every shard, every rank. `expected` is the number of ranks that write
 * shards, when it is known from elsewhere (the save before, the launcher). The twin is agent/runctl_agent/ckpt/dirs.py.
 */
export async function judgeUnit(unit: CheckpointUnit, tree: CheckpointTree, expected?: number | undefined): Promise<Verdict> {
  let verdict: Verdict;
  try {
    verdict = await JUDGES[unit.format](unit, tree, expected);
  } catch (error) {
    // A read that came back short while the file changed.
    if (!(error instanceof RangeError)) throw error;
    verdict = torn(unit.format, "it changed while it was read");
  }
  return { ...verdict, step: stepOf(unit.path) ?? verdict.step };
}

async function sharded(unit: CheckpointUnit, tree: CheckpointTree): Promise<Verdict> {
  const format = unit.path.endsWith(".safetensors.index.json") ? "safetensors" : "pytorch";
  const reason = (await indexGap(tree, unit.path)) ?? (await firstBad(tree, unit.files, unit)).bad;
  return reason === undefined ? complete(format) : torn(format, reason);
}

async function shards(unit: CheckpointUnit, tree: CheckpointTree): Promise<Verdict> {
  const gap = shardGap(unit.files);
  if (gap !== undefined) return torn("shards", gap);
  const { bad, whole } = await firstBad(tree, unit.files, unit);
  if (bad !== undefined) return torn("shards", bad);
  return whole ? complete("shards") : unproven("shards", "its shards have no end mark that can be checked");
}

async function tensorflow(unit: CheckpointUnit, tree: CheckpointTree): Promise<Verdict> {
  const format = "tensorflow";
  const files = new Set(unit.files);
  let prefixes = [unit.path];
  if (unit.kind === "dir") {
    const base = unitBase(unit);
    if ((tree.sizes.get(joinPath(base, "saved_model.pb")) ?? 0) === 0) return torn(format, "saved_model.pb is empty");
    prefixes = unit.files.some((file) => `/${file}`.includes("/variables/")) ? [joinPath(base, "variables/variables")] : [];
  }
  for (const prefix of prefixes) {
    if (!files.has(`${prefix}.index`)) return torn(format, "its index file is missing");
    if ((tree.sizes.get(`${prefix}.index`) ?? 0) === 0) return torn(format, "its index file is empty");
    const data = unit.files.flatMap((file) => {
      const found = TF_DATA.exec(file);
      return found !== null && found[1] === prefix ? [Number(found[3])] : [];
    });
    if (data[0] === undefined) return torn(format, "its data files are missing");
    if (data.length < data[0]) return torn(format, `it has ${data.length} of ${data[0]} data files`);
  }
  return complete(format);
}

async function composer(unit: CheckpointUnit, tree: CheckpointTree, expected: number | undefined): Promise<Verdict> {
  const ranks = new Set<number>();
  for (const path of unit.files) {
    const found = COMPOSER_FILE.exec(baseName(path));
    if (found !== null) ranks.add(Number(found[2]));
  }
  const reason = rankGap(ranks, expected, "shards") ?? (await firstBad(tree, unit.files, unit)).bad;
  return { status: reason === undefined ? "complete" : "torn", format: "composer", reason, world: ranks.size };
}

/** Checkpoints of other formats inside a checkpoint folder. */
async function nested(
  unit: CheckpointUnit,
  tree: CheckpointTree,
  expected: number | undefined,
): Promise<{ bad?: string; whole: number; covered: Set<string> }> {
  const covered = new Set<string>();
  let whole = 0;
  let node = folderTree(unit.files);
  for (const part of unitBase(unit) === "" ? [] : unitBase(unit).split("/")) node = node.dirs.get(part) ?? node;
  const pending = [...node.dirs];
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    const [name, child] = next;
    const format = dirFormat(child, name);
    if (format === undefined || !["dcp", "deepspeed", "megatron", "orbax", "bytecheckpoint"].includes(format)) {
      pending.push(...child.dirs);
      continue;
    }
    const inner: CheckpointUnit = { path: child.path, kind: "dir", format, files: filesBelow(child) };
    for (const path of inner.files) covered.add(path);
    const verdict = format === "megatron" && hasMetadata(inner) ? await judgeDcp(inner, tree) : await JUDGES[format](inner, tree, expected);
    if (verdict.status === "torn") return { bad: `${insideUnit(unit, child.path)}: ${verdict.reason}`, whole, covered };
    if (verdict.status === "complete") whole += 1;
  }
  return { whole, covered };
}

function hasMetadata(unit: CheckpointUnit): boolean {
  return unit.files.includes(joinPath(unitBase(unit), ".metadata"));
}

/** What every folder must fulfil. */
async function common(
  unit: CheckpointUnit,
  tree: CheckpointTree,
  expected: number | undefined,
): Promise<{ reason?: string | undefined; nested: number; weights: boolean }> {
  const inner = await nested(unit, tree, expected);
  const own = unit.files.filter((path) => !inner.covered.has(path));
  let reason = inner.bad;
  if (reason === undefined) for (const path of own) if (isIndex(path)) reason ??= await indexGap(tree, path);
  reason ??= shardGap(own) ?? (await firstBad(tree, own, unit)).bad;
  return { reason, nested: inner.whole, weights: inner.whole > 0 || own.some(isWeights) };
}

async function hfTrainer(unit: CheckpointUnit, tree: CheckpointTree, expected: number | undefined): Promise<Verdict> {
  const format = "hf-trainer";
  const marker = joinPath(unitBase(unit), "trainer_state.json");
  if (!tree.sizes.has(marker)) return torn(format, "trainer_state.json, written last, is missing");
  const { reason: bad, weights } = await common(unit, tree, expected);
  const ranks = ranksIn(unit, "rng_state_");
  let reason = bad;
  if (reason === undefined && !weights) reason = "it has no weights";
  if (reason === undefined && ranks.size > 0) reason = rankGap(ranks, expected, "random states");
  const world = ranks.size === 0 ? undefined : ranks.size;
  if (reason !== undefined) return { ...torn(format, reason), world };
  return { ...complete(format), step: (await judgePath(tree, marker)).step, world };
}

async function accelerate(unit: CheckpointUnit, tree: CheckpointTree, expected: number | undefined): Promise<Verdict> {
  const { reason: bad, weights } = await common(unit, tree, expected);
  const ranks = ranksIn(unit, "random_states_");
  let reason = bad;
  if (reason === undefined && !weights) reason = "it has no weights";
  if (reason === undefined) {
    reason = ranks.size === 0 ? "it has no random states, which are written last" : rankGap(ranks, expected, "random states");
  }
  const world = ranks.size === 0 ? undefined : ranks.size;
  return { status: reason === undefined ? "complete" : "torn", format: "accelerate", reason, world };
}

async function megatron(unit: CheckpointUnit, tree: CheckpointTree, expected: number | undefined): Promise<Verdict> {
  const format = "megatron";
  const tracker = "latest_checkpointed_iteration.txt";
  const name = baseName(unit.path);
  const raw = await readSmall(tree, joinPath(unit.path.slice(0, Math.max(0, unit.path.lastIndexOf("/"))), tracker), 1024);
  if (raw === undefined) return torn(format, `${tracker}, written last, is missing`);
  const text = Buffer.from(raw)
    .toString("latin1")
    .replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, "");
  const number = /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
  if (number === undefined && text !== "release") return torn(format, `${tracker} holds no number`);
  if (name !== "release" && (number === undefined || number < Number(name.slice(5)))) return torn(format, `${tracker} still says ${text}`);
  if (hasMetadata(unit)) {
    const inner = await judgeDcp(unit, tree);
    if (inner.status === "torn") return torn(format, inner.reason ?? "torn");
  }
  const { reason: bad, weights } = await common(unit, tree, expected);
  const reason = bad ?? (weights || hasMetadata(unit) ? undefined : "it has no weights");
  return reason === undefined ? complete(format) : torn(format, reason);
}

async function orbax(unit: CheckpointUnit, tree: CheckpointTree): Promise<Verdict> {
  const format = "orbax";
  const base = unitBase(unit);
  for (const path of unit.files) {
    if (["_METADATA", "manifest.ocdbt"].includes(baseName(path)) && tree.sizes.get(path) === 0) {
      return torn(format, `${insideUnit(unit, path)} is empty`);
    }
  }
  const raw = await readSmall(tree, joinPath(base, "_CHECKPOINT_METADATA"));
  if (raw !== undefined) {
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(raw));
    } catch {
      return torn(format, "_CHECKPOINT_METADATA is not JSON");
    }
    const uncommitted = typeof value === "object" && value !== null && (value as Record<string, unknown>).commit_timestamp_nsecs === null;
    return uncommitted ? torn(format, "it was not committed") : complete(format);
  }
  return tree.sizes.has(joinPath(base, "commit_success.txt")) ? complete(format) : unproven(format, "it has no commit mark");
}

async function folder(unit: CheckpointUnit, tree: CheckpointTree, expected: number | undefined): Promise<Verdict> {
  const found = await common(unit, tree, expected);
  if (found.reason !== undefined) return torn("folder", found.reason);
  return found.nested > 0 ? complete("folder") : unproven("folder", "a folder without a known marker: more files may follow");
}

const JUDGES: Record<UnitFormat, Judge> = {
  file: (unit, tree) => judgePath(tree, unit.path),
  sharded,
  shards,
  tensorflow,
  composer,
  "hf-trainer": hfTrainer,
  accelerate,
  dcp: judgeDcp,
  deepspeed: judgeDeepspeed,
  megatron,
  orbax,
  bytecheckpoint: judgeByteCheckpoint,
  folder,
};
