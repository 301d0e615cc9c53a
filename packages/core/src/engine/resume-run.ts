import { selectResume } from "../checkpoint/published.ts";
import { CheckpointInvalidError, ConflictError } from "../errors/kinds.ts";
import type { RunSpec } from "../spec/run-spec.ts";
import type { EngineContext } from "./context.ts";
import { respec } from "./respec.ts";
import type { ResumePoint } from "./resume-point.ts";
import type { RunState } from "./run-state.ts";
import { runUri } from "./store-keys.ts";

/**
 * What a run that goes on from another one's newest good checkpoint begins with.
 * @throws CheckpointInvalidError when the old run has none.
 */
export async function resumeSpec(
  context: EngineContext,
  old: RunState,
  changes: Partial<RunSpec>,
): Promise<{ spec: RunSpec; from: ResumePoint }> {
  if (old.ended === undefined) {
    throw new ConflictError({
      what: `Run ${old.runId} still goes on.`,
      why: "Its retention may remove the checkpoint that the new run begins with.",
      fix: ["Stop it first: `run.stop()` saves a checkpoint."],
      context: { runId: old.runId },
    });
  }
  const { candidates, rejected } = await selectResume(context.store(old.storeUri), runUri(old.storeUri, old.runId), {});
  const newest = candidates[0];
  if (newest === undefined) {
    throw new CheckpointInvalidError({
      what: `Run ${old.runId} has no good checkpoint to go on from.`,
      why: rejected.length === 0 ? "It published none." : rejected.map((item) => `${item.path}: ${item.reason}`).join(" "),
      fix: ["Start it anew with `train()`."],
      context: { runId: old.runId },
    });
  }
  const manifestKey = `runs/${old.runId}/ckpt/${newest.attempt}/${String(newest.seq).padStart(6, "0")}/manifest.json`;
  return { spec: respec(old.spec, changes), from: { runId: old.runId, manifestKey, checkpoint: newest, rejected } };
}
