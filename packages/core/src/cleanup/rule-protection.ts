import { TAGS } from "../provider/tags.ts";
import type { CleanupFacts } from "./facts.ts";
import { type Veto, veto } from "./veto.ts";

const KEYS: readonly string[] = [TAGS.protected, TAGS.important, TAGS.persistent];

/**
 * (b), P-28: protected is what says so, here or at the provider, and what cannot be read or understood. "false" and an absent
 * key among readable tags are the only ways to be unprotected. Force never overrides this.
 */
export function protectionRule(facts: CleanupFacts): Veto | undefined {
  if (facts.absent && facts.deleting) return undefined;
  if (facts.protectedHere === true) return kept("protected", `${facts.id} was protected with protect().`);
  if (facts.protectedHere === "unknown") return kept("protection-unknown", `Whether ${facts.id} was protected here cannot be read.`);
  if (facts.tags === undefined) return kept("protection-unknown", `The tags of ${facts.id} cannot be read now.`);
  for (const [key, value] of Object.entries(facts.tags)) {
    // People type tags by hand: another case or a space still means protection.
    const name = key.trim().toLowerCase();
    if (!KEYS.includes(name)) continue;
    if (value === "false" && name === key) continue;
    if (value === "true") return kept("protected", `${facts.id} carries ${key}=true.`);
    return kept(
      "protection-malformed",
      `${facts.id} carries ${JSON.stringify(key)}=${JSON.stringify(value)}, which is neither true nor false.`,
    );
  }
  return undefined;
}

function kept(id: string, what: string): Veto {
  return veto(id, what, "What is protected, or may be, is kept; force does not change that.", ["Call cleanup.unprotect(id) first."]);
}
