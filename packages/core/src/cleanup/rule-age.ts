import { formatDuration } from "../spec/units.ts";
import type { ResolvedRules } from "./cleanup-rules.ts";
import type { CleanupFacts } from "./facts.ts";
import { type Veto, veto } from "./veto.ts";

/** Milliseconds since creation by the provider's record; undefined: unknown or in the future. */
export function ageOf(facts: CleanupFacts): number | undefined {
  if (facts.createdAt === undefined) return undefined;
  const age = facts.now - Date.parse(facts.createdAt);
  return Number.isNaN(age) || age < 0 ? undefined : age;
}

/** Never anything younger than the minimum age (P-02); an unknown age is too young. */
export function ageRule(facts: CleanupFacts, rules: ResolvedRules): Veto | undefined {
  if (facts.deleting) return undefined;
  const age = ageOf(facts);
  if (age !== undefined && age >= rules.minAgeMs) return undefined;
  const limit = formatDuration(rules.minAgeMs);
  return age === undefined
    ? veto(
        "age-unknown",
        `The age of ${facts.id} is unknown.`,
        `Things below ${limit} are kept, and this may be one.`,
        ["Look at it; force overrides age."],
        true,
      )
    : veto(
        "too-young",
        `${facts.id} is ${formatDuration(age)} old.`,
        `Things below ${limit} are kept: they may just be starting.`,
        ["Wait; force overrides age."],
        true,
      );
}
