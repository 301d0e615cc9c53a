import { isoNow } from "../util/clock.ts";
import type { DriverPort } from "./driver-port.ts";
import type { Evidence, RunLogEvent } from "./log-events.ts";
import type { Listing } from "./provider-poller.ts";
import type { RunState } from "./run-state.ts";

/** Absence must be seen in this many complete listings begun after the machine must be visible (host-and-state.md §5). */
const ABSENCES = 2;
const DEFAULT_SETTLE_MS = 60_000;

/** Takes listings and records what they say of one machine. */
export interface MachineSight {
  /** "Not seen" is not "dead": absence is counted. False: nothing certain yet. */
  (listing: Listing): Promise<boolean>;
  /** True: the listing says what is known already, and it is not on its way to something else. */
  isKnown(listing: Listing): boolean;
}

export function sawMachine(driver: DriverPort, machineId: string): MachineSight {
  let absent = 0;
  // The machine is older than this: after a wall clock's jump back its creation may seem to lie in the future.
  const since = driver.context.clock.monotonic();
  const isKnown = (listing: Listing): boolean => {
    const record = driver.state.machines[machineId];
    const seen = listing.machines.get(machineId)?.state;
    if (record === undefined || absent > 0) return false;
    return record.endedAt !== undefined || (seen === record.state && (seen === "running" || seen === "stopped"));
  };
  const sight = async (listing: Listing): Promise<boolean> => {
    const record = driver.state.machines[machineId];
    if (record === undefined || record.endedAt !== undefined) return true;
    const seen = listing.machines.get(machineId);
    if (seen !== undefined) {
      absent = 0;
      if (seen.state === "ended") {
        await driver.update((state) => ended(state, machineId, seen.endedAt ?? isoNow(driver.context.clock), "observed", seen.stateReason));
      } else if (seen.state !== record.state && seen.state !== "unknown") {
        await driver.update((state) =>
          state.machines[machineId]?.state === seen.state
            ? []
            : [{ type: "machine-state", machineId, state: seen.state, reason: seen.stateReason }],
        );
      }
      return true;
    }
    const settleMs = driver.context.providers.get(record.machine.ref.provider).capabilities.settleMs ?? DEFAULT_SETTLE_MS;
    const settled = listing.begunAt >= Date.parse(record.createdAt) + settleMs || listing.begunMonotonic >= since + settleMs;
    if (!listing.complete || !settled) return false;
    absent += 1;
    if (absent < ABSENCES) return false;
    await driver.update((state) => ended(state, machineId, isoNow(driver.context.clock), "inferred", "No longer listed."));
    return true;
  };
  return Object.assign(sight, { isKnown });
}

/** Several lookers may see the same end: the first to say so is recorded. */
function ended(state: RunState, machineId: string, endedAt: string, evidence: Evidence, reason: string | undefined): RunLogEvent[] {
  if (state.machines[machineId]?.endedAt !== undefined) return [];
  return [{ type: "machine-ended", machineId, endedAt, evidence, reason }];
}
