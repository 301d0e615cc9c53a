import type { RunResult, RunSpec } from "@runctl/core";
import { describe, expect, it } from "vitest";
import type { EmulatedCloudOptions } from "../src/cloud/cloud-options.ts";
import type { Job } from "../src/hosts/job-model.ts";
import { World } from "../src/world/world.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const TYPE = { name: "gpu.1", cpus: 8, memoryBytes: 2 ** 35, onDemand: 3, spot: 1 };

interface Setting {
  cloud?: EmulatedCloudOptions;
  job?: Job;
  spec?: RunSpec;
  /** Once the run is there. */
  meanwhile?: (world: World) => void;
}

/** One run in a world of its own, to its result. */
async function simulate(setting: Setting): Promise<{ world: World; result: RunResult; types: string[] }> {
  const world = new World({ seed: 7, clouds: [{ types: [TYPE], ...setting.cloud }], job: setting.job });
  const { runctl } = world.controller();
  const run = await world.run(runctl.train(world.spec(setting.spec ?? {}), { until: "running" }));
  setting.meanwhile?.(world);
  const result = await world.run(run.result(), { limitMs: 30 * 24 * HOUR });
  const types = world.log(run.id).map((text) => String((JSON.parse(text) as { event: { type: unknown } }).event.type));
  return { world, result, types };
}

function cloudOf(world: World): World["clouds"][number] {
  const [cloud] = world.clouds;
  if (cloud === undefined) throw new TypeError("There is a cloud.");
  return cloud;
}

