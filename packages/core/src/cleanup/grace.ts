import { TAGS } from "../provider/tags.ts";
import type { ResolvedRules } from "./cleanup-rules.ts";
import type { CleanupFacts } from "./facts.ts";

/** A mark older than this was for another occasion: the thing was in use again since, so it is marked anew. */
const MARK_LASTS_MS = 7 * 86_400_000;

/**
 * (d): "mark" now and "delete" on a later pass; our own failed creates and deletions under way need no mark. A mark that cannot
 * be read, lies in the future or is a week old counts as none.
 */
export function nextStep(facts: CleanupFacts, rules: ResolvedRules): "mark" | "delete" | "finish" {
  if (facts.deleting) return "finish";
  if (facts.failedCreate || rules.graceMs === 0) return "delete";
  const since = facts.now - Date.parse(facts.tags?.[TAGS.cleanupMarked] ?? "");
  return since >= rules.graceMs && since < MARK_LASTS_MS ? "delete" : "mark";
}
