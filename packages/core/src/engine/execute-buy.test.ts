import { describe, expect, it } from "vitest";
import { EngineBed } from "../../test/support/engine-bed.ts";
import { offer } from "../../test/support/memory-provider.ts";

describe("buying under a budget", () => {
  it("P-12: the end of life in an intent counts the most that the machine can cost, not what it costs now", async () => {
    const bed = new EngineBed();
    bed.provider = { ...bed.provider, offers: async () => [{ ...offer("spot-1", 1), maxPricePerHour: { amount: 4, currency: "USD" } }] };
    const engine = await bed.engine();
    const runId = await bed.start(engine, { budget: { maxCost: 2, warnAt: [], onExceeded: "stop" } });
    const state = await bed.until(runId, (run) => Object.keys(run.intents).length > 0);
    const [intent] = Object.values(state.intents);
    const lifeMs = Date.parse(intent?.intent.endBy ?? "") - Date.parse(intent?.recordedAt ?? "");
    // 2 USD at 4 USD/h, not at 1.
    expect(lifeMs).toBeGreaterThan(0.49 * 3_600_000);
    expect(lifeMs).toBeLessThanOrEqual(0.5 * 3_600_000);
    await engine.close(0);
  });

  it("a fallback to a machine without a price is not bought: nobody could say when the budget is used up", async () => {
    const bed = new EngineBed();
    const { pricePerHour: _, ...unpriced } = offer("on-demand-1", 1);
    bed.provider = { ...bed.provider, offers: async () => [unpriced] };
    const engine = await bed.engine();
    const retries = { interruptions: null, failures: 0, capacityMs: 60_000 };
    const budget = { maxCost: 2, warnAt: [], onExceeded: "stop" as const };
    const refused = await bed.until(await bed.start(engine, { budget, retries }), (run) => run.ended !== undefined);
    expect(Object.keys(refused.intents)).toEqual([]);
    expect(refused.ended).toMatchObject({ status: "failed", error: { code: "RUNCTL_NO_CAPACITY" } });
    const allowed = await bed.start(engine, { budget, retries, allow: ["budget-unpriced"] });
    await bed.until(allowed, (run) => Object.keys(run.intents).length > 0);
    await engine.close(0);
  });

  it("what is left of a budget is not spent on a machine that would be paid for before it trains", async () => {
    const bed = new EngineBed();
    bed.host.trainMs = 10 * 3_600_000;
    const engine = await bed.engine();
    const budget = { maxCost: 1, warnAt: [], onExceeded: "stop" as const };
    const runId = await bed.start(engine, { budget });
    await bed.until(runId, (run) => run.attempts[0]?.startedAt !== undefined);
    // 59 of 60 minutes are spent when the machine goes.
    await bed.clock.advance(58.9 * 60_000);
    for (const machine of bed.cloud.alive()) bed.cloud.set(machine.ref.id, "ended");
    const run = await bed.until(runId, (state) => state.ended !== undefined);
    expect(run.ended).toMatchObject({ status: "out-of-budget", error: { code: "RUNCTL_BUDGET_EXCEEDED" } });
    expect(Object.keys(run.intents)).toHaveLength(1);
    await engine.close(0);
  });
});
