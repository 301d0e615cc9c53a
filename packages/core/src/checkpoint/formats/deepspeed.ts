import type { CheckpointUnit } from "./layout.ts";
import { baseName, DEEPSPEED_SHARD } from "./names.ts";
import { firstBad, rankGap } from "./parts.ts";
import { type CheckpointTree, MAX_READ, torn, type Verdict } from "./verdict.ts";
import { intAfterKey, storedEntry, zipEntries } from "./zip.ts";

/**
 * DeepSpeed's `latest` file proves nothing (rank 0 writes it before the closing barrier): the shards of every rank are counted
 * against the world size that the model states hold in plain bytes, or against `expected`.
 */
export async function judgeDeepspeed(unit: CheckpointUnit, tree: CheckpointTree, expected: number | undefined): Promise<Verdict> {
  const optim = new Map<number, Set<number>>();
  const models = new Set<number>();
  let sample: string | undefined;
  for (const path of unit.files) {
    const found = DEEPSPEED_SHARD.exec(baseName(path));
    if (found === null) continue;
    const mp = Number(found[2]);
    if (found[3] === "model") {
      models.add(mp);
      sample ??= path;
    } else if (found[1] !== undefined) {
      const ranks = optim.get(mp) ?? new Set<number>();
      ranks.add(Number(found[1]));
      optim.set(mp, ranks);
    }
  }
  if (sample === undefined) return torn("deepspeed", "its model states are missing");
  const { bad } = await firstBad(tree, unit.files, unit);
  if (bad !== undefined) return torn("deepspeed", bad);
  const sizes = await sizesInside(tree, sample);
  let reason = rankGap(models, sizes.mp, "model states");
  if (reason === undefined && sizes.zero && optim.size === 0) reason = "its optimizer states are missing";
  let dp = sizes.dp;
  if (dp === undefined && optim.size > 0) {
    const seen = Math.max(...[...optim.values()].flatMap((ranks) => [...ranks])) + 1;
    dp = expected !== undefined && expected >= models.size ? Math.floor(expected / models.size) : seen;
  }
  if (optim.size > 0) {
    for (const mp of [...models].sort((a, b) => a - b)) reason ??= rankGap(optim.get(mp) ?? new Set(), dp, "optimizer states");
  }
  const world = (dp === undefined || dp === 0 ? 1 : dp) * models.size;
  return { status: reason === undefined ? "complete" : "torn", format: "deepspeed", reason, world };
}

async function sizesInside(
  tree: CheckpointTree,
  path: string,
): Promise<{ dp?: number | undefined; mp?: number | undefined; zero: boolean }> {
  const read = (offset: number, length: number): Promise<Uint8Array> => tree.read(path, offset, length);
  if (Buffer.from(await read(0, 2)).toString("latin1") !== "PK") return { zero: false };
  const { entries } = await zipEntries(tree.sizes.get(path) ?? 0, read);
  const text = await storedEntry(entries, "data.pkl", MAX_READ, read);
  const at = text.indexOf("zero_optimization", 0, "latin1");
  const stage = at < 0 ? undefined : intAfterKey(text.subarray(at), "stage");
  return { dp: intAfterKey(text, "dp_world_size"), mp: intAfterKey(text, "mp_world_size"), zero: stage !== undefined && stage !== 0 };
}
