import { describe, expect, it } from "vitest";
import type { World } from "../src/world/world.ts";
import { useWorlds } from "./support/worlds.ts";

const newWorld = useWorlds();

const HOUR = 3_600_000;

/** A market that takes machines away, lag, a process that dies, one that sleeps: everything that draws random numbers. */
async function history(seed: number | string): Promise<World> {
  const world = newWorld({
    seed,
    clouds: [{ spot: { meanReclaimMs: HOUR }, listing: { lagMs: [0, 30_000] }, latencyMs: 200 }],
    job: { steps: 300, stepSeconds: 30 },
  });
  const first = world.controller({ plan: [{ at: 90, variant: "late" }] });
  const ids: string[] = [];
  const program = async (): Promise<void> => {
    for (let n = 0; n < 2; n += 1) ids.push((await first.runctl.train(world.spec({ market: "spot", name: `r${n}` }))).id);
    await new Promise(() => undefined);
  };
  await world.run(Promise.race([program(), first.death]));
  const second = world.controller({ plan: { at: 200, sleepMs: 120_000 } });
  const rest = world.run(second.runctl.drive());
  rest.catch(() => undefined);
  await world.run(second.runctl.reconcile());
  await world.releaseLate();
  for (const id of ids) await world.run((await world.run(second.runctl.attach(id))).result());
  await world.run(second.close());
  await rest;
  return world;
}

const everything = (world: World): string => [...world.state.streams].flatMap((stream) => world.state.texts(stream).events).join("\n");

describe("one seed, one history", () => {
  it("two worlds with one seed have byte-identical logs, calls and digests, through a death and a sleep", async () => {
    const one = await history(7);
    const other = await history(7);
    expect(everything(other)).toBe(everything(one));
    expect(other.boundaries).toEqual(one.boundaries);
    expect(other.describe({ now: true })).toBe(one.describe({ now: true }));
    expect(other.digest()).toBe(one.digest());
    expect(one.state.streams.filter((stream) => stream.startsWith("run/"))).toHaveLength(2);
    // The history had what it was made for.
    expect(one.boundaries.some(({ controller, op }) => controller === "controller-2" && op === "create")).toBe(true);
  });

  it("another seed has another history, and the digest tells them apart", async () => {
    const one = await history(7);
    const other = await history(8);
    expect(everything(other)).not.toBe(everything(one));
    expect(other.digest()).not.toBe(one.digest());
  });
});

describe("digest", () => {
  const trained = async (seed: number, name: string): Promise<World> => {
    const world = newWorld({ seed });
    const { runctl } = world.controller();
    const run = await world.run(runctl.train(world.spec({ name })));
    await world.run(run.result());
    await world.run(runctl.close());
    return world;
  };

  it("is the same for worlds that differ in their random ids only", async () => {
    const [one, other] = [await trained(1, "a"), await trained(2, "a")];
    expect(everything(other)).not.toBe(everything(one));
    expect(other.describe()).toBe(one.describe());
    expect((await trained(1, "b")).digest()).not.toBe(one.digest());
  });

  it("does not depend on the time unless it is asked to", async () => {
    const world = await trained(1, "a");
    const before = [world.digest(), world.digest({ now: true })];
    await world.clock.advance(1000);
    expect(world.digest()).toBe(before[0]);
    expect(world.digest({ now: true })).not.toBe(before[1]);
  });
});
