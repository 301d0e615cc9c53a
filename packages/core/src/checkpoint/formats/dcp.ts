import { compareBytes } from "../../util/byte-order.ts";
import type { CheckpointUnit } from "./layout.ts";
import { joinPath } from "./names.ts";
import { firstBad, unitBase } from "./parts.ts";
import { type CheckpointTree, torn, unproven, type Verdict } from "./verdict.ts";

const BLOCK = 1024 * 1024;

/**
 * PyTorch distributed checkpoints: `.metadata` is renamed into place last, and every `.distcp` name in its bytes must exist.
 * It is a pickle: its bytes are searched, it is never loaded.
 */
export async function judgeDcp(unit: CheckpointUnit, tree: CheckpointTree): Promise<Verdict> {
  const base = unitBase(unit);
  const marker = joinPath(base, ".metadata");
  const size = tree.sizes.get(marker);
  if (size === undefined) return torn("dcp", ".metadata, written last, is missing");
  if (size === 0) return torn("dcp", ".metadata is empty");
  if ((await tree.read(marker, size - 1, 1))[0] !== 0x2e) return torn("dcp", ".metadata ends before its STOP mark");
  const wanted = new Set<string>();
  let carry = "";
  for (let at = 0; at < size; at += BLOCK) {
    const block = carry + Buffer.from(await tree.read(marker, at, Math.min(BLOCK, size - at))).toString("latin1");
    for (const name of block.match(/__[0-9]+_[0-9]+\.distcp/g) ?? []) wanted.add(name);
    carry = block.slice(-64);
  }
  for (const name of [...wanted].sort(compareBytes)) {
    const held = tree.sizes.get(joinPath(base, name));
    if (held === undefined || held === 0) return torn("dcp", `${name}, named in .metadata, is ${held === undefined ? "missing" : "empty"}`);
  }
  if (wanted.size === 0) {
    const { bad } = await firstBad(tree, unit.files, unit);
    return bad === undefined ? unproven("dcp", "its .metadata names no shard") : torn("dcp", bad);
  }
  return { status: "complete", format: "dcp", world: new Set([...wanted].map((name) => name.split("_")[2])).size };
}

/** ByteCheckpoint: model, optimizer and extra_state are three such folders, all needed. */
export async function judgeByteCheckpoint(unit: CheckpointUnit, tree: CheckpointTree): Promise<Verdict> {
  let world: number | undefined;
  for (const part of ["model", "optimizer", "extra_state"]) {
    const path = joinPath(unitBase(unit), part);
    const files = unit.files.filter((file) => file.startsWith(`${path}/`));
    const verdict = await judgeDcp({ path, kind: "dir", format: "dcp", files }, tree);
    if (verdict.status === "torn") return torn("bytecheckpoint", `${part}: ${verdict.reason}`);
    if (part === "model") world = verdict.world;
  }
  return { status: "complete", format: "bytecheckpoint", world };
}
