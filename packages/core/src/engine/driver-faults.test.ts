import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EngineBed } from "../../test/support/engine-bed.ts";
import type { Fault } from "../../test/support/memory-provider.ts";
import { runStream } from "./run-log.ts";

const CREATE: Fault[] = ["lost", "reply-lost", "raw-error-after-effect", "throttle", "unavailable"];
const OTHER: Fault[] = ["lost", "reply-lost", "raw-error-after-effect", "throttle", "down", "lie", "permission"];
const FIND: Fault[] = ["incomplete", "down", "throttle"];

const schedule = fc.record({
  identity: fc.constantFrom("token" as const, "name" as const),
  create: fc.array(fc.constantFrom(...CREATE), { maxLength: 5 }),
  find: fc.array(fc.constantFrom(...FIND), { maxLength: 10 }),
  terminate: fc.array(fc.constantFrom(...OTHER), { maxLength: 5 }),
  connect: fc.array(fc.constantFrom<Fault>("down", "throttle"), { maxLength: 8 }),
  host: fc.record({ start: fc.nat(3), observe: fc.nat(6), control: fc.nat(2) }),
  kills: fc.array(fc.integer({ min: 20, max: 900 }), { maxLength: 3 }),
  request: fc.option(fc.record({ request: fc.constantFrom("stop" as const, "cancel" as const), second: fc.nat(900) }), { nil: undefined }),
  jumps: fc.array(fc.integer({ min: -3_600_000, max: 3_600_000 }), { maxLength: 2 }),
  lagMs: fc.constantFrom(0, 5_000, 45_000),
});

/** An hour back after a machine was lost: each attempt seemed to have been planned an hour ago, was given up at once, and bought anew. */
const JUMPED_BACK: Parameters<NonNullable<Parameters<typeof schedule.filter>[0]>>[0] = {
  identity: "name",
  create: [],
  find: ["throttle", "throttle", "down", "incomplete"],
  terminate: ["lie"],
  connect: ["down", "down", "down", "throttle", "down", "down", "down", "throttle"],
  host: { start: 3, observe: 2, control: 0 },
  kills: [558],
  request: undefined,
  jumps: [-3_600_000],
  lagMs: 45_000,
};

describe("a driver over a faulty cloud", () => {
  it("always comes to an end, with no machine left and no attempt trained on two machines", async () => {
    await fc.assert(
      fc.asyncProperty(schedule, async (faults) => {
        const bed = new EngineBed();
        const { memoryProvider } = await import("../../test/support/memory-provider.ts");
        bed.provider = memoryProvider(bed.cloud, { capabilities: { identity: faults.identity } });
        bed.cloud.lagMs = faults.lagMs;
        for (const op of ["create", "find", "terminate", "connect"] as const) bed.cloud.fault(op, faults[op]);
        Object.assign(bed.host.faults, faults.host);
        const engine = await bed.engine();
        const runId = await bed.start(engine, { retries: { interruptions: null, failures: 3, capacityMs: 7_200_000 } });
        const kills = [...faults.kills];
        const jumps = [...faults.jumps];
        let asked = false;
        for (let second = 0; second < 24 * 3600; second += 20) {
          await bed.clock.advance(20_000);
          if (kills[0] !== undefined && second >= kills[0]) {
            kills.shift();
            for (const machine of bed.cloud.alive()) bed.cloud.set(machine.ref.id, "ended");
            bed.clock.jump(jumps.shift() ?? 0);
          }
          if (!asked && faults.request !== undefined && second >= faults.request.second) {
            asked = true;
            await engine.request(runId, { request: faults.request.request });
          }
          if (engine.driverOf(runId) === undefined) break;
        }
        const run = await bed.run(runId);
        const story = (await bed.eventTypes(runId)).slice(-15).join(", ");
        expect(run.ended?.status, story).toMatch(/succeeded|failed|stopped|cancelled/);
        expect(bed.cloud.alive(), story).toEqual([]);
        for (const machines of bed.host.starts.values()) expect(machines.size).toBe(1);
        expect((await bed.state.read(runStream(runId))).length).toBeLessThan(400);
        await engine.close(0);
      }),
      { numRuns: 60, interruptAfterTimeLimit: 20_000, examples: [[JUMPED_BACK]] },
    );
  }, 60_000);
});
