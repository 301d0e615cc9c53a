import type { MachinesDeps } from "../machines/machines-deps.ts";
import type { Engine } from "./engine.ts";
import { loadRun } from "./run-log.ts";
import type { RunState } from "./run-state.ts";
import { statusOf } from "./status.ts";

/** Stopping and starting a run's machine is asked of the run: it saves a checkpoint first, is "suspended", and goes on later. */
export function machineRuns(engineOf: () => Promise<Engine>): NonNullable<MachinesDeps["runs"]> {
  return {
    async isActive(runId) {
      const state = await loadRun((await engineOf()).context.state, runId);
      return state !== undefined && state.ended === undefined;
    },
    async suspend(runId) {
      const engine = await engineOf();
      await engine.request(runId, { request: "suspend", reason: "its machine is stopped" });
      await until(
        engine,
        runId,
        (state) =>
          statusOf(state) === "suspended" &&
          Object.values(state.machines).every((machine) => machine.endedAt !== undefined || machine.state === "stopped"),
      );
    },
    async resume(runId) {
      const engine = await engineOf();
      await engine.request(runId, { request: "start" });
      await until(engine, runId, (state) => statusOf(state) === "running");
    },
  };
}

/** Drives where nobody else does: a suspended run of a process that is gone is everybody's. */
async function until(engine: Engine, runId: string, reached: (state: RunState) => boolean): Promise<void> {
  engine.standBy(runId);
  await engine.keepTrying(runId);
  const view = engine.view(runId);
  for (;;) {
    const state = await view.refresh();
    if (reached(state) || state.ended !== undefined) return;
    await view.news();
  }
}
