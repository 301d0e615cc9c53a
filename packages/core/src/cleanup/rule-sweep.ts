import { formatDuration } from "../spec/units.ts";
import type { ResolvedRules } from "./cleanup-rules.ts";
import type { CleanupFacts } from "./facts.ts";
import { ageOf } from "./rule-age.ts";
import { type Veto, veto } from "./veto.ts";

/** (f): things that hold data go by a plan of their own and never with compute; the default is to retain them. */
export function kindRule(facts: CleanupFacts, rules: ResolvedRules): Veto | undefined {
  const compute = facts.ref.kind === "machine";
  if (rules.what === "compute" && !compute) {
    return veto("holds-data", `${facts.id} may hold data.`, "Volumes, snapshots and images are never deleted together with compute.", [
      'Plan them apart: plan({ what: "data" }).',
    ]);
  }
  if (rules.what === "data" && compute)
    return veto("is-compute", `${facts.id} is a machine.`, "This plan is about data.", ["Plan machines apart: plan()."]);
  return undefined;
}

/** A machine that somebody made without a run has no driver to be gone: only its own end or a day's age makes it an orphan. */
export function standaloneRule(facts: CleanupFacts, rules: ResolvedRules): Veto | undefined {
  if (facts.driver.runId !== undefined || facts.failedCreate || facts.deleting) return undefined;
  if (facts.endBy !== undefined && facts.now > Date.parse(facts.endBy)) return undefined;
  const age = ageOf(facts);
  if (age !== undefined && age >= rules.zombieAgeMs) return undefined;
  return veto(
    "standalone",
    `${facts.id} belongs to no run and is ${age === undefined ? "of unknown age" : `${formatDuration(age)} old`}.`,
    `Such things are left alone until ${formatDuration(rules.zombieAgeMs)} or their own end.`,
    ["Terminate it by hand: machines.terminate(id)."],
  );
}

/** Something that a living thing uses is not an orphan. */
export function inUseRule(facts: CleanupFacts): Veto | undefined {
  if (facts.ref.kind === "machine" || facts.neededBy.length === 0) return undefined;
  return veto("in-use", `${facts.id} is used by ${facts.neededBy.join(", ")}.`, "What is in use is kept.", [
    "Detach or end what uses it first.",
  ]);
}
