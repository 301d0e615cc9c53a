import { TAGS } from "../provider/tags.ts";
import { sha256Hex } from "../util/hash.ts";
import { canonicalJson } from "../util/json.ts";
import type { CleanupFacts } from "./facts.ts";

/** (c): what a plan saw. A tag, a state, a run or an age that changed since gives another one; our own mark does not. */
export function fingerprintOf(facts: CleanupFacts): string {
  const tags = facts.tags === undefined ? null : { ...facts.tags, [TAGS.cleanupMarked]: undefined };
  return sha256Hex(
    canonicalJson({
      id: facts.id,
      account: facts.account.actual,
      absent: facts.absent,
      state: facts.state,
      createdAt: facts.createdAt,
      tags,
      run: facts.driver.runId,
      deleting: facts.deleting,
    }),
  );
}
