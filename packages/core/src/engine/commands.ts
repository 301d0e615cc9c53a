import type { ControlCommand } from "../host/host-client.ts";
import type { RunLogEvent } from "./log-events.ts";

/**
 * What `decide` wants done. `key` names the work: while a command of that key is in flight it is not started again, and when it
 * fails it is tried again with a growing pause.
 */
export type Command =
  /** A decision that needs nothing from outside. */
  | { do: "append"; key: string; events: RunLogEvent[] }
  /** Choose offers and record an intent. */
  | { do: "buy"; key: "buy" }
  /** Look up the existing machine that the spec names. */
  | { do: "use-machine"; key: "use-machine" }
  /** Send the recorded intent, the same bytes each time. */
  | { do: "create"; key: string; intentId: string }
  /** Find out what became of an intent that is no longer wanted, or whose outcome is unknown. */
  | { do: "settle-intent"; key: string; intentId: string }
  | { do: "plan-attempt"; key: string; machineId: string; attempt: number }
  | { do: "start-host"; key: string; attempt: number }
  /** Stop or cancel came before the host was known to have started: find out whether it has. */
  | { do: "call-off"; key: string; attempt: number; outcome: "cancelled" | "stopped" | "suspended"; cause: string }
  | { do: "control"; key: string; attempt: number; command: ControlCommand; op: string }
  /** Ask the project's budget for more before the attempt's allowance is used up. */
  | { do: "renew-allowance"; key: string; attempt: number }
  /** The machine is gone: read the host's last words from the store, else call the attempt interrupted. */
  | { do: "conclude"; key: string; attempt: number }
  | { do: "machine"; key: string; machineId: string; action: "terminate" | "stop" | "start" }
  /** The machine has ended: ask once what its provider charges for it. */
  | { do: "bill"; key: string; machineId: string }
  /** The run is over: delete a volume that it made and that nobody wants, or find out whether it was made at all. */
  | { do: "end-volume"; key: string; index: number }
  /** Retention of published checkpoints. */
  | { do: "prune"; key: "prune" }
  /** Standing work, kept up while it is asked for. */
  | { do: "observe"; key: string; attempt: number }
  | { do: "look"; key: string; machineId: string }
  | { do: "judge-metrics"; key: "judge-metrics" };

/** Commands that go on until they are no longer wanted. */
export type StandingCommand = Extract<Command, { do: "observe" | "look" | "judge-metrics" }>;

export function isStanding(command: Command): command is StandingCommand {
  return command.do === "observe" || command.do === "look" || command.do === "judge-metrics";
}

export interface Decision {
  commands: Command[];
  /** Epoch milliseconds at which to decide again even if nothing happens. */
  wakeAt?: number | undefined;
}

/** What decide may know beside the log. */
export interface DecideEnv {
  /** Epoch milliseconds. */
  now: number;
  /** False while the project's limit of running machines is reached. */
  mayBuy: boolean;
  /** True while a command of this key is in flight in this driver. */
  inFlight(key: string): boolean;
}