describe("rows of the acceptance under simulation", () => {
  it("P-12: the deadline is the same moment over three respawns", async () => {
    const deadline = Date.parse("2026-01-01T02:00:00Z");
    const { world, result } = await simulate({
      cloud: { spot: { reclaimAfterMs: [20 * MINUTE, 20 * MINUTE, 20 * MINUTE] } },
      job: { steps: 10_000, stepSeconds: 6 },
      spec: { market: "spot", deadline: new Date(deadline).toISOString() },
    });
    expect(result.status).toBe("timed-out");
    expect(result.attempts.length).toBe(4);
    const trained = world.hosts.trainings.map((training) => training.to ?? 0);
    expect(Math.max(...trained)).toBeLessThan(deadline + MINUTE);
    expect(Math.max(...trained)).toBeGreaterThan(deadline - MINUTE);
    expect(cloudOf(world).living).toBe(0);
    world.dispose();
  });

  it("P-13: a script that always fails ends by its retry budget, with growing pauses and its cost shown", async () => {
    const { world, result } = await simulate({ job: { failAt: { step: 2, code: 3 } }, spec: { retries: { failures: 4 } } });
    expect(result).toMatchObject({ status: "failed", exitCode: 3 });
    expect(result.attempts.map((attempt) => attempt.outcome)).toEqual(Array.from({ length: 5 }, () => "failed"));
    const pauses = result.attempts
      .slice(1)
      .map((attempt, before) => Date.parse(attempt.startedAt ?? "") - Date.parse(result.attempts[before]?.endedAt ?? ""));
    for (const [at, pause] of pauses.entries()) expect(pause).toBeGreaterThanOrEqual(1_000 * 2 ** at);
    expect(result.cost.total?.amount).toBeCloseTo(cloudOf(world).invoice().total, 4);
    expect(result.cost.total?.amount).toBeGreaterThan(0);
    world.dispose();
  });

  it("P-15: a hundred preemptions consume no crash retries; a crash right after a notice is a crash", async () => {
    const { world, result } = await simulate({
      cloud: { spot: { reclaimAfterMs: Array.from({ length: 100 }, () => 5 * MINUTE) } },
      job: ({ attempt, resumedStep }) => ({
        steps: 100_000,
        stepSeconds: 6,
        saveEverySteps: 0,
        ...(attempt === 101 ? { failAt: { step: resumedStep + 3, code: 5 } } : {}),
      }),
      spec: { market: "spot", retries: { failures: 0 } },
    });
    expect(result.attempts.filter((attempt) => attempt.outcome === "interrupted")).toHaveLength(100);
    expect(result.attempts.at(-1)).toMatchObject({ number: 101, outcome: "failed" });
    expect(result).toMatchObject({ status: "failed", exitCode: 5 });
    world.dispose();
  });

  it("P-16: what a run says it cost is what its cloud bills, disk, minimum and moved prices included", async () => {
    const { world, result } = await simulate({
      cloud: {
        types: [
          {
            ...TYPE,
            spot: [
              { at: 0, price: 1 },
              { at: 30 * MINUTE, price: 2 },
            ],
          },
        ],
        spot: { reclaimAfterMs: [20_000, 40 * MINUTE] },
        billing: { minimumSeconds: 60, diskPerGibMonth: 0.1, defaultDiskGib: 100 },
      },
      job: { steps: 1_000, stepSeconds: 6 },
      spec: { market: "spot" },
    });
    expect(result.status).toBe("succeeded");
    const billed = cloudOf(world).invoice().total;
    expect(result.attempts.length).toBe(3);
    expect(Math.abs((result.cost.known.amount - billed) / billed)).toBeLessThan(0.005);
    world.dispose();
  });

  it("P-17: an offer that is listed and refused is left alone, and the next is asked within seconds", async () => {
    const { world, result, types } = await simulate({
      cloud: {
        regions: [{ name: "r", zones: ["r-a", "r-b"] }],
        pools: [{ zone: "r-a", price: 0.5, capacity: 0 }],
      },
      spec: { market: "on-demand" },
    });
    expect(result.status).toBe("succeeded");
    expect(types.filter((type) => type === "intent-unavailable")).toHaveLength(1);
    expect(result.attempts[0]?.zone).toBe("r-b");
    expect(Date.parse(result.attempts[0]?.startedAt ?? "") - Date.parse(result.createdAt)).toBeLessThan(MINUTE);
    world.dispose();
  });

  it("P-33: spot without checkpoints whose expected cost passes on-demand is refused, and nothing is bought", async () => {
    const world = new World({ seed: 7, clouds: [{ types: [TYPE] }] });
    const { runctl } = world.controller();
    const spec = world.spec({ market: "spot", checkpoints: false, maxDuration: "40h" });
    await expect(world.run(runctl.train(spec))).rejects.toThrow(/on-demand/);
    expect(cloudOf(world).counts.create ?? 0).toBe(0);
    const allowed = await world.run(runctl.train({ ...spec, allow: ["spot-costs-more"] }));
    expect((await world.run(allowed.result())).status).toBe("succeeded");
    world.dispose();
  });

  it("P-04: ten minutes in which the client sees nothing: the run goes on, no duplicate, no teardown", async () => {
    const { world, result } = await simulate({
      job: { steps: 300, stepSeconds: 6 },
      meanwhile: (made) => {
        for (const link of ["client-cloud", "client-host"] as const) cloudOf(made).network.cut(link, { forMs: 10 * MINUTE });
      },
    });
    expect(result.status).toBe("succeeded");
    expect(result.attempts).toHaveLength(1);
    expect([...cloudOf(world).machines()]).toHaveLength(1);
    expect(world.hosts.trainings).toHaveLength(1);
    world.dispose();
  });

  it("P-05: a delete that goes on failing holds no result back, is alarmed and asked again, and the machine ends itself at last", async () => {
    const { world, result, types } = await simulate({
      job: { steps: 10 },
      meanwhile: (made) => cloudOf(made).faults.always("terminate", "down"),
    });
    expect(result.status).toBe("succeeded");
    expect(types).toContain("alarm");
    expect(cloudOf(world).living).toBe(1);
    await world.clock.advance(10 * MINUTE);
    expect(cloudOf(world).living).toBe(1);
    expect(cloudOf(world).counts.terminate ?? 0).toBeGreaterThan(10);
    // Its own guardian: the delete fails to this day.
    await world.clock.advance(3 * HOUR);
    expect(cloudOf(world).living).toBe(0);
    const [controller] = world.controllers;
    const ledger = await world.run(controller?.runctl.resources.list({ showEnded: true }) ?? Promise.resolve([]));
    expect(ledger).toHaveLength(1);
    expect(cloudOf(world).invoice().total).toBeGreaterThan((10 / 60) * TYPE.onDemand);
    world.dispose();
  });

  it("P-06: a delete that says yes and does nothing is found by the next listing, and done again", async () => {
    const { world, result } = await simulate({
      job: { steps: 10 },
      meanwhile: (made) => cloudOf(made).faults.next("terminate", "lie", "lie"),
    });
    expect(result.status).toBe("succeeded");
    await world.clock.advance(HOUR);
    expect(cloudOf(world).living).toBe(0);
    expect(cloudOf(world).counts.terminate ?? 0).toBeGreaterThanOrEqual(3);
    world.dispose();
  });
});
