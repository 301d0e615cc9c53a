import type { AuditFacts } from "./facts.ts";
import type { AuditReport } from "./report.ts";

/**
 * Checkpoints that were good once and are gone, and steps that were trained again though a good checkpoint held them when the
 * attempt began.
 */
export function auditCheckpoints(
  facts: Pick<AuditFacts, "checkpoints" | "runs" | "trainings">,
): Pick<AuditReport, "checkpointsLost" | "stepsThrownAway"> {
  const pruned = new Set(facts.runs.flatMap((run) => run.pruned));
  const lost = facts.checkpoints.filter((checkpoint) => !checkpoint.isWhole && !pruned.has(checkpoint.manifestKey));
  let thrownAway = 0;
  for (const training of facts.trainings) {
    const resumes = facts.runs.find(({ state }) => state.runId === training.runId)?.state.spec.checkpoints;
    if (resumes === false || (resumes !== undefined && resumes.resume === "never")) continue;
    const newest = facts.checkpoints
      .filter((checkpoint) => checkpoint.runId === training.runId && checkpoint.attempt < training.attempt)
      .filter((checkpoint) => checkpoint.publishedAt <= training.from)
      .reduce((most, checkpoint) => Math.max(most, checkpoint.step), 0);
    thrownAway += Math.max(0, newest - training.fromStep);
  }
  return { checkpointsLost: lost.map((checkpoint) => checkpoint.manifestKey), stepsThrownAway: thrownAway };
}
