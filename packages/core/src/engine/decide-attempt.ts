import type { Command, DecideEnv, Decision } from "./commands.ts";
import { wantsPruning } from "./prune.ts";
import { type AttemptRecord, machineOf, type RunState } from "./run-state.ts";
import { spentUsd } from "./spent.ts";

/** A machine on which the agent could not be started in this time is given up and replaced. */
const ARM_TIMEOUT_MS = 20 * 60_000;
/** A cancelled attempt that says nothing in this time is ended with its machine. */
const CANCEL_PATIENCE_MS = 15_000;

/** While training goes on, retention is applied after this many new checkpoints; at the end of a run once more. */
const PRUNE_EVERY = 5;

/** Commands while an attempt is planned or under way. */
export function attemptCommands(state: RunState, attempt: AttemptRecord, env: DecideEnv): Decision {
  const machine = machineOf(state, attempt);
  const n = attempt.number;
  const look: Command = { do: "look", key: `look/${machine.id}`, machineId: machine.id };
  // Stopped by somebody else, nobody is left on it who could end the attempt.
  if (machine.endedAt !== undefined || machine.state === "stopped")
    return { commands: [{ do: "conclude", key: `conclude/${n}`, attempt: n }] };
  if (attempt.armedAt === undefined) return arming(state, attempt, env, look);

  const commands: Command[] = [{ do: "observe", key: `observe/${n}`, attempt: n }, look];
  if (wantsPruning(state, PRUNE_EVERY)) commands.push({ do: "prune", key: "prune" });
  if (state.spec.earlyStopping !== undefined && attempt.startedAt !== undefined)
    commands.push({ do: "judge-metrics", key: "judge-metrics" });
  const renewAt = renewalDue(state, attempt);
  if (renewAt !== undefined && env.now >= renewAt)
    commands.push({ do: "renew-allowance", key: `renew-allowance/${n}/${attempt.allowanceSeq}`, attempt: n });
  const { cancel, stop, suspend } = state.requests;
  if (cancel !== undefined) {
    const patienceEnds = Date.parse(cancel.at) + CANCEL_PATIENCE_MS;
    if (!attempt.told.includes("cancel")) commands.push(control(n, "cancel", { op: "cancel" }));
    if (machine.owned && env.now >= patienceEnds) commands.push(endAttempt(state, n, "cancelled", "cancel", env.now));
    // A machine that is not ours is never ended for its silence: its host, or its end, has the last word.
    return { commands, ...(machine.owned && env.now < patienceEnds ? { wakeAt: patienceEnds } : {}) };
  }
  if (stop !== undefined && !attempt.told.includes("stop")) {
    const graceMs = stop.request.request === "stop" ? stop.request.graceMs : undefined;
    commands.push(control(n, "stop", { op: "stop", cause: "stop", graceSeconds: graceMs === undefined ? undefined : graceMs / 1000 }));
  } else if (suspend !== undefined && !attempt.told.includes("suspend") && !attempt.told.includes("stop")) {
    commands.push(control(n, "suspend", { op: "stop", cause: "suspend" }));
  }
  return { commands, ...(renewAt === undefined || env.now >= renewAt ? {} : { wakeAt: renewAt }) };
}

/** Half way through a grant of the project's budget; undefined where the run's own budget is the limit, or there is none. */
function renewalDue(state: RunState, attempt: AttemptRecord): number | undefined {
  const intentId = machineOf(state, attempt).intentId;
  const intent = intentId === undefined ? undefined : state.intents[intentId];
  const price = intent?.offer.maxPricePerHour?.amount ?? intent?.offer.pricePerHour?.amount;
  if (intent?.allowanceUsd == null || price === undefined || price <= 0) return undefined;
  const own = state.spec.budget;
  if (own?.onExceeded === "stop" && own.maxCost <= intent.allowanceUsd) return undefined;
  // The allowance is what the whole run may have cost when it ends: half of the last slice is left at this moment.
  const machine = machineOf(state, attempt);
  const before = spentUsd(state, Date.parse(machine.createdAt)).usd;
  const lasts = ((intent.allowanceUsd - before) / price) * 3_600_000;
  return Date.parse(machine.createdAt) + lasts - Math.min(lasts / 2, 1_800_000);
}

function arming(state: RunState, attempt: AttemptRecord, env: DecideEnv, look: Command): Decision {
  const n = attempt.number;
  const key = `start-host/${n}`;
  const { cancel, stop, suspend } = state.requests;
  // A start in flight is waited for: what it did is known only afterwards.
  if (env.inFlight(key)) return { commands: [look] };
  if (cancel !== undefined || stop !== undefined || suspend !== undefined) {
    const cause = cancel !== undefined ? "cancel" : stop !== undefined ? "stop" : "suspend";
    const outcome = cancel !== undefined ? "cancelled" : stop !== undefined ? "stopped" : "suspended";
    // A start by a process that died may have reached the host: it is asked before the attempt is called off.
    const asked = Date.parse((cancel ?? stop ?? suspend)?.at ?? attempt.plannedAt) + CANCEL_PATIENCE_MS;
    if (machineOf(state, attempt).owned && env.now >= asked) return { commands: [endAttempt(state, n, outcome, cause, env.now)] };
    return { commands: [{ do: "call-off", key: `call-off/${n}`, attempt: n, outcome, cause }, look], wakeAt: asked };
  }
  // No host counts yet: until then the money is ours to watch.
  const planned = Date.parse(attempt.plannedAt);
  // A process that slept, or came later, has not tried yet.
  const tried = Math.max(planned, Date.parse(state.leaseAt ?? attempt.plannedAt));
  const givenUpAt = Math.min(tried + ARM_TIMEOUT_MS, planned + attempt.allowance.hardSeconds * 1000);
  if (env.now >= givenUpAt) return { commands: [endAttempt(state, n, "lost", "not-reachable", env.now)] };
  return { commands: [{ do: "start-host", key, attempt: n }, look], wakeAt: givenUpAt };
}

function control(attempt: number, op: string, command: Extract<Command, { do: "control" }>["command"]): Command {
  return { do: "control", key: `control/${attempt}/${op}`, attempt, command, op };
}

function endAttempt(
  state: RunState,
  attempt: number,
  outcome: "cancelled" | "stopped" | "suspended" | "lost",
  cause: string,
  now: number,
): Command {
  return {
    do: "append",
    key: `end-attempt/${attempt}`,
    events: [
      {
        type: "attempt-ended",
        attempt,
        outcome,
        cause,
        endedAt: new Date(Math.max(now, Date.parse(state.createdAt))).toISOString(),
        evidence: "inferred",
      },
    ],
  };
}
