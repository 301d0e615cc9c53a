import type { ResolvedRules } from "./cleanup-rules.ts";
import type { CleanupFacts } from "./facts.ts";
import { accountRule } from "./rule-account.ts";
import { activityRule, driverRule } from "./rule-activity.ts";
import { ageRule } from "./rule-age.ts";
import { ownershipRule } from "./rule-ownership.ts";
import { protectionRule } from "./rule-protection.ts";
import { inUseRule, kindRule, standaloneRule } from "./rule-sweep.ts";
import type { Veto } from "./veto.ts";

type Rule = (facts: CleanupFacts, rules: ResolvedRules) => Veto | undefined;

/** Asked before one named thing is deleted by its owner. */
const EXPLICIT: readonly Rule[] = [ownershipRule, accountRule, protectionRule, ageRule, driverRule, activityRule];
/** Asked before something that nobody named is deleted. */
const SWEEP: readonly Rule[] = [...EXPLICIT, kindRule, standaloneRule, inUseRule];

/**
 * Every reason to keep it, in the order of the rules; empty: it may go. Pure. A rule that fails is a reason to keep: there is
 * no way through this function that deletes on an error.
 */
export function judge(facts: CleanupFacts, rules: ResolvedRules, purpose: "explicit" | "sweep"): Veto[] {
  const vetoes: Veto[] = [];
  for (const rule of purpose === "sweep" ? SWEEP : EXPLICIT) {
    const found = rule(facts, rules);
    if (found !== undefined && !(found.force && rules.force)) vetoes.push(found);
  }
  return vetoes;
}
