import type { EndStatus } from "../events/event-types.ts";
import type { FailureRecord } from "./log-events.ts";
import type { AttemptRecord, RunState } from "./run-state.ts";
import { spentUsd, trainedMs } from "./spent.ts";

/** What shall become of a run that has no attempt under way. */
export type Verdict =
  | { kind: "end"; status: EndStatus; error?: FailureRecord | undefined }
  | { kind: "train"; notBefore: number }
  | { kind: "suspend" };

/** An attempt that trained less than this before it was lost counts as a start that went nowhere: pauses grow (P-13). */
const QUICK_LOSS_MS = 60_000;
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 300_000;
/** Claims lost or agents dying before the training: more than this in a row is a fault, not bad luck. */
const MAX_NEVER_STARTED = 3;

/** Pure: the three retry budgets, the limits and the user's requests, in the order in which they win. */
export function verdictOf(state: RunState, now: number): Verdict {
  const last = state.attempts.at(-1);
  if (last?.outcome === "succeeded") return { kind: "end", status: "succeeded" };
  if (state.requests.cancel !== undefined) return { kind: "end", status: "cancelled" };
  if (last !== undefined) {
    const direct = endOfOutcome(last);
    if (direct !== undefined) return direct;
  }
  if (state.requests.stop !== undefined) return { kind: "end", status: "stopped" };
  if (last?.outcome === "failed" && countOutcomes(state, ["failed"]) > state.spec.retries.failures) {
    return { kind: "end", status: "failed", error: last.error };
  }
  const limits = limitVerdict(state, now);
  if (limits !== undefined) return limits;
  if (state.requests.suspend !== undefined) return { kind: "suspend" };
  if (last === undefined) return { kind: "train", notBefore: 0 };
  return retryVerdict(state, last);
}

function endOfOutcome(last: AttemptRecord): Verdict | undefined {
  switch (last.outcome) {
    case "stopped":
      return { kind: "end", status: "stopped" };
    case "cancelled":
      return { kind: "end", status: "cancelled" };
    case "timed-out":
      return { kind: "end", status: "timed-out", error: last.error };
    case "out-of-budget":
      return { kind: "end", status: "out-of-budget", error: last.error };
    default:
      return undefined;
  }
}

function retryVerdict(state: RunState, last: AttemptRecord): Verdict {
  const ended = Date.parse(last.endedAt ?? state.lastEventAt);
  if (last.outcome === "failed") {
    return { kind: "train", notBefore: ended + pause(trailing(state, (attempt) => attempt.outcome === "failed")) };
  }
  if (last.outcome === "interrupted" || last.outcome === "lost") {
    const used = countOutcomes(state, ["interrupted", "lost"]);
    const allowed = state.spec.retries.interruptions;
    if (allowed !== null && used > allowed) return { kind: "end", status: "lost", error: last.error ?? lostError(used, allowed) };
    const quick = trailing(state, (attempt) => isLoss(attempt) && trainedMs(attempt) < QUICK_LOSS_MS);
    // The first quick loss is retried at once: one reclaimed machine says nothing about the next.
    return { kind: "train", notBefore: quick < 2 ? 0 : ended + pause(quick - 1) };
  }
  if (last.outcome === "never-started") {
    if (last.cause === "busy") return { kind: "end", status: "failed", error: last.error };
    const failed = trailing(state, (attempt) => attempt.outcome === "never-started");
    if (failed > MAX_NEVER_STARTED) return { kind: "end", status: "failed", error: last.error };
    return { kind: "train", notBefore: failed < 2 ? 0 : ended + pause(failed - 1) };
  }
  return { kind: "train", notBefore: 0 };
}

function limitVerdict(state: RunState, now: number): Verdict | undefined {
  const { deadline, maxDurationMs, budget } = state.spec;
  if (deadline !== undefined && now >= Date.parse(deadline)) {
    return { kind: "end", status: "timed-out", error: limitError("deadline", `The deadline ${deadline} has passed.`) };
  }
  if (maxDurationMs !== undefined && state.attempts.reduce((sum, attempt) => sum + trainedMs(attempt), 0) >= maxDurationMs) {
    return {
      kind: "end",
      status: "timed-out",
      error: limitError("maxDuration", `The run trained for its maxDuration of ${maxDurationMs / 1000} s.`),
    };
  }
  if (budget?.onExceeded === "stop" && spentUsd(state, now).usd >= budget.maxCost) {
    return { kind: "end", status: "out-of-budget", error: limitError("budget.maxCost", `The budget of ${budget.maxCost} is spent.`) };
  }
  return undefined;
}

function limitError(field: string, what: string): FailureRecord {
  return {
    code: field === "budget.maxCost" ? "RUNCTL_BUDGET_EXCEEDED" : "RUNCTL_TIMEOUT",
    what,
    why: "It is the limit this run was given.",
    fix: [`Go on from the newest checkpoint with \`runctl.resume(runId, …)\` and a larger ${field}.`],
  };
}

function lostError(used: number, allowed: number): FailureRecord {
  return {
    code: "RUNCTL_RUN_FAILED",
    what: `The machine was lost ${used} time${used === 1 ? "" : "s"}; retries.interruptions allows ${allowed}.`,
    why: "The run had no further machine to go on with.",
    fix: ["Raise retries.interruptions, or `runctl.resume(runId)` from the newest checkpoint."],
  };
}

function isLoss(attempt: AttemptRecord): boolean {
  return attempt.outcome === "interrupted" || attempt.outcome === "lost";
}

function countOutcomes(state: RunState, outcomes: Array<AttemptRecord["outcome"]>): number {
  return state.attempts.filter((attempt) => outcomes.includes(attempt.outcome)).length;
}

function trailing(state: RunState, matches: (attempt: AttemptRecord) => boolean): number {
  let count = 0;
  for (const attempt of [...state.attempts].reverse()) {
    if (!matches(attempt)) break;
    count += 1;
  }
  return count;
}

function pause(times: number): number {
  return Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.max(0, times - 1));
}
