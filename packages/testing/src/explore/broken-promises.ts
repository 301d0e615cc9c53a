import type { AuditFacts } from "../audit/facts.ts";
import type { AuditReport, BrokenPromise } from "../audit/report.ts";
import type { ProviderClass } from "../cloud/cloud-options.ts";
import type { Scenario } from "./scenario.ts";
import type { WorldFault } from "./world-faults.ts";

/** What an audit's numbers break. Duplicates are promised away for class A alone; for the others they are counted. */
export function brokenPromises(
  report: AuditReport,
  facts: AuditFacts,
  providerClass: ProviderClass,
  scenario: Pick<Scenario, "ends">,
  faults: readonly WorldFault[] = [],
): BrokenPromise[] {
  const broken: BrokenPromise[] = [];
  const add = (promise: BrokenPromise["promise"], isBroken: boolean, what: string): void => {
    if (isBroken) broken.push({ promise, what });
  };
  add("leak", report.leakedSeconds > 0, `Machines lived ${Math.round(report.leakedSeconds)} s beyond owner and guard.`);
  add("leak", report.ownerless.length > 0, `Nobody wants ${report.ownerless.join(", ")}, and it lives.`);
  // Class C sets its tags in a second call: who dies between the two leaves a machine that nobody can find. It is counted.
  add("leak", providerClass !== "C" && report.unfindable > 0, `${report.unfindable} machines carry nothing by which they could be found.`);
  add("trained-twice", report.trainedTwice > 0, `${report.trainedTwice} trainings too many of an attempt.`);
  add("trained-twice", report.overlapSeconds > 0, `Two attempts of a run trained at once for ${report.overlapSeconds} s.`);
  add("duplicate", providerClass === "A" && report.duplicates > 0, `${report.duplicates} machines too many for their intents.`);
  add("duplicate", providerClass === "A" && report.duplicateVolumes > 0, `${report.duplicateVolumes} volumes too many.`);
  add("checkpoint-lost", report.checkpointsLost.length > 0, `Lost: ${report.checkpointsLost.join(", ")}.`);
  add("checkpoint-lost", report.stepsThrownAway > 0, `${report.stepsThrownAway} saved steps were trained again.`);
  add("foreign-touched", report.foreignTouched.length > 0, report.foreignTouched.join("; "));
  add("ledger", report.money.wrong.length > 0, report.money.wrong.join("; "));
  add("unledgered", report.money.unledgered.length > 0, `Billed and in no ledger: ${report.money.unledgered.join(", ")}.`);
  broken.push(...wrongEnds(facts, scenario, faults));
  return broken;
}

function wrongEnds(facts: AuditFacts, { ends }: Pick<Scenario, "ends">, faults: readonly WorldFault[]): BrokenPromise[] {
  return Object.entries(ends).flatMap(([key, allowed]): BrokenPromise[] => {
    const runs = facts.runs.filter(({ state }) => state.spec.key === key);
    if (runs.length !== 1) return [{ promise: "outcome", what: `${runs.length} runs have the key ${key}.` }];
    const status = runs[0]?.state.ended?.status;
    if (status !== undefined && allowed.includes(status)) return [];
    // A host that was cut off for longer than its patience says so; that is an honest end of a run without retries.
    if (status === "failed" && faults.length > 0 && runs[0]?.state.ended?.error?.code === "RUNCTL_SYNC") return [];
    const why = runs[0]?.state.ended?.error?.what ?? "";
    return [{ promise: "outcome", what: `Run ${key} ended as ${status ?? "nothing yet"}, not as ${allowed.join(" or ")}. ${why}`.trim() }];
  });
}
