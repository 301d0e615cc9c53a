import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type KeepRules, planRetention, type RetentionItem } from "./retention.ts";

const HOUR = 3_600_000;
const item = (id: string, at: number, more: Partial<RetentionItem> = {}): RetentionItem => ({
  id,
  at,
  verified: true,
  good: true,
  ...more,
});

describe("S-22 retention", () => {
  test("the newest k stay", () => {
    const items = Array.from({ length: 15 }, (_, i) => item(`c${i}`, (15 - i) * 1000));
    expect(planRetention(items, { last: 10 }, new Set()).remove).toEqual(["c10", "c11", "c12", "c13", "c14"]);
    expect(planRetention(items, {}, new Set()).remove).toHaveLength(5);
  });

  test("one each span stays, and pruning often equals pruning once", () => {
    const all = Array.from({ length: 48 }, (_, i) => item(`h${i}`, i * (HOUR / 4)));
    const rules: KeepRules = { last: 1, everyMs: 6 * HOUR };
    const once = planRetention([...all].reverse(), rules, new Set());
    let stepwise: RetentionItem[] = [];
    for (const next of all) {
      stepwise = [next, ...stepwise];
      const { keep } = planRetention(stepwise, rules, new Set());
      stepwise = stepwise.filter(({ id }) => keep.has(id));
    }
    expect(stepwise.map(({ id }) => id).sort()).toEqual([...once.keep.keys()].sort());
    expect([...once.keep.keys()].sort()).toEqual(["h0", "h24", "h47"]);
  });

  test("the best by a metric stays, NaN never wins", () => {
    const items = [3, Number.NaN, 1, 2].map((loss, i) => item(`c${i}`, 100 - i, { metrics: { loss } }));
    expect(planRetention(items, { last: 0, best: { metric: "loss", mode: "min" } }, new Set()).remove).toEqual(["c1", "c3"]);
    expect(planRetention(items, { last: 0, best: { metric: "loss", mode: "max" } }, new Set()).keep.get("c0")).toContain("the best loss");
  });

  test("never deletes what is in use, the newest, the only verified one, or what may still be written", () => {
    const arbitraryItem = fc.record({
      at: fc.integer({ min: -5, max: 1_000_000 }),
      verified: fc.boolean(),
      good: fc.boolean(),
      metrics: fc.option(fc.record({ loss: fc.double() }), { nil: undefined }),
    });
    const rules = fc.record({
      last: fc.option(fc.nat(5), { nil: undefined }),
      everyMs: fc.option(fc.nat(100_000), { nil: undefined }),
      best: fc.option(fc.constant({ metric: "loss", mode: "min" as const }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(arbitraryItem, { maxLength: 30 }), rules, fc.array(fc.nat(29), { maxLength: 4 }), (raw, keep, used) => {
        const items = raw.map((entry, i) => ({ ...entry, id: `c${i}` }));
        const inUse = new Set(used.map((i) => `c${i}`));
        const plan = planRetention(items, keep, inUse);
        const removed = new Set(plan.remove);
        expect(items.filter(({ id }) => removed.has(id) === plan.keep.has(id))).toEqual([]);
        for (const one of items) if (inUse.has(one.id) || !one.good) expect(removed.has(one.id)).toBe(false);
        const good = items.filter((one) => one.good);
        if (good[0] !== undefined) expect(removed.has(good[0].id)).toBe(false);
        const verified = good.filter((one) => one.verified);
        if (verified[0] !== undefined) expect(removed.has(verified[0].id)).toBe(false);
        // Twice is once.
        const rest = items.filter(({ id }) => !removed.has(id));
        expect(planRetention(rest, keep, inUse).remove).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
