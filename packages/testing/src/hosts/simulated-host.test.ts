import { describe, expect, test } from "vitest";
import { HostBed, settle } from "./host-bed.test-support.ts";

// 100 steps of 6 s, a save of 2 s every 10 steps: 600 s + 10 × 2 s, after 10 s of setup.
const WHOLE = 10 + 600 + 20;

describe("a job that ends by itself", () => {
  test("S-14 claims, trains, publishes each save and tells its end, with few timers", async () => {
    const bed = new HostBed({});
    const host = bed.machine("m1");
    const file = bed.attempt("m1");
    const session = await bed.start(host, file);
    expect((await bed.observe(session, file)).alive).toEqual({ guardian: true, supervisor: true, runner: false });
    await bed.clock.pass(10 + 64);
    const half = await bed.observe(session, file);
    expect(half.status).toMatchObject({ phase: "training", step: 10, published: 0, uploading: "step-10.json", trainingSeconds: 64 });
    expect(half.alive.runner).toBe(true);
    await bed.clock.pass(WHOLE - 74 + 5);
    const final = await bed.final(session, file);
    expect(final).toMatchObject({ cause: "exit", code: 0, signal: null, published: 10, lost: [], resumedFrom: null });
    expect(final.newestCheckpoint).toBe("runs/run1/ckpt/1/000010/manifest.json");
    const { events } = await bed.observe(session, file);
    expect(events.filter((event) => event.type === "checkpoint-published")).toHaveLength(10);
    expect(await bed.json("runs/run1/attempts/1/final.json")).toMatchObject({ cause: "exit", code: 0 });
    expect(bed.hosts.records.trainings).toMatchObject([
      { runId: "run1", attempt: 1, machineId: "m1", stepsFrom: 0, stepsTo: 100, resumedFrom: null, stepSaved: 100, stepPublished: 100 },
    ]);
    expect(bed.clock.fired).toBeLessThan(60);
    await bed.clock.pass(1);
    expect((await bed.observe(session, file)).alive.supervisor).toBe(false);
    await settle();
  });
});
