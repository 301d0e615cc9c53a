import { describe, expect, it } from "vitest";
import { EngineBed } from "../../test/support/engine-bed.ts";
import { spentUsd } from "./spent.ts";
import { costOfRun } from "./summary.ts";

describe("the bill of a machine that ended", () => {
  it("P-16: minimum billing is in the run's cost when its result is there, and once", async () => {
    const bed = new EngineBed();
    bed.host.trainMs = 5_000;
    bed.cloud.minimumBilledMs = 600_000;
    bed.cloud.diskPrice = 0;
    const runId = await bed.start(await bed.engine());
    const run = await bed.until(runId, (state) => state.ended !== undefined);
    const end = Date.parse(run.ended?.at ?? "");
    expect(costOfRun(run, end).total).toEqual({ amount: 0.166667, currency: "USD" });
    expect(spentUsd(run, end + 3_600_000).usd).toBeCloseTo(bed.cloud.invoice(), 5);
    expect((await bed.eventTypes(runId)).filter((type) => type === "machine-billed")).toHaveLength(1);
  });

  it("a provider that does not tell holds no result back: what was seen stands", async () => {
    const bed = new EngineBed();
    bed.cloud.fault("costs", { always: "down" });
    const runId = await bed.start(await bed.engine());
    const run = await bed.until(runId, (state) => state.ended !== undefined);
    expect(run.ended?.status).toBe("succeeded");
    expect(Object.values(run.machines)[0]?.bills).toEqual([]);
    expect(costOfRun(run, Date.parse(run.ended?.at ?? "")).known.amount).toBeGreaterThan(0.15);
  });
});
