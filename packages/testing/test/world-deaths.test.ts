import type { Runctl } from "@runctl/core";
import { describe, expect, it } from "vitest";
import type { KillPlan } from "../src/world/boundary.ts";
import type { World } from "../src/world/world.ts";
import { eventTypes, useWorlds } from "./support/worlds.ts";

const newWorld = useWorlds();

/** Which call of a process is the one of this name, when it does what `program` says. */
async function placeOf(op: string, program: (runctl: Runctl, world: World) => Promise<unknown>): Promise<number> {
  const world = newWorld();
  const { runctl } = world.controller();
  await world.run(program(runctl, world));
  const found = world.boundaries.find((boundary) => `${boundary.port}.${boundary.op}` === op);
  if (found === undefined) throw new Error(`no call ${op}`);
  return found.at;
}

const train = async (runctl: Runctl, world: World): Promise<unknown> => (await runctl.train(world.spec())).result();

async function dieAt(op: string, variant: KillPlan["variant"]): Promise<{ world: World; runId: string }> {
  const at = await placeOf(op, train);
  const world = newWorld();
  const first = world.controller({ plan: { at, variant } });
  void train(first.runctl, world);
  await world.run(first.death);
  expect(first.isAlive).toBe(false);
  expect(first.calls).toBe(at);
  const runId = world.state.streams.find((stream) => stream.startsWith("run/"))?.slice("run/".length) ?? "";
  return { world, runId };
}

describe("a process that dies at a call", () => {
  it("never: the call has no effect, and nothing of the process has one later", async () => {
    const { world, runId } = await dieAt("provider.create", "never");
    expect(world.clouds[0]?.living).toBe(0);
    const before = [world.digest(), world.boundaries.length];
    await world.clock.advance(86_400_000);
    expect([world.digest(), world.boundaries.length]).toEqual(before);
    expect(eventTypes(world, runId).at(-1)).toBe("intent-recorded");
  });

  it("applied: the effect is there, the reply reached nobody", async () => {
    const { world, runId } = await dieAt("provider.create", "applied");
    expect(world.clouds[0]?.living).toBe(1);
    expect(eventTypes(world, runId).at(-1)).toBe("intent-recorded");
  });

  it("late: the effect comes when the world says so, and its outcome is told", async () => {
    const { world } = await dieAt("provider.create", "late");
    expect(world.clouds[0]?.living).toBe(0);
    expect(world.late).toMatchObject([{ op: "create", controller: "controller-1" }]);
    expect(await world.releaseLate()).toMatchObject([{ boundary: { op: "create" } }]);
    expect(world.clouds[0]?.living).toBe(1);
    expect(world.late).toEqual([]);
  });

  it("an append that comes late meets whoever was faster", async () => {
    const { world, runId } = await dieAt("state.compact", "never");
    const at = await placeOf("host.start", train);
    const other = newWorld({ seed: 2 });
    // The append that follows the start of the host is the one that is late.
    // A start has a step of its own inside.
    const first = other.controller({ plan: { at: at + 2, variant: "late" } });
    void train(first.runctl, other);
    await other.run(first.death);
    const second = other.controller();
    const run = other.state.streams.find((stream) => stream.startsWith("run/"))?.slice(4) ?? "";
    await other.run((await other.run(second.runctl.attach(run))).result());
    const length = other.log(run).length;
    const [late] = await other.releaseLate();
    if (late?.boundary.hasEffect === true) expect(late.error).toMatchObject({ kind: "conflict" });
    expect(other.log(run)).toHaveLength(length);
    expect(eventTypes(world, runId)).toContain("run-ended");
  });

  it.each(["never", "applied", "late"] as const)(
    "a successor brings the run to its end, whatever became of the purchase: %s",
    async (variant) => {
      const { world, runId } = await dieAt("provider.create", variant);
      const second = world.controller();
      await world.run(second.runctl.reconcile());
      await world.releaseLate();
      const run = await world.run(second.runctl.attach(runId));
      const result = await world.run(run.result());
      expect(result.status).toBe("succeeded");
      await world.run(second.close());
      await world.clock.advance(3_600_000);
      expect(world.clouds[0]?.living).toBe(0);
      expect(world.hosts.trainings).toHaveLength(1);
    },
  );

  it("a death between the steps of one call leaves the first step done and the second not", async () => {
    const clouds = [{ class: "C" as const }];
    const plain = newWorld({ clouds });
    const watcher = plain.controller();
    await plain.run(watcher.runctl.train(plain.spec(), { until: "running" }));
    const inside = plain.boundaries.find(({ op }) => op.startsWith("create#"));
    expect(inside?.what).toMatch(/^intent [a-z0-9]+: machines, not tags of i-/);
    const world = newWorld({ clouds });
    const first = world.controller({ plan: { at: inside?.at ?? 0, variant: "never" } });
    void train(first.runctl, world);
    await world.run(first.death);
    const [machine] = [...(world.clouds[0]?.machines() ?? [])];
    expect(machine?.tags).toEqual({});
  });

  it("a call of several steps that is applied after the death is applied whole", async () => {
    const clouds = [{ class: "C" as const }];
    const plain = newWorld({ clouds });
    await plain.run(plain.controller().runctl.train(plain.spec(), { until: "running" }));
    const at = plain.boundaries.find(({ op }) => op === "create")?.at ?? 0;
    for (const variant of ["applied", "late"] as const) {
      const world = newWorld({ clouds });
      const first = world.controller({ plan: { at, variant } });
      void train(first.runctl, world);
      await world.run(first.death);
      await world.releaseLate();
      const [machine] = [...(world.clouds[0]?.machines() ?? [])];
      expect(Object.keys(machine?.tags ?? {}).length).toBeGreaterThan(3);
    }
  });

  it("kill() from outside ends it at any moment; closing is dying in peace", async () => {
    const world = newWorld();
    const one = world.controller();
    const run = await world.run(one.runctl.train(world.spec()));
    await world.clock.advance(60_000);
    one.kill();
    const calls = world.boundaries.length;
    await world.clock.advance(60_000);
    expect(world.boundaries).toHaveLength(calls);
    await world.run(one.death);
    const two = world.controller();
    await world.run(two.runctl.attach(run.id));
    await world.run(two.close({ handOver: false }));
    expect(two.isAlive).toBe(false);
    expect(eventTypes(world, run.id).at(-1)).not.toBe("run-ended");
  });
});

