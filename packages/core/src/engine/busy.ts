import { formatRef, type Machine } from "../provider/resource.ts";
import type { Engine } from "./engine.ts";
import { loadRun } from "./run-log.ts";
import { openAttempt } from "./run-state.ts";

/** The run of this state that trains on a machine now; undefined when none does. */
export async function busyWith(engine: Engine, machine: Machine): Promise<string | undefined> {
  const id = formatRef(machine.ref);
  for await (const info of engine.context.state.list("run/")) {
    if (info.ended || info.corrupt !== undefined) continue;
    const state = await loadRun(engine.context.state, info.stream.slice("run/".length));
    if (state !== undefined && state.ended === undefined && openAttempt(state)?.machineId === id) return state.runId;
  }
  return undefined;
}
