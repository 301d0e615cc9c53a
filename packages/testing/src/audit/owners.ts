import type { RunState } from "@runctl/core/seams";
import type { AuditFacts, MachineFacts } from "./facts.ts";

/**
 * Until when somebody wanted a machine: infinity while its run goes on or keeps it, the run's end after that, its creation when no
 * log knows of it. A machine is leaked when it lives longer than this and the guard time.
 */
export function wantedUntil(machine: MachineFacts, facts: Pick<AuditFacts, "runs" | "ledger" | "ledgerSince">): number {
  // Made alone: its owner is whoever reads the ledger, until the ledger calls it gone.
  if (machine.runId === undefined) {
    const known = facts.ledger.find((record) => record.id === machine.id);
    // It was over before the ledger was lost: nobody can say any more who wanted it.
    if (machine.endedAt !== undefined && machine.endedAt < (facts.ledgerSince ?? 0)) return Number.POSITIVE_INFINITY;
    if (known !== undefined && known.endedAt === undefined) return Number.POSITIVE_INFINITY;
    return known?.endedAt === undefined ? machine.createdAt : Date.parse(known.endedAt);
  }
  const run = facts.runs.find(({ state }) => machine.id in state.machines || intentOf(state, machine) !== undefined)?.state;
  if (run === undefined) return machine.createdAt;
  const record = run.machines[machine.id];
  // Not ours to end: `machine:` of the spec.
  if (record !== undefined && !record.owned) return Number.POSITIVE_INFINITY;
  if (run.ended === undefined) return Number.POSITIVE_INFINITY;
  const ended = Date.parse(run.ended.at);
  if (record === undefined || run.ended.status === "cancelled" || run.ended.status === "lost") return ended;
  const policy = run.spec.onEnd ?? "terminate";
  if (policy === "keep" || policy === "stop") return Number.POSITIVE_INFINITY;
  return typeof policy === "object" ? ended + policy.afterMs : ended;
}

function intentOf(state: RunState, machine: MachineFacts): unknown {
  return machine.intentId === undefined ? undefined : state.intents[machine.intentId];
}

/** Seconds between two moments, never negative. */
export function secondsBetween(from: number, to: number): number {
  return Math.max(0, to - from) / 1000;
}
