import { describe, expect, it } from "vitest";
import { eventTypes, useWorlds } from "./support/worlds.ts";

const newWorld = useWorlds();
const MINUTE = 60_000;

/** Who appended last that it holds the lease: the name of the controller. */
function holders(world: ReturnType<typeof newWorld>, runId: string): string[] {
  const sessions = world.log(runId).flatMap((text) => {
    const { event } = JSON.parse(text) as { event: { type: string; session?: string } };
    return event.type === "lease-taken" && event.session !== undefined ? [event.session] : [];
  });
  return [...new Set(sessions)];
}

describe("several processes in one world", () => {
  it("a driver that dies is followed by one that stands by, and the run is trained once", async () => {
    const world = newWorld({ job: { steps: 600 } });
    const [one, two] = [world.controller(), world.controller()];
    const run = await world.run(one.runctl.train(world.spec(), { until: "running" }));
    const same = await world.run(two.runctl.attach(run.id));
    await world.clock.advance(MINUTE);
    expect(holders(world, run.id)).toHaveLength(1);
    one.kill();
    expect((await world.run(same.result())).status).toBe("succeeded");
    expect(holders(world, run.id)).toHaveLength(2);
    expect(world.hosts.trainings).toHaveLength(1);
    expect(world.boundaries.filter(({ op }) => op === "create")).toHaveLength(1);
  });

  it("on one computer a death is seen at once, elsewhere after 30 s without a sign of life", async () => {
    const takeover = async (sameComputer: boolean): Promise<number> => {
      const world = newWorld({ job: { steps: 600 }, sameComputer });
      const [one, two] = [world.controller(), world.controller()];
      const run = await world.run(one.runctl.train(world.spec(), { until: "running" }));
      await world.run(two.runctl.attach(run.id));
      await world.clock.advance(MINUTE);
      one.kill();
      const began = world.clock.monotonic();
      while (holders(world, run.id).length < 2) await world.clock.advance(100);
      return world.clock.monotonic() - began;
    };
    expect(await takeover(true)).toBeLessThan(10_000);
    const apart = await takeover(false);
    expect(apart).toBeGreaterThan(20_000);
    expect(apart).toBeLessThan(60_000);
  });

  it.each([
    ["stopped (SIGSTOP)", false],
    ["suspended (a closed lid)", true],
  ])("a driver that is %s for an hour and goes on finds its lease gone and does nothing to the world", async (_name, suspend) => {
    const world = newWorld({ job: { steps: 600, stepSeconds: 12 } });
    const [one, two] = [world.controller(), world.controller()];
    const run = await world.run(one.runctl.train(world.spec(), { until: "running" }));
    const same = await world.run(two.runctl.attach(run.id));
    await world.clock.advance(MINUTE);
    one.freeze({ suspend });
    const calls = one.calls;
    await world.clock.advance(60 * MINUTE);
    expect(one.calls).toBe(calls);
    expect(holders(world, run.id)).toHaveLength(2);
    const before = world.boundaries.length;
    one.thaw();
    await world.clock.advance(10 * MINUTE);
    expect(one.isAlive).toBe(true);
    expect(one.calls).toBeGreaterThan(calls);
    const late = world.boundaries.slice(before).filter(({ controller, hasEffect }) => controller === one.name && hasEffect);
    // It beats again, and may try to append: nothing it decided before reaches machine, host or store.
    expect(late.filter(({ port }) => port !== "state")).toEqual([]);
    const lost = late.filter(({ op }) => op !== "beat");
    expect(lost.every(({ op }) => op === "append" || op === "flush")).toBe(true);
    expect((await world.run(same.result())).status).toBe("succeeded");
    expect(world.hosts.trainings).toHaveLength(1);
    expect(world.boundaries.filter(({ op }) => op === "terminate")).toHaveLength(1);
  });

  it("a process that sleeps in the middle of a purchase: the reply waits for it, and there is one machine", async () => {
    const probe = newWorld();
    await probe.run(probe.controller().runctl.train(probe.spec(), { until: "running" }));
    const at = probe.boundaries.find(({ op }) => op === "create")?.at ?? 0;
    const world = newWorld();
    const one = world.controller({ plan: { at, sleepMs: 10 * MINUTE } });
    const two = world.controller();
    const run = await world.run(one.runctl.train(world.spec()));
    const same = await world.run(two.runctl.attach(run.id));
    expect((await world.run(same.result())).status).toBe("succeeded");
    await world.clock.advance(30 * MINUTE);
    expect(one.isAlive).toBe(true);
    const machines = [...(world.clouds[0]?.machines() ?? [])];
    expect(machines).toHaveLength(1);
    expect(machines[0]?.state).toBe("ended");
    expect(world.hosts.trainings).toHaveLength(1);
  });

  it("a wrong wall clock of one process stops nothing", async () => {
    const world = newWorld();
    const one = world.controller();
    one.skew(-7 * 86_400_000);
    const run = await world.run(one.runctl.train(world.spec()));
    await world.clock.advance(2 * MINUTE);
    one.skew(3_600_000);
    expect((await world.run(run.result())).status).toBe("succeeded");
  });

  it("P-03: the whole state is lost; from store and tags it is rebuilt, and another user's machine is left alone", async () => {
    const world = newWorld({ job: { steps: 600 } });
    const one = world.controller();
    const run = await world.run(one.runctl.train(world.spec(), { until: "running" }));
    const bob = world.controller({ user: "bob", state: world.newState() });
    const bobs = await world.run(bob.runctl.train(world.spec(), { until: "running" }));
    one.kill();
    const lost = world.loseState();
    expect(world.state.streams).toEqual([]);
    const two = world.controller();
    const report = await world.run(two.runctl.reconcile({ adoptState: lost }));
    expect(report.rebuilt).toEqual([run.id]);
    expect(report.foreign).toHaveLength(1);
    expect(world.state.id).toBe(lost);
    const again = await world.run(two.runctl.attach(run.id));
    expect((await world.run(again.result())).status).toBe("succeeded");
    expect((await world.run(bobs.result())).status).toBe("succeeded");
    expect(world.hosts.trainings).toHaveLength(2);
    expect(eventTypes(world, run.id)).toContain("run-ended");
  });

  it("P-04: ten minutes without the cloud's API: the run goes on, nothing is bought twice or ended", async () => {
    const world = newWorld({ job: { steps: 600 } });
    const one = world.controller();
    const run = await world.run(one.runctl.train(world.spec(), { until: "running" }));
    for (const link of ["client-cloud", "client-host"] as const)
      world.clouds[0]?.network.cut(link, { client: one.name, forMs: 10 * MINUTE });
    await world.clock.advance(11 * MINUTE);
    expect(world.clouds[0]?.living).toBe(1);
    expect((await world.run(run.result())).status).toBe("succeeded");
    expect(world.hosts.trainings).toHaveLength(1);
    expect([...(world.clouds[0]?.machines() ?? [])]).toHaveLength(1);
  });
});
