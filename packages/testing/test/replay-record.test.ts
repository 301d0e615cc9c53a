import type { RunResult, RunSpec, StoredEvent } from "@runctl/core";
import { runStream } from "@runctl/core/seams";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EmulatedCloudOptions } from "../src/cloud/cloud-options.ts";
import type { Job } from "../src/hosts/job-model.ts";
import { replay } from "../src/replay/replay.ts";
import { World } from "../src/world/world.ts";

interface Recorded {
  log: StoredEvent[];
  result: RunResult;
  billed: number;
}

/** A run in a simulated world, as any state store would have kept it. */
async function record(setting: {
  cloud?: EmulatedCloudOptions;
  job?: Job;
  spec?: RunSpec;
  seed?: number;
  stopAfterMs?: number;
}): Promise<Recorded> {
  using world = new World({ seed: setting.seed ?? 1, clouds: [setting.cloud ?? {}], job: setting.job, record: "none" });
  const { runctl } = world.controller();
  const run = await world.run(runctl.train(world.spec(setting.spec ?? {})));
  if (setting.stopAfterMs !== undefined) world.clock.timer(setting.stopAfterMs, () => void run.stop());
  const result = await world.run(run.result());
  return { log: await world.state.read(runStream(run.id)), result, billed: world.clouds[0]?.invoice().compute ?? 0 };
}

const HOUR = 3_600_000;
const JOB = { steps: 1_000, stepSeconds: 10, saveEverySteps: 60, setupSeconds: 120 };
const SPOT: RunSpec = { market: "spot" };
const TYPE = { name: "gpu.1", cpus: 8, memoryBytes: 2 ** 35, onDemand: 3, spot: 1 };

describe("replay under the record's own choices", () => {
  const setting = fc.record({
    seed: fc.nat({ max: 1_000 }),
    market: fc.constantFrom("spot" as const, "on-demand" as const, "spot-then-on-demand" as const),
    reclaims: fc.array(fc.integer({ min: 600, max: 7_200 }), { maxLength: 3 }),
    noticeSeconds: fc.constantFrom(120, 30, 0),
    onSignal: fc.constantFrom("save" as const, "exit" as const),
    refusedForSeconds: fc.constantFrom(0, 200),
    pendingSeconds: fc.constantFrom(0, 45),
    endingSeconds: fc.constantFrom(0, 30),
    saveEverySteps: fc.constantFrom(60, 300, 0),
    steps: fc.integer({ min: 100, max: 1_500 }),
    failAt: fc.constantFrom(undefined, undefined, 80),
    end: fc.constantFrom("done" as const, "done" as const, "budget" as const, "stop" as const),
  });

  it("comes to the recorded cost and duration, for any run", async () => {
    await fc.assert(
      fc.asyncProperty(setting, async (made) => {
        const { log, result, billed } = await record({
          seed: made.seed,
          cloud: {
            types: [TYPE],
            spot: { reclaimAfterMs: made.reclaims.map((seconds) => seconds * 1000), noticeMs: made.noticeSeconds * 1000 },
            transitions: { pendingMs: made.pendingSeconds * 1000, endingMs: made.endingSeconds * 1000 },
            latencyMs: { create: 2_000 },
            billing: { granularitySeconds: 0, minimumSeconds: 0 },
            ...(made.refusedForSeconds === 0
              ? {}
              : {
                  pools: [
                    {
                      market: "spot",
                      capacity: [
                        { at: 0, machines: 0 },
                        { at: made.refusedForSeconds * 1000, machines: 9 },
                      ],
                    },
                  ],
                }),
          },
          job: ({ attempt }) => ({
            ...JOB,
            steps: made.steps,
            saveEverySteps: made.saveEverySteps,
            onSignal: made.onSignal,
            ...(made.failAt !== undefined && attempt === 1 ? { failAt: { step: made.failAt, code: 3 } } : {}),
          }),
          spec: {
            market: made.market,
            retries: { failures: 1 },
            ...(made.end === "budget" ? { budget: { maxCost: 1 } } : {}),
          },
          ...(made.end === "stop" ? { stopAfterMs: HOUR } : {}),
        });
        const report = await replay(log);
        expect(report.recorded).toMatchObject({ status: result.status, durationMs: result.durationMs, attempts: result.attempts.length });
        expect(report.replayed.status).toBe(result.status);
        expect(report.replayed.attempts).toBe(result.attempts.length);
        // An engine looks every few seconds, and asks a market that refused every 15 s: each begin and end may be that much off.
        const looks = 15_000 * (1 + result.attempts.length);
        expect(Math.abs(report.difference.durationMs)).toBeLessThanOrEqual(0.002 * result.durationMs + looks);
        expect(Math.abs((report.replayed.cost?.amount ?? -1) - billed)).toBeLessThanOrEqual(
          0.002 * billed + (looks / HOUR) * TYPE.onDemand,
        );
        expect(report.fidelity.durationShare).toBeLessThan(0.05);
      }),
      { numRuns: Number(process.env.RUNCTL_REPLAY_RUNS ?? 12), seed: Number(process.env.RUNCTL_REPLAY_SEED ?? 1), endOnFailure: true },
    );
  }, 120_000);
});

