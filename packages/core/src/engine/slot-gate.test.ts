import { describe, expect, it } from "vitest";
import { EngineBed } from "../../test/support/engine-bed.ts";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { SlotGate } from "./slot-gate.ts";

const NOBODY = { held: 0, waiting: [] };
const run = (runId: string, second = 0): { runId: string; createdAt: string } => ({ runId, createdAt: `2026-01-01T00:00:0${second}.000Z` });

describe("SlotGate", () => {
  it("S-27: never gives more slots than there are, and the oldest of those that wait comes first", () => {
    const gate = new SlotGate(2, 10, new ManualClock());
    const woken: string[] = [];
    for (const id of ["a", "a", "b"]) expect(gate.ask(run(id), () => undefined) && gate.take(run(id), NOBODY)).toBe(true);
    expect(gate.held).toBe(2);
    for (const [id, second] of [
      ["late", 5],
      ["early", 1],
    ] as const)
      expect(gate.ask(run(id, second), () => void woken.push(id)) || gate.take(run(id, second), NOBODY)).toBe(false);
    gate.release("a");
    gate.release("a");
    expect(woken).toEqual(["early"]);
    expect(gate.take(run("late", 5), NOBODY)).toBe(false);
    expect(gate.take(run("early", 1), NOBODY)).toBe(true);
    gate.leave("late");
    gate.release("b");
    expect(woken).toEqual(["early"]);
  });

  it("S-27: what other processes hold is looked for again", async () => {
    const clock = new ManualClock();
    const gate = new SlotGate(1, 10, clock);
    let woken = 0;
    gate.ask(run("a"), () => {
      woken += 1;
    });
    expect(gate.take(run("a"), { held: 1, waiting: [] })).toBe(false);
    expect(gate.take(run("a", 2), { held: 0, waiting: [run("z", 1)] })).toBe(false);
    await clock.advance(6_000);
    expect(woken).toBe(1);
    expect(gate.take(run("a"), { held: 0, waiting: [run("z", 1)] })).toBe(true);
  });
});

describe("limits.maxRunning", () => {
  it("S-27: counts the runs of the project in every process, first made first served, and queueing is not looking for capacity", async () => {
    const bed = new EngineBed();
    bed.maxRunning = 1;
    bed.host.trainMs = 3_600_000;
    const one = await bed.engine();
    const two = await bed.engine();
    const first = await bed.start(one);
    await bed.until(first, (state) => state.attempts[0]?.startedAt !== undefined);
    const second = await bed.start(two);
    await bed.clock.advance(1_000);
    const third = await bed.start(one);
    await bed.clock.advance(1_800_000);
    expect(bed.cloud.alive()).toHaveLength(1);
    expect([Object.keys((await bed.run(second)).intents), Object.keys((await bed.run(third)).intents)]).toEqual([[], []]);
    await bed.until(second, (state) => state.attempts[0]?.startedAt !== undefined);
    expect(bed.cloud.alive()).toHaveLength(1);
    expect((await bed.run(first)).ended?.status).toBe("succeeded");
    // More than an hour after it was made: its own time to find a machine begins now.
    expect(await bed.eventTypes(second)).toContain("slot-taken");
    await bed.until(third, (state) => state.ended !== undefined);
    expect((await bed.run(second)).ended?.status).toBe("succeeded");
    await one.close(0);
    await two.close(0);
  });

  it("S-27: of two processes that want the last slot at the same moment one gets it", async () => {
    const bed = new EngineBed();
    bed.maxRunning = 2;
    const engines = [await bed.engine(), await bed.engine(), await bed.engine(), await bed.engine()];
    const runs = await Promise.all(engines.map((engine) => bed.start(engine)));
    let most = 0;
    for (let step = 0; step < 100; step++) {
      await bed.clock.advance(30_000);
      most = Math.max(most, bed.cloud.alive().length);
    }
    expect(most).toBe(2);
    for (const runId of runs) expect((await bed.run(runId)).ended?.status).toBe("succeeded");
    for (const engine of engines) await engine.close(0);
  });
});
