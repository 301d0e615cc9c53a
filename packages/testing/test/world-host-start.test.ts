import { describe, expect, it } from "vitest";
import { useWorlds } from "./support/worlds.ts";

const newWorld = useWorlds();

describe("a controller that dies while it starts a host", () => {
  // "start#1": the attempt's file is on the machine, its guardian is not armed, and nobody but a controller can go on from there.
  it.each(["start", "start#1"])("P-08 %s: the successor arms it, and it trains once", async (op) => {
    const like = newWorld();
    const { runctl } = like.controller();
    await like.run((await like.run(runctl.train(like.spec()))).result());
    const place = like.boundaries.find((boundary) => boundary.port === "host" && boundary.op === op);
    expect(place).toBeDefined();
    for (const variant of ["never", "applied"] as const) {
      const world = newWorld();
      const first = world.controller({ plan: { at: place?.at ?? 0, variant } });
      void first.runctl.train(world.spec()).then((run) => run.result());
      await world.run(first.death);
      expect(world.hosts.trainings).toEqual([]);
      const runId = world.state.streams.find((stream) => stream.startsWith("run/"))?.slice("run/".length) ?? "";
      const second = world.controller();
      const run = await world.run(second.runctl.attach(runId));
      expect(await world.run(run.result())).toMatchObject({ status: "succeeded" });
      expect(world.hosts.trainings).toHaveLength(1);
      expect(world.hosts.refusals).toEqual([]);
      expect(world.clouds[0]?.living).toBe(0);
      await world.run(second.close());
    }
  });
});
