import type { CleanupFacts } from "./facts.ts";
import { type Veto, veto } from "./veto.ts";

/** (j): only in the account that was written down when the first thing was bought. */
export function accountRule(facts: CleanupFacts): Veto | undefined {
  const { pinned, actual } = facts.account;
  if (actual === undefined) {
    return veto(
      "account-unknown",
      `Which account of ${facts.ref.provider} these credentials belong to cannot be read.`,
      "Ids mean something in one account only.",
      ["Check the credentials."],
    );
  }
  if (pinned === undefined) {
    return veto(
      "account-unpinned",
      `No account of ${facts.ref.provider} is written down in this state.`,
      "It is written down at the first purchase; without it nothing shows that this is the right account.",
      ["Buy with this state, or call pinAccount()."],
    );
  }
  if (pinned !== actual) {
    return veto(
      "account-changed",
      `The credentials are of account ${actual}, this state belongs to ${pinned}.`,
      "Ids mean something in one account only.",
      [`Use the credentials of ${pinned}.`],
    );
  }
  return undefined;
}
