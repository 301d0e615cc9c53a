import { bills } from "./bill-machine.ts";
import { burials } from "./burials.ts";
import type { Command, DecideEnv, Decision } from "./commands.ts";
import { leftUntil } from "./left-to-reclaim.ts";
import type { FailureRecord } from "./log-events.ts";
import { type IntentState, liveMachines, type MachineRecord, type RunState } from "./run-state.ts";
import { awaitsBill } from "./spent.ts";

/** Pause before asking the market again after everything was refused; the capacity budget bounds the whole. */
const CAPACITY_PAUSE_MS = 15_000;
const MAX_UNCLEAR_PAUSE_MS = 300_000;

/** Commands while a run wants to train and no attempt is under way: find or buy a machine, then plan the next attempt on it. */
export function trainCommands(state: RunState, env: DecideEnv, notBefore: number): Decision {
  const left = leftovers(state, env.now);
  if (state.secretsMissing.length > 0) return left;
  const usable = usableMachine(state);
  if (usable !== undefined) return merge(left, onMachine(state, env, usable, notBefore));
  const open = openIntent(state);
  if (open !== undefined) return merge(left, creating(open, env));
  if (env.now < notBefore) return merge(left, { commands: [], wakeAt: notBefore });
  if (state.spec.machine !== undefined) return merge(left, { commands: [{ do: "use-machine", key: "use-machine" }] });
  return merge(left, buying(state, env));
}

/** Machines that no attempt will use again, and what others left behind: ended whatever else the run does. */
export function leftovers(state: RunState, now: number): Decision {
  const abandoned = abandonedMachines(state, now);
  return { ...abandoned, commands: [...abandoned.commands, ...burials(state), ...bills(state)] };
}

/** A provider that queues, or gives no answer, is asked again after 2 s, 4 s … 5 min. */
function creating(open: IntentState, env: DecideEnv): Decision {
  const again = Date.parse(open.changedAt) + Math.min(MAX_UNCLEAR_PAUSE_MS, 1_000 * 2 ** open.unclear);
  if (open.status === "ambiguous" && env.now < again) return { commands: [], wakeAt: again };
  return { commands: [{ do: "create", key: `create/${open.intent.id}`, intentId: open.intent.id }] };
}

function onMachine(state: RunState, env: DecideEnv, machine: MachineRecord, notBefore: number): Decision {
  if (machine.state === "stopped") {
    return {
      commands: [
        { do: "machine", key: `start/${machine.id}`, machineId: machine.id, action: "start" },
        { do: "look", key: `look/${machine.id}`, machineId: machine.id },
      ],
    };
  }
  if (env.now < notBefore) return { commands: [{ do: "look", key: `look/${machine.id}`, machineId: machine.id }], wakeAt: notBefore };
  const number = (state.attempts.at(-1)?.number ?? 0) + 1;
  return { commands: [{ do: "plan-attempt", key: `plan-attempt/${number}`, machineId: machine.id, attempt: number }] };
}

function buying(state: RunState, env: DecideEnv): Decision {
  const last = newestIntent(state);
  if (last?.status === "failed" && last.retryable !== true) return { commands: [failed(last.error)] };
  const since = Date.parse(state.wantingSince ?? state.createdAt);
  const giveUpAt = since + state.spec.retries.capacityMs;
  const refused = last !== undefined && ["unavailable", "failed", "void"].includes(last.status) && Date.parse(last.changedAt) >= since;
  if (refused) {
    if (env.now >= giveUpAt) return { commands: [failed(last.error ?? noCapacity(state))] };
    const again = Math.min(giveUpAt, Date.parse(last.changedAt) + Math.max(CAPACITY_PAUSE_MS, last.retryAfterMs ?? 0));
    if (env.now < again) return { commands: [], wakeAt: again };
  }
  // What is left of a budget is known when the bill is: the price may have risen while the last machine ran.
  if (state.spec.budget?.onExceeded === "stop" && awaitsBill(state)) return { commands: [] };
  // A volume is on one machine at a time: the one before must be gone.
  if (state.spec.volumes.length > 0 && liveMachines(state).some((machine) => machine.owned)) return { commands: [] };
  if (!env.mayBuy) return { commands: [] };
  return { commands: [{ do: "buy", key: "buy" }] };
}

/** A machine the next attempt may use: alive, not being ended, and not announced to go. */
export function usableMachine(state: RunState): MachineRecord | undefined {
  return liveMachines(state).find((machine) => {
    if (machine.asked?.action === "terminate") return false;
    if (machine.state === "ending" || machine.state === "ended") return false;
    return !isAbandoned(state, machine);
  });
}

/** A machine whose last attempt was interrupted or lost is not trusted again, unless it was the agent alone that died. */
function isAbandoned(state: RunState, machine: MachineRecord): boolean {
  const last = [...state.attempts].reverse().find((attempt) => attempt.machineId === machine.id);
  if (last === undefined || (last.outcome !== "interrupted" && last.outcome !== "lost")) return false;
  return machine.owned ? last.cause !== "agent-lost" : last.cause === "notice";
}

function abandonedMachines(state: RunState, now: number): Decision {
  const commands: Command[] = [];
  let wakeAt = Number.POSITIVE_INFINITY;
  for (const machine of liveMachines(state)) {
    const asked = machine.asked?.action === "terminate";
    if (!machine.owned || !(isAbandoned(state, machine) || asked)) continue;
    const until = asked ? undefined : leftUntil(state, machine);
    if (until !== undefined && now < until) wakeAt = Math.min(wakeAt, until);
    else commands.push({ do: "machine", key: `terminate/${machine.id}`, machineId: machine.id, action: "terminate" });
    commands.push({ do: "look", key: `look/${machine.id}`, machineId: machine.id });
  }
  return { commands, ...(Number.isFinite(wakeAt) ? { wakeAt } : {}) };
}

/** The intent whose outcome is still open, if any. */
export function openIntent(state: RunState): IntentState | undefined {
  return Object.values(state.intents).find((intent) => intent.status === "recorded" || intent.status === "ambiguous");
}

function newestIntent(state: RunState): IntentState | undefined {
  return Object.values(state.intents).reduce<IntentState | undefined>(
    (newest, intent) => (newest === undefined || intent.recordedAt >= newest.recordedAt ? intent : newest),
    undefined,
  );
}

function failed(error: FailureRecord | undefined): Command {
  return { do: "append", key: "run-ended", events: [{ type: "run-ended", status: "failed", error }] };
}

function noCapacity(state: RunState): FailureRecord {
  const tried = Object.values(state.intents).filter((intent) => intent.status === "unavailable").length;
  return {
    code: "RUNCTL_NO_CAPACITY",
    what: `No machine could be had in ${Math.round(state.spec.retries.capacityMs / 60_000)} min (${tried} tries).`,
    why: "Every matching pool was refused by the provider.",
    fix: ["Allow more instance types, regions or GPUs.", 'Set market: "spot-then-on-demand".', "Raise retries.capacity."],
  };
}

function merge(a: Decision, b: Decision): Decision {
  const wakes = [a.wakeAt, b.wakeAt].filter((at) => at !== undefined);
  return { commands: [...a.commands, ...b.commands], ...(wakes.length === 0 ? {} : { wakeAt: Math.min(...wakes) }) };
}
