import { describe, expect, it } from "vitest";
import { EngineBed } from "../../test/support/engine-bed.ts";
import { AmbiguousOutcomeError } from "../errors/kinds.ts";
import { memoryState } from "../state/memory-state.ts";
import { reconcile } from "./reconcile.ts";

/** A run whose first attempt is claimed, and a state that knows nothing of it any more. */
async function lostRun(): Promise<EngineBed> {
  const bed = new EngineBed();
  const engine = await bed.engine();
  const { stateId } = engine.context;
  const runId = await bed.start(engine);
  await bed.until(runId, (run) => run.attempts.length === 1);
  const [created] = await bed.state.read(`run/${runId}`);
  const machine = [...bed.cloud.held.keys()][0];
  await bed.store.put(`mem:/runs/${runId}/run.json`, JSON.stringify(created?.event));
  await bed.store.put(`mem:/runs/${runId}/attempts/1/claim`, JSON.stringify({ machine: `mem/machine/${machine}`, nonce: "n" }));
  await engine.close(0);
  bed.state = memoryState();
  await bed.state.adopt(stateId);
  return bed;
}

describe("a lost state", () => {
  it("P-03: is not rebuilt from a listing that lacks a part", async () => {
    const bed = await lostRun();
    bed.cloud.fault("find", { always: "incomplete" });
    const rebuilding = reconcile(await bed.engine(), { rebuildFrom: "mem:/" });
    rebuilding.catch(() => undefined);
    await expect(bed.clock.runUntil(rebuilding)).rejects.toSatisfy(AmbiguousOutcomeError.isInstance);
    const streams: string[] = [];
    for await (const { stream } of bed.state.list("run/")) streams.push(stream);
    expect(streams).toEqual([]);
  });

  it("P-02 P-03: waits for a machine that is too young to be listed", async () => {
    const bed = await lostRun();
    const machine = [...bed.cloud.held.values()][0];
    if (machine !== undefined) machine.visibleAt = bed.clock.now() + 45_000;
    const { rebuilt } = await bed.clock.runUntil(reconcile(await bed.engine(), { rebuildFrom: "mem:/" }));
    expect(rebuilt).toEqual(["r1"]);
    const run = await bed.run("r1");
    expect(Object.values(run.machines).map((record) => record.endedAt)).toEqual([undefined]);
  });
});
