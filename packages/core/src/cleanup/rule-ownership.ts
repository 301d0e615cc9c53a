import { TAGS } from "../provider/tags.ts";
import type { CleanupFacts } from "./facts.ts";
import { type Veto, veto } from "./veto.ts";

/** (a), P-29: ours carries the random id of this state store and is known to it. No filter and no flag makes anything else a candidate. */
export function ownershipRule(facts: CleanupFacts): Veto | undefined {
  // Deleted by us before and no longer listed: the tags are gone with it, our tombstone says whose it was.
  if (facts.absent && facts.deleting) return undefined;
  if (facts.tags === undefined) {
    return veto("ownership-unknown", `Whose ${facts.id} is cannot be read now.`, "Only what carries this state's id is ours.", [
      "Try again when the provider answers.",
    ]);
  }
  if (!Object.hasOwn(facts.tags, TAGS.state) || facts.tags[TAGS.state] !== facts.stateId) {
    return veto("not-ours", `${facts.id} does not carry this state's id.`, "It belongs to somebody else, or to another state store.", [
      "Clean it up from the state store that made it.",
    ]);
  }
  if (facts.known === "unknown") {
    return veto(
      "not-in-ledger",
      `${facts.id} carries our id, but neither the ledger nor an intent of ours knows it.`,
      "A copied tag is not ownership.",
      ["Run reconcile(); it adopts what belongs to a run.", "Look at it and delete it by hand if it is yours."],
    );
  }
  return undefined;
}
