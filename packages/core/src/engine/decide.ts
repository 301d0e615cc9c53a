import type { Command, DecideEnv, Decision } from "./commands.ts";
import { attemptCommands } from "./decide-attempt.ts";
import { budgetWarnings } from "./decide-budget.ts";
import { endingCommands } from "./decide-end.ts";
import { leftovers, trainCommands } from "./decide-train.ts";
import { openAttempt, type RunState } from "./run-state.ts";
import { verdictOf } from "./verdict.ts";

/**
 * What to do now. Pure: reads neither clock, randomness nor network; the same state and time give the same commands. Called again
 * after every event and at `wakeAt`.
 */
export function decide(state: RunState, env: DecideEnv): Decision {
  if (state.ended !== undefined) return endingCommands(state, env, undefined);
  const warnings = budgetWarnings(state, env.now);
  const attempt = openAttempt(state);
  if (attempt !== undefined) return merge(merge(warnings, leftovers(state, env.now)), attemptCommands(state, attempt, env));
  const verdict = verdictOf(state, env.now);
  switch (verdict.kind) {
    case "end":
      return endingCommands(state, env, verdict);
    case "suspend":
      return suspendCommands(state);
    case "train":
      return merge(warnings, trainCommands(state, env, verdict.notBefore));
  }
}

function suspendCommands(state: RunState): Decision {
  const commands: Command[] = [];
  for (const machine of Object.values(state.machines)) {
    if (!machine.owned || machine.endedAt !== undefined || machine.state === "stopped") continue;
    commands.push({ do: "machine", key: `stop/${machine.id}`, machineId: machine.id, action: "stop" });
    commands.push({ do: "look", key: `look/${machine.id}`, machineId: machine.id });
  }
  return { commands };
}

function merge(a: Decision, b: Decision): Decision {
  const wakes = [a.wakeAt, b.wakeAt].filter((at) => at !== undefined);
  return { commands: [...a.commands, ...b.commands], ...(wakes.length === 0 ? {} : { wakeAt: Math.min(...wakes) }) };
}