describe("replay under other choices", () => {
  it("answers what on-demand would have cost, and how much sooner it would have been over", async () => {
    const { log, result } = await record({
      cloud: { types: [TYPE], spot: { reclaimAfterMs: [HOUR] } },
      job: { ...JOB, onSignal: "exit" },
      spec: SPOT,
    });
    expect(result.attempts).toHaveLength(2);
    const report = await replay(log, { policy: { market: "on-demand" }, market: { onDemand: 3 } });
    expect(report.replayed).toMatchObject({ status: "succeeded", attempts: 1, interruptions: 0, repeatedMs: 0 });
    expect(report.difference.durationMs).toBeLessThan(-120_000);
    const hours = (report.replayed.machineMs["on-demand"] ?? 0) / HOUR;
    expect(report.replayed.cost?.amount).toBeCloseTo(3 * hours, 3);
    expect(report.difference.cost?.amount).toBeGreaterThan(0);
    expect(report.unknown).toEqual([]);
  });

  it("calls a cost unknown whose price nobody told, and still says how long it would have taken", async () => {
    const { log } = await record({ cloud: { types: [TYPE] }, job: JOB, spec: SPOT });
    const report = await replay(log, { policy: { market: "on-demand" } });
    expect(report.replayed.status).toBe("succeeded");
    expect(report.replayed.cost).toBeUndefined();
    expect(report.difference.cost).toBeUndefined();
    expect(report.unknown).toEqual([expect.stringMatching(/on-demand price of gpu\.1.*market\.onDemand/)]);
  });

  it("follows prices in steps", async () => {
    const { log } = await record({ cloud: { types: [TYPE] }, job: JOB, spec: SPOT });
    const report = await replay(log, {
      market: {
        spot: [
          [0, 1],
          ["1h", 2],
        ],
        interruptions: "none",
      },
    });
    const hours = (report.replayed.machineMs.spot ?? 0) / HOUR;
    expect(hours).toBeGreaterThan(2);
    expect(report.replayed.cost?.amount).toBeCloseTo(1 + (hours - 1) * 2, 2);
  });

  it("takes machines away when told to, and repeats what no save held", async () => {
    const { log } = await record({ cloud: { types: [TYPE] }, job: { ...JOB, onSignal: "exit" }, spec: SPOT });
    const calm = await replay(log, { market: { interruptions: "none" } });
    const rough = await replay(log, { market: { interruptions: ["30m", "1h", "90m"], noticeSeconds: 0 } });
    expect(calm.replayed).toMatchObject({ interruptions: 0, repeatedMs: 0 });
    expect(rough.replayed).toMatchObject({ status: "succeeded", interruptions: 3, attempts: 4 });
    expect(rough.replayed.repeatedMs).toBeGreaterThan(60_000);
    const seldom = await replay(log, {
      policy: { checkpointEvery: "29m" },
      market: { interruptions: ["30m", "1h", "90m"], noticeSeconds: 0 },
      job: { save: "5s" },
    });
    expect(seldom.replayed.repeatedMs).toBeGreaterThan(rough.replayed.repeatedMs);
    expect(seldom.replayed.durationMs).toBeGreaterThan(rough.replayed.durationMs);
  });

  it("follows a trace: waits while spot is not to be had, or falls back", async () => {
    const { log } = await record({ cloud: { types: [TYPE] }, job: JOB, spec: SPOT });
    const trace = {
      gapSeconds: 600,
      data: [1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
      spotPrice: 1,
      onDemandPrice: 3,
    };
    const waits = await replay(log, { market: { trace }, policy: { retries: { capacity: "2h" } } });
    expect(waits.replayed).toMatchObject({ status: "succeeded", interruptions: 1 });
    expect(waits.replayed.waitingMs).toBeGreaterThan(1_500_000);
    const falls = await replay(log, { market: { trace }, policy: { market: "spot-then-on-demand", fallbackAfter: "5m" } });
    expect(falls.replayed.waitingMs).toBeLessThan(waits.replayed.waitingMs);
    expect(Object.keys(falls.replayed.machineMs).sort()).toEqual(["on-demand", "spot"]);
    expect(falls.replayed.cost?.amount).toBeGreaterThan(waits.replayed.cost?.amount ?? Number.POSITIVE_INFINITY);
  });

  it("says whether budget and deadline would have been kept", async () => {
    const { log, result } = await record({ cloud: { types: [TYPE] }, job: JOB, spec: SPOT });
    const ends = Date.parse(result.createdAt) + result.durationMs;
    const kept = await replay(log, { policy: { budget: { maxCost: 10 }, deadline: new Date(ends + HOUR).toISOString() } });
    expect([kept.budget?.met, kept.deadline?.met]).toEqual([true, true]);
    const broken = await replay(log, { policy: { budget: { maxCost: 1 }, deadline: new Date(ends - HOUR).toISOString() } });
    expect(broken.replayed.status).not.toBe("succeeded");
    expect([broken.budget?.met, broken.deadline?.met]).toEqual([false, false]);
  });

  it("names what a record does not tell, and refuses choices that make no sense", async () => {
    const { log, result } = await record({ cloud: { types: [TYPE] }, job: JOB, spec: { market: "spot", budget: { maxCost: 1 } } });
    expect(result.status).toBe("out-of-budget");
    const report = await replay(log, { policy: { budget: { maxCost: 2 } } });
    expect(report.unknown.join()).toMatch(/how much work/i);
    expect(report.replayed.status).toBe("out-of-budget");
    expect(report.replayed.trainingMs).toBeGreaterThan(report.recorded.trainingMs * 1.5);
    const longer = await replay(log, { policy: { budget: null }, job: { work: "100m" } });
    expect(longer.replayed.status).toBe("succeeded");
    await expect(replay([])).rejects.toThrow(/not the log of a run/);
    await expect(replay(log, { policy: { pricePerHour: -1 } })).rejects.toThrow(/policy\.pricePerHour/);
    await expect(replay(log, { policy: { markt: "spot" } as never })).rejects.toThrow(/policy/);
    await expect(replay(log, { market: { trace: "x", interruptions: "none" } })).rejects.toThrow(/both given/);
  });
});
