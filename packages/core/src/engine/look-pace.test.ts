import { describe, expect, it } from "vitest";
import { EngineBed } from "../../test/support/engine-bed.ts";
import { LookPace } from "./look-pace.ts";

describe("LookPace", () => {
  it("a few hosts are looked at in their own time, a thousand share the looks", () => {
    const pace = new LookPace();
    const leave = Array.from({ length: 10 }, () => pace.enter());
    expect(pace.quietMs(30_000)).toBe(30_000);
    for (let n = 0; n < 990; n++) leave.push(pace.enter());
    expect(pace.quietMs(30_000)).toBe(250_000);
    for (const each of leave) each();
    for (const each of leave) each();
    expect(pace.quietMs(1)).toBe(1);
  });

  it("half of the waiting looks are kept for machines that may be taken away", () => {
    const pace = new LookPace();
    const calm = Array.from({ length: 100 }, () => pace.mayWait(false)).filter((release) => release !== undefined);
    const urgent = Array.from({ length: 100 }, () => pace.mayWait(true)).filter((release) => release !== undefined);
    expect([calm.length, urgent.length]).toEqual([32, 32]);
    calm[0]?.();
    expect(pace.mayWait(true)).toBeDefined();
    expect(pace.mayWait(false)).toBeUndefined();
  });
});

describe("looks at what is quiet", () => {
  it("grow rare: six hours of training are some hundred looks and listings", async () => {
    const bed = new EngineBed();
    bed.host.trainMs = 48 * 3_600_000;
    let looks = 0;
    const { observe } = bed.host;
    bed.host.observe = (...parameters) => {
      looks += 1;
      return observe.apply(bed.host, parameters);
    };
    const engine = await bed.engine();
    const runId = await bed.start(engine);
    await bed.until(runId, (state) => state.attempts[0]?.startedAt !== undefined);
    const before = bed.cloud.calls.filter((call) => call === "find").length;
    await bed.clock.advance(6 * 3_600_000);
    // Every 30 s without a watch, every 60 s for the listing.
    expect(looks).toBeLessThan(900);
    expect(looks).toBeGreaterThan(600);
    expect(bed.cloud.calls.filter((call) => call === "find").length - before).toBeLessThan(400);
    await engine.close(0);
  });

  it("come at once when a machine goes: it is ended and replaced as fast as ever", async () => {
    const bed = new EngineBed();
    bed.host.trainMs = 48 * 3_600_000;
    const engine = await bed.engine();
    const runId = await bed.start(engine);
    await bed.until(runId, (state) => state.attempts[0]?.startedAt !== undefined);
    await bed.clock.advance(3_600_000);
    for (const machine of bed.cloud.alive()) bed.cloud.set(machine.ref.id, "ended");
    await bed.clock.advance(90_000);
    expect((await bed.run(runId)).attempts.map((attempt) => attempt.outcome)).toEqual(["interrupted", undefined]);
    await engine.close(0);
  });
});
