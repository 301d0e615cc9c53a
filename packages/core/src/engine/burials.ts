import type { Command } from "./commands.ts";
import type { RunState } from "./run-state.ts";

/** Machines that ended without being asked (reclaimed, killed): what is left of them at the provider is removed once. */
export function burials(state: RunState): Command[] {
  return Object.values(state.machines)
    .filter((machine) => machine.owned && machine.endedAt !== undefined && machine.asked?.action !== "terminate")
    .map((machine) => ({ do: "machine", key: `bury/${machine.id}`, machineId: machine.id, action: "terminate" }));
}
