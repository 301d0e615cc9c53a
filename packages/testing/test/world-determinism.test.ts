import { afterEach, describe, expect, it } from "vitest";
import type { World } from "../src/world/world.ts";
import { everyEvent, history } from "./support/history.ts";
import { useWorlds } from "./support/worlds.ts";

const newWorld = useWorlds();

const lived: World[] = [];
afterEach(() => {
  for (const world of lived.splice(0)) world.dispose();
});

async function live(seed: number | string): Promise<World> {
  const world = await history(seed);
  lived.push(world);
  return world;
}

describe("one seed, one history", () => {
  it("two worlds with one seed have byte-identical logs, calls and digests, through a death and a sleep", async () => {
    const one = await live(7);
    const other = await live(7);
    expect(everyEvent(other)).toBe(everyEvent(one));
    expect(other.boundaries).toEqual(one.boundaries);
    expect(other.describe({ now: true })).toBe(one.describe({ now: true }));
    expect(other.digest()).toBe(one.digest());
    expect(one.state.streams.filter((stream) => stream.startsWith("run/"))).toHaveLength(2);
    // The history had what it was made for.
    expect(one.boundaries.some(({ controller, op }) => controller === "controller-2" && op === "create")).toBe(true);
  });

  it("another seed has another history, and the digest tells them apart", async () => {
    const one = await live(7);
    const other = await live(8);
    expect(everyEvent(other)).not.toBe(everyEvent(one));
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
    expect(everyEvent(other)).not.toBe(everyEvent(one));
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
