import { afterEach, describe, expect, it } from "vitest";
import { EngineBed } from "../../test/support/engine-bed.ts";
import type { Engine } from "./engine.ts";

const opened: Engine[] = [];
afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close(0);
});

/** A cloud that takes its time to end a machine, and shows it. */
function slowToEnd(bed: EngineBed, seconds: number): void {
  bed.provider.terminate = async (ref) => {
    bed.cloud.calls.push("terminate");
    if (bed.cloud.mustHave(ref.id).machine.state !== "running") return;
    bed.cloud.set(ref.id, "ending");
    bed.clock.timer(seconds * 1000, () => bed.cloud.set(ref.id, "ended"));
  };
}

describe("ending a machine", () => {
  it("one that is seen to be on its way is waited for: asked once, no alarm", async () => {
    const bed = new EngineBed();
    slowToEnd(bed, 30);
    const engine = await bed.engine();
    opened.push(engine);
    const runId = await bed.start(engine);
    const run = await bed.until(runId, (state) => state.ended !== undefined && Object.values(state.machines).every((one) => one.endedAt));
    expect(run.ended?.status).toBe("succeeded");
    expect(bed.cloud.calls.filter((call) => call === "terminate")).toHaveLength(1);
    expect((await bed.eventTypes(runId)).filter((type) => type === "alarm")).toEqual([]);
  });

  it("one whose end shows late, as listings may be, is asked again and raises no alarm", async () => {
    const bed = new EngineBed();
    bed.provider.terminate = async (ref) => {
      bed.cloud.calls.push("terminate");
      bed.clock.timer(20_000, () => bed.cloud.set(ref.id, "ended"));
    };
    const engine = await bed.engine();
    opened.push(engine);
    const runId = await bed.start(engine);
    const run = await bed.until(runId, (state) => state.ended !== undefined && Object.values(state.machines).every((one) => one.endedAt));
    expect(run.ended?.status).toBe("succeeded");
    expect(bed.cloud.calls.filter((call) => call === "terminate").length).toBeGreaterThan(1);
    expect((await bed.eventTypes(runId)).filter((type) => type === "alarm")).toEqual([]);
  });

  it("P-05 one that never gets there is asked again, and an alarm is raised", async () => {
    const bed = new EngineBed();
    slowToEnd(bed, 10 * 3600);
    const engine = await bed.engine();
    opened.push(engine);
    const runId = await bed.start(engine);
    const run = await bed.until(runId, (state) => state.alarms.some((id) => id.startsWith("not-terminated/")), 2);
    expect(Object.values(run.machines)[0]?.endedAt).toBeUndefined();
    expect(bed.cloud.calls.filter((call) => call === "terminate").length).toBeGreaterThan(1);
  });
});
