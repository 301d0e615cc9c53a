import type { AttemptOutcome, RunStatus } from "../events/event-types.ts";
import { openAttempt, type RunState } from "./run-state.ts";

/** After these nothing is tried again: the rest is ending machines. */
const FINAL: readonly AttemptOutcome[] = ["succeeded", "stopped", "cancelled", "timed-out", "out-of-budget"];

/** The one word for where a run stands, computed from its log alone. */
export function statusOf(state: RunState): RunStatus {
  if (state.ended !== undefined) return state.ended.status;
  if (state.requests.cancel !== undefined || state.requests.stop !== undefined) return "stopping";
  const attempt = openAttempt(state);
  if (attempt !== undefined) {
    if (attempt.told.some((op) => !op.startsWith("allowance"))) return "stopping";
    if (attempt.startedAt !== undefined) return "running";
    return attempt.number > 1 ? "recovering" : "preparing";
  }
  const last = state.attempts.at(-1);
  if (last?.outcome !== undefined && FINAL.includes(last.outcome)) return "stopping";
  if (last?.outcome === "failed" && state.attempts.filter((each) => each.outcome === "failed").length > state.spec.retries.failures)
    return "stopping";
  if (last?.outcome === "suspended" && state.requests.suspend !== undefined) return "suspended";
  if (state.secretsMissing.length > 0) return "needs-secrets";
  if (last !== undefined) return "recovering";
  return Object.keys(state.intents).length > 0 || Object.keys(state.machines).length > 0 ? "provisioning" : "queued";
}
