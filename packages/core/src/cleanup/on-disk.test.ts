import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MemoryCloud, memoryProvider } from "../../test/support/memory-provider.ts";
import { testClock } from "../../test/support/test-clock.ts";
import { Machines } from "../machines/machines.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import { fileState } from "../state/file-state.ts";
import { ResourceTracker } from "../tracker/resource-tracker.ts";
import { systemRandom } from "../util/random.ts";
import { CleanupSafety } from "./cleanup-safety.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "runctl-cleanup-'a b\n-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe("over the file store", () => {
  it("S-15, S-16, S-18: create, protect, stop and clean up, each in a process of its own", async () => {
    const clock = testClock();
    const cloud = new MemoryCloud(clock);
    const open = () => {
      const state = fileState(dir);
      const provider = memoryProvider(cloud, { capabilities: { pollMs: 1 } });
      const providers = { find: (): TrainingProvider | undefined => provider, all: () => [provider] };
      const tracker = new ResourceTracker({ state, clock, providers });
      // Confirming an end sleeps on this clock, which nobody advances meanwhile.
      const fast = testClock({ auto: true, start: new Date(clock.now()).toISOString() });
      const cleanup = new CleanupSafety({ providers, state, clock: fast, isRunActive: async () => ({ active: false, why: "" }) });
      const machines = new Machines({ providers, state, tracker, cleanup, clock, random: systemRandom, project: "p", user: "u" });
      return { state, tracker, cleanup, machines };
    };
    const first = open();
    const kept = await first.machines.create({ provider: "mem" });
    const orphan = await first.machines.create({ provider: "mem", maxLifetime: "1h" });
    await first.cleanup.protect(kept.id);
    await first.state.close();

    clock.advance(2 * 3_600_000);
    const second = open();
    await second.machines.stop(kept.id);
    const plan = await second.cleanup.plan({ grace: 0, maxShare: 1 });
    expect(plan.items.map((item) => item.id)).toEqual([orphan.id]);
    expect((await second.cleanup.apply(plan)).deleted).toEqual([orphan.id]);
    await second.state.close();

    clock.advance(3_600_000);
    const third = open();
    expect(
      (await third.tracker.list({ showEnded: true, sort: "name" }))
        .map((one) => [one.id === kept.id, one.state, Math.round(one.cost.known.amount * 10) / 10])
        .sort(),
    ).toEqual([
      [false, "ended", 2],
      [true, "stopped", 2],
    ]);
    expect(cloud.alive().map((machine) => machine.ref.id)).toEqual([kept.ref.id]);
    await third.state.close();
  });
});
