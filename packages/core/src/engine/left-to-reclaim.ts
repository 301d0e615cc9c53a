import type { MachineRecord, RunState } from "./run-state.ts";

/** After the announced end, before it is ended by us after all. */
const GRACE_MS = 30_000;

/**
 * Until when a machine that was announced to go is left to its provider: it costs nothing when it is taken back so early, and all of its
 * seconds when we end it first. Undefined: nothing speaks for waiting. A volume that the next machine needs does speak against it.
 */
export function leftUntil(state: RunState, machine: MachineRecord): number | undefined {
  const free = state.intents[machine.intentId ?? ""]?.offer.freeIfReclaimedWithinSeconds;
  const notice = state.attempts.findLast((attempt) => attempt.machineId === machine.id)?.notice;
  if (free === undefined || notice === undefined || notice.until === null || state.spec.volumes.length > 0) return undefined;
  if (notice.action !== "terminate" && notice.action !== "stop") return undefined;
  const until = Date.parse(notice.until);
  // Also false for a time that cannot be read.
  return until - Date.parse(machine.createdAt) < free * 1000 ? until + GRACE_MS : undefined;
}
