import type { AuditFacts, TrainingFacts } from "./facts.ts";
import type { AuditReport } from "./report.ts";

/** Attempts that trained more than once, and attempts of one run that trained at the same time. */
export function auditTrainings(facts: Pick<AuditFacts, "trainings" | "now">): Pick<AuditReport, "trainedTwice" | "overlapSeconds"> {
  const byAttempt = new Map<string, number>();
  for (const training of facts.trainings) {
    const key = `${training.runId}/${training.attempt}`;
    byAttempt.set(key, (byAttempt.get(key) ?? 0) + 1);
  }
  let overlap = 0;
  facts.trainings.forEach((one, index) => {
    for (const other of facts.trainings.slice(index + 1)) {
      if (one.runId === other.runId && one.attempt !== other.attempt) overlap += overlapMs(one, other, facts.now);
    }
  });
  return {
    trainedTwice: [...byAttempt.values()].reduce((sum, count) => sum + count - 1, 0),
    overlapSeconds: overlap / 1000,
  };
}

function overlapMs(one: TrainingFacts, other: TrainingFacts, now: number): number {
  return Math.max(0, Math.min(one.to ?? now, other.to ?? now) - Math.max(one.from, other.from));
}