describe("what a process had not synced", () => {
  const HELD = "run/r";
  const options = (expected: number, durable: boolean) => ({ expected, session: "s", at: "2026-01-01T00:00:00.000Z", durable });

  it('dies with it, unless a synced append followed or 50 ms passed; "kept" writes at once', async () => {
    for (const unsynced of ["dropped", "kept"] as const) {
      const world = newWorld({ unsynced });
      const controller = world.controller();
      const { state } = controller;
      await world.run(state.append(HELD, [{ type: "a" }], options(0, true)));
      await world.run(state.append(HELD, [{ type: "b" }], options(1, false)));
      await world.run(state.append(HELD, [{ type: "c" }], options(2, true)));
      await world.run(state.append(HELD, [{ type: "d" }], options(3, false)));
      await world.clock.advance(60);
      expect(world.state.lengthOf(HELD)).toBe(4);
      expect(await world.run(state.append(HELD, [{ type: "e" }], options(4, false)))).toEqual({ next: 5 });
      expect(world.state.lengthOf(HELD)).toBe(unsynced === "kept" ? 5 : 4);
      controller.kill();
      await world.clock.advance(1000);
      expect(world.state.lengthOf(HELD)).toBe(unsynced === "kept" ? 5 : 4);
    }
  });

  it("is seen by the process itself, and gives way to an append of somebody else", async () => {
    const world = newWorld();
    const { state } = world.controller();
    await world.run(state.append(HELD, [{ type: "a" }], options(0, false)));
    expect(await world.state.read(HELD)).toEqual([]);
    expect((await world.run(state.read(HELD))).map(({ event }) => event.type)).toEqual(["a"]);
    await world.run(state.append(HELD, [{ type: "b" }], options(1, false)));
    await world.state.append(HELD, [{ type: "other" }], options(1, true));
    await expect(world.run(state.append(HELD, [{ type: "c" }], options(2, true)))).rejects.toMatchObject({ kind: "conflict" });
    expect(await world.run(state.append(HELD, [{ type: "c" }], options(2, true)))).toEqual({ next: 3 });
    expect((await world.state.read(HELD)).map(({ event }) => event.type)).toEqual(["a", "other", "c"]);
    await expect(world.run(state.append(HELD, [{ type: "x" }], options(1, false)))).rejects.toMatchObject({ kind: "conflict" });
  });
});
