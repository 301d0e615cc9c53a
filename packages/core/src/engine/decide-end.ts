import type { EndStatus } from "../events/event-types.ts";
import { bills } from "./bill-machine.ts";
import { burials } from "./burials.ts";
import type { Command, DecideEnv, Decision } from "./commands.ts";
import { openIntent } from "./decide-train.ts";
import type { FailureRecord } from "./log-events.ts";
import { wantsPruning } from "./prune.ts";
import { liveMachines, type MachineRecord, type RunState, type RunVolume } from "./run-state.ts";

/** A result does not wait longer than this for a provider to confirm an end; the run is then over with an alarm, and the work goes on. */
const CONFIRM_PATIENCE_MS = 60_000;

/** Nor for a provider to say what an ended machine costs. */
const BILL_PATIENCE_MS = 30_000;

type Want = { action: "terminate" | "stop"; notBefore: number } | undefined;

/**
 * Commands that bring a run to its end: open intents settled, machines ended by policy, then `run-ended`. After `run-ended`
 * (verdict undefined) the same work goes on until nothing is left to pay for.
 */
export function endingCommands(
  state: RunState,
  env: DecideEnv,
  verdict: { status: EndStatus; error?: FailureRecord | undefined } | undefined,
): Decision {
  const commands: Command[] = [];
  const status = state.ended?.status ?? verdict?.status ?? "failed";
  const wakes: number[] = [];
  let pending = 0;
  let waitedSince = Number.POSITIVE_INFINITY;

  const open = openIntent(state);
  if (open !== undefined) {
    pending += 1;
    waitedSince = Date.parse(open.changedAt) + open.settleMs;
    if (!env.inFlight(`create/${open.intent.id}`)) {
      commands.push({ do: "settle-intent", key: `settle-intent/${open.intent.id}`, intentId: open.intent.id });
    }
  }
  for (const machine of liveMachines(state)) {
    const want = wantedEnd(state, machine, status, env.now);
    if (want === undefined || isDone(machine, want.action)) continue;
    if (env.now < want.notBefore) {
      wakes.push(want.notBefore);
      continue;
    }
    pending += 1;
    commands.push({ do: "machine", key: `${want.action}/${machine.id}`, machineId: machine.id, action: want.action });
    commands.push({ do: "look", key: `look/${machine.id}`, machineId: machine.id });
    if (machine.asked?.action === want.action) waitedSince = Math.min(waitedSince, Date.parse(machine.asked.at));
  }
  if (state.ended !== undefined && liveMachines(state).every((machine) => !machine.owned || machine.state === "stopped")) {
    for (const { index } of unwantedVolumes(state)) commands.push({ do: "end-volume", key: `end-volume/${index}`, index });
  }
  const unbilled = bills(state);
  commands.push(...burials(state), ...unbilled);
  // A result waits a moment for its bill, and raises no alarm without one. Whoever takes over has not asked yet.
  const askedFrom = Math.max(Date.parse(state.leaseAt ?? state.createdAt), ...unbilled.map(({ machineId }) => endOf(state, machineId)));
  const billBy = askedFrom + BILL_PATIENCE_MS;
  if (state.ended === undefined && wantsPruning(state, 1)) {
    pending += 1;
    waitedSince = Math.min(waitedSince, Date.parse(state.attempts.at(-1)?.endedAt ?? state.lastEventAt));
    commands.push({ do: "prune", key: "prune" });
  }
  if (state.ended === undefined) {
    // A process that slept, or came later, has not looked yet.
    const patienceEnds = Math.max(waitedSince, Date.parse(state.leaseAt ?? state.createdAt)) + CONFIRM_PATIENCE_MS;
    if (pending === 0 && unbilled.length > 0 && env.now < billBy) {
      wakes.push(billBy);
    } else if (pending === 0) {
      commands.push({ do: "append", key: "run-ended", events: [{ type: "run-ended", status, error: verdict?.error }] });
    } else if (env.now >= patienceEnds) {
      commands.push({
        do: "append",
        key: "run-ended",
        events: [unconfirmed(state), { type: "run-ended", status, error: verdict?.error }],
      });
    } else if (Number.isFinite(patienceEnds)) {
      wakes.push(patienceEnds);
    }
  }
  return { commands, ...(wakes.length === 0 ? {} : { wakeAt: Math.min(...wakes) }) };
}

function endOf(state: RunState, machineId: string): number {
  return Date.parse(state.machines[machineId]?.endedAt ?? state.createdAt);
}

/** What the end policy wants of a machine; undefined: nothing (it is kept). */
function wantedEnd(state: RunState, machine: MachineRecord, status: EndStatus, now: number): Want {
  if (!machine.owned) return undefined;
  if (status === "cancelled" || status === "lost") return { action: "terminate", notBefore: 0 };
  const policy = state.spec.onEnd ?? "terminate";
  const ended = Date.parse(state.ended?.at ?? new Date(now).toISOString());
  if (policy === "keep") return undefined;
  if (typeof policy === "object") return { action: policy.then, notBefore: ended + policy.afterMs };
  return { action: policy, notBefore: 0 };
}

function isDone(machine: MachineRecord, action: "terminate" | "stop"): boolean {
  return action === "stop" && machine.state === "stopped";
}

function unconfirmed(state: RunState): { type: "alarm"; id: string; what: string; why: string; fix: string[] } {
  const names = liveMachines(state).map((machine) => machine.id);
  return {
    type: "alarm",
    id: "end-unconfirmed",
    what: `The end of ${names.length === 0 ? "an open purchase" : names.join(", ")} is not confirmed yet.`,
    why: "The provider accepted the call or failed to answer; until it says so the thing may still cost money, and is counted.",
    fix: ["Keep a process driving (`runctl.drive`), or look at the provider's console."],
  };
}

/** Volumes that the run made and that its end deletes; and those of which nobody knows whether they were made. */
export function unwantedVolumes(state: RunState): RunVolume[] {
  return state.volumes.filter((held) => {
    if (!held.owned || held.deletedAt !== undefined) return false;
    // run.cancel() leaves volumes alone: what is on them cannot be had again.
    const goes = state.spec.volumes[held.index]?.onEnd === "delete" && state.ended?.status !== "cancelled";
    return held.volume === undefined || goes;
  });
}

/** True when nothing of an ended run can cost anything any more: its log may be compacted. */
export function isSettled(state: RunState): boolean {
  return (
    state.ended !== undefined &&
    openIntent(state) === undefined &&
    liveMachines(state).every((machine) => !machine.owned) &&
    unwantedVolumes(state).length === 0
  );
}
