import { TAGS } from "@runctl/core/provider";
import { describe, expect, it } from "vitest";
import { useWorlds } from "./support/worlds.ts";

const newWorld = useWorlds();
const DAY_MS = 86_400_000;

describe("rows of the acceptance list that a simulated world can show", () => {
  it("P-11: a machine that boots without a network of its own is ended by its guardian, with nobody left to ask", async () => {
    const world = newWorld({ job: { steps: 10_000, stepSeconds: 60 } });
    const [cloud] = world.clouds;
    cloud?.network.cut("host-world", { forMs: DAY_MS });
    const controller = world.controller();
    const run = await world.run(controller.runctl.train(world.spec({ maxDuration: "2h" })));
    while (!world.boundaries.some(({ port, op }) => port === "host" && op === "start")) await world.clock.advance(100);
    await world.clock.advance(1_000);
    controller.kill();
    expect(cloud?.living).toBe(1);
    await world.clock.advance(DAY_MS);
    expect(cloud?.living).toBe(0);
    expect(world.hosts.trainings).toEqual([]);
    expect(run.id).not.toBe("");
  });

  it("P-18: a cloud that tells no prices makes the answer partial and says so; the run is bought at the other one", async () => {
    const world = newWorld({ clouds: [{ name: "first" }, { name: "second" }] });
    world.clouds[0]?.faults.always("offers", { kind: "down" });
    const { runctl } = world.controller();
    const found = await world.run(runctl.offers());
    expect(found.partial).toBe(true);
    expect(JSON.stringify(found.failures)).toContain("first");
    expect(new Set(found.offers.map(({ provider }) => provider))).toEqual(new Set(["second"]));
    const run = await world.run(runctl.train(world.spec()));
    const result = await world.run(run.result());
    expect(result.status).toBe("succeeded");
    expect(result.attempts.map(({ provider }) => provider)).toEqual(["second"]);
  });

  it("P-28 P-29: protected, oddly protected, and not ours: cleanup keeps them whatever the filters say", async () => {
    const world = newWorld();
    const { runctl } = world.controller();
    const [cloud] = world.clouds;
    const ours = { [TAGS.state]: await world.state.stateId(), [TAGS.createdBy]: "runctl", [TAGS.project]: "world" };
    const kept = [
      cloud?.plant({ name: "protected", tags: { ...ours, [TAGS.protected]: "true" } }),
      cloud?.plant({ name: "odd", tags: { ...ours, [TAGS.protected]: "yes, please!" } }),
      cloud?.plant({ name: "bare" }),
      cloud?.plant({ name: "another state's", tags: { ...ours, [TAGS.state]: "somebody" } }),
    ];
    await world.clock.advance(DAY_MS);
    const plan = await world.run(runctl.cleanup.plan({ grace: 0 }));
    await world.run(runctl.cleanup.apply(plan).catch(() => undefined));
    await world.clock.advance(DAY_MS);
    expect(kept.map((id) => cloud?.machine(id ?? "")?.state)).toEqual(["running", "running", "running", "running"]);
  });

  it("P-30: a train() that is aborted rejects with the caller's own reason, and the log says that the run was cancelled", async () => {
    const world = newWorld();
    const { runctl } = world.controller();
    const reason = new Error("changed my mind");
    const abort = new AbortController();
    const training = runctl.train(world.spec(), { until: "running", signal: abort.signal });
    training.catch(() => undefined);
    while (!world.boundaries.some(({ op }) => op === "create")) await world.clock.advance(100);
    abort.abort(reason);
    await expect(world.run(training)).rejects.toBe(reason);
    await world.clock.advance(600_000);
    const [stream = ""] = world.state.streams.filter((name) => name.startsWith("run/"));
    const again = await world.run(world.controller().runctl.attach(stream.slice("run/".length)));
    expect((await world.run(again.result())).status).toBe("cancelled");
    expect(world.clouds[0]?.living).toBe(0);
  });

  it("P-31: whoever leaves an iterator of events or log lines leaves no timer behind", async () => {
    const world = newWorld({ job: { steps: 500, stepSeconds: 60 } });
    const { runctl } = world.controller();
    const run = await world.run(runctl.train(world.spec(), { until: "running" }));
    await world.clock.advance(600_000);
    const before = world.clock.pending;
    const leave = async (lines: AsyncIterable<unknown>): Promise<void> => {
      for await (const _ of lines) break;
    };
    for (let time = 0; time < 20; time++) await world.run(leave(run.events()));
    await world.clock.advance(120_000);
    expect(world.clock.pending).toBeLessThanOrEqual(before + 1);
  });
});
