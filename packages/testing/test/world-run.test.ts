import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import { StuckError } from "../src/clock/stuck-error.ts";
import { World, type WorldOptions } from "../src/world/world.ts";
import { eventTypes, useWorlds } from "./support/worlds.ts";

const newWorld = useWorlds();

describe("a simulated world", () => {
  it("trains a run from beginning to end, with every call to the world on record", async () => {
    const world = newWorld();
    const controller = world.controller();
    const run = await world.run(controller.runctl.train(world.spec()));
    const result = await world.run(run.result());
    expect(result.status).toBe("succeeded");
    expect(world.hosts.trainings).toHaveLength(1);
    expect(world.clock.monotonic()).toBeGreaterThan(600_000);
    await world.run(controller.close());
    expect(controller.isAlive).toBe(false);
    const calls = world.boundaries.map(({ port, op }) => `${port}.${op}`);
    for (const call of [
      "provider.offers",
      "provider.create",
      "state.append",
      "store.put",
      "host.start",
      "host.observe",
      "provider.terminate",
    ])
      expect(calls).toContain(call);
    expect(world.boundaries.map(({ index }) => index)).toEqual(world.boundaries.map((_, index) => index));
    expect(world.boundaries.map(({ at }) => at)).toEqual(world.boundaries.map((_, index) => index + 1));
    const create = world.boundaries.find(({ op }) => op === "create");
    expect(create).toMatchObject({ controller: "controller-1", hasEffect: true, what: expect.stringMatching(/^intent [a-z0-9]+$/) });
    expect(world.boundaries.find(({ op }) => op === "find")?.hasEffect ?? false).toBe(false);
  });

  it("records what it was asked to record, and tells listeners of all", async () => {
    const told = { calls: 0, effects: 0 };
    const count: Partial<WorldOptions> = {
      onCall: () => {
        told.calls += 1;
      },
      onEffect: () => {
        told.effects += 1;
      },
    };
    const world = newWorld({ record: "effects", ...count });
    const controller = world.controller();
    await world.run(controller.runctl.train(world.spec()));
    expect(world.boundaries.length).toBeGreaterThan(3);
    expect(world.boundaries.every(({ hasEffect }) => hasEffect)).toBe(true);
    expect(told).toEqual({ calls: controller.calls, effects: controller.calls });
    const quiet = newWorld({ record: "none" });
    await quiet.run(quiet.controller().runctl.train(quiet.spec()));
    expect(quiet.boundaries).toEqual([]);
  });

  it("one list call per account, region and poll feeds all runs, counted by the cloud", async () => {
    const regions = ["us-test-1", "eu-test-1"].map((name) => ({ name, zones: [`${name}a`] }));
    const world = newWorld({ clouds: [{ regions }], job: { steps: 600, stepSeconds: 6 } });
    const [cloud] = world.clouds;
    const { runctl } = world.controller({ runctl: { limits: { maxRunning: 60, warnRunning: 60 } } });
    const start = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n += 1) await world.run(runctl.train(world.spec({ region: regions[n % 2]?.name })));
    };
    const listings = async (ms: number): Promise<Record<string, number>> => {
      const before = new Map(cloud?.listCalls);
      await world.clock.advance(ms);
      return Object.fromEntries([...(cloud?.listCalls ?? [])].map(([key, count]) => [key, count - (before.get(key) ?? 0)]));
    };
    await start(2);
    await world.clock.advance(120_000);
    const forTwo = await listings(600_000);
    await start(38);
    await world.clock.advance(120_000);
    expect(cloud?.living).toBe(40);
    const forForty = await listings(600_000);
    expect(Object.keys(forForty)).toEqual(["acct-1/us-test-1", "acct-1/eu-test-1"]);
    expect(forForty).toEqual(forTwo);
    for (const count of Object.values(forForty)) {
      expect(count).toBeGreaterThan(0);
      expect(count).toBeLessThanOrEqual(600_000 / (cloud?.capabilities.pollMs ?? 0) + 1);
    }
  });

  it("a run that trains in peace costs few calls and timers, and many runs cost each no more", async () => {
    const perRunHour = async (runs: number): Promise<{ calls: number; timers: number }> => {
      const world = newWorld({ record: "none", job: { steps: 1440, stepSeconds: 60, saveEverySteps: 60 } });
      const controller = world.controller({ runctl: { limits: { maxRunning: runs, warnRunning: runs } } });
      for (let n = 0; n < runs; n += 1) await world.run(controller.runctl.train(world.spec()));
      await world.clock.advance(2 * 3_600_000);
      const before = { calls: controller.calls, timers: world.clock.firedTimers };
      await world.clock.advance(4 * 3_600_000);
      return { calls: (controller.calls - before.calls) / runs / 4, timers: (world.clock.firedTimers - before.timers) / runs / 4 };
    };
    const [two, forty] = [await perRunHour(2), await perRunHour(40)];
    expect(forty.calls).toBeLessThan(250);
    expect(forty.timers).toBeLessThan(250);
    // What is shared (signs of life, listings) is shared by more.
    expect(forty.calls).toBeLessThanOrEqual(two.calls);
  });

  it("a stuck engine is reported, not hung: what it waits for, and how far its runs are", async () => {
    const world = newWorld();
    world.clouds[0]?.faults.always("create", "hang");
    const controller = world.controller();
    const run = await world.run(controller.runctl.train(world.spec()));
    const stuck = await world.run(run.result(), { limitMs: 60_000 }).catch((error: unknown) => error);
    expect(stuck).toBeInstanceOf(StuckError);
    const text = String(stuck);
    expect(text).toMatch(/has not happened within 60 s/);
    expect(text).toMatch(/controller-1 waits for provider\.create intent [a-z0-9]+ since \d+ s/);
    expect(text).toContain(`run/${run.id}: ${world.log(run.id).length} events, the last `);
    expect(text).toContain("seed 1");
    controller.kill();
    await expect(world.run(run.result())).rejects.toThrow("Nothing is left that could happen");
  });

  it("leaves nothing behind: no timer, no handle, no file", async () => {
    const mine = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith("runctl-") && name.includes(`${process.pid}`));
    const before = { files: mine(), handles: process.getActiveResourcesInfo().toSorted() };
    const world = new World({ seed: 1 });
    const other = new World({ seed: 2 });
    const run = await world.run(world.controller().runctl.train(world.spec()));
    // Killed in the middle of staging: its spool folder is still there.
    const killed = world.controller({ plan: { at: 6, variant: "never" } });
    void killed.runctl.train(world.spec());
    await world.run(killed.death);
    expect(eventTypes(world, run.id).length).toBeGreaterThan(2);
    world.dispose();
    world.dispose();
    expect(existsSync(other.projectRoot)).toBe(true);
    other.dispose();
    expect(existsSync(world.projectRoot)).toBe(false);
    await world.clock.idle();
    expect(world.clock.processes.filter((one) => one.isAlive)).toEqual([]);
    // Fewer is fine: the test's own runner has timers, too.
    const left = [...before.handles];
    for (const handle of process.getActiveResourcesInfo())
      expect(left.splice(left.indexOf(handle), left.includes(handle) ? 1 : 0)).toEqual([handle]);
    expect(mine()).toEqual(before.files);
  });
});
