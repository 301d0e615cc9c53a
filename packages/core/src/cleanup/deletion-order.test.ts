import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { usd } from "../../test/support/records.ts";
import { blastRadius } from "./blast-radius.ts";
import { resolveRules } from "./cleanup-rules.ts";
import { deletionWaves } from "./deletion-order.ts";
import { activityOf } from "./usage-activity.ts";

describe("deletionWaves", () => {
  it("(i) what needs a thing goes before it", () => {
    const waves = deletionWaves([
      { id: "snapshot", neededBy: ["volume"] },
      { id: "volume", neededBy: ["machine"] },
      { id: "machine", neededBy: [] },
      { id: "other", neededBy: ["not-in-the-list"] },
    ]);
    expect(waves.map((wave) => wave.map((item) => item.id))).toEqual([["machine", "other"], ["volume"], ["snapshot"]]);
  });

  it("(i) for any graph: everything once, dependents first, cycles do not loop", () => {
    const graph = fc.array(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 3 }), { maxLength: 10 });
    fc.assert(
      fc.property(graph, (edges) => {
        const items = edges.map((needs, id) => ({ id: String(id), neededBy: needs.filter((other) => other > id).map(String) }));
        const order = deletionWaves(items)
          .flat()
          .map((item) => item.id);
        expect([...order].sort()).toEqual(items.map((item) => item.id).sort());
        for (const item of items)
          for (const user of item.neededBy) if (order.includes(user)) expect(order.indexOf(user)).toBeLessThan(order.indexOf(item.id));
        const cyclic = edges.map((needs, id) => ({ id: String(id), neededBy: needs.map(String) }));
        expect(deletionWaves(cyclic).flat()).toHaveLength(cyclic.length);
      }),
    );
  });
});

describe("blastRadius", () => {
  const items = (count: number, price: number | undefined = 0.1) =>
    Array.from({ length: count }, () => (price === undefined ? {} : { pricePerHour: usd(price) }));
  const ids = (count: number, total: number, rules = {}, price?: number) =>
    blastRadius(items(count, price), total, resolveRules(rules)).map((breach) => breach.id);
  it("(e) caps the count at 20", () => {
    expect(ids(20, 100)).toEqual([]);
    expect(ids(21, 100)).toEqual(["too-many"]);
    expect(ids(21, 100, { maxCount: 30 })).toEqual([]);
  });
  it("(e) caps the share at half, above four things", () => {
    expect(ids(4, 4)).toEqual([]);
    expect(ids(2, 5)).toEqual([]);
    expect(ids(3, 5)).toEqual(["too-large-a-share"]);
    expect(ids(5, 5, { maxShare: 1 })).toEqual([]);
  });
  it("(e) caps the value, and an unknown value is not 0", () => {
    expect(ids(1, 4, {}, 50)).toEqual([]);
    expect(ids(1, 4, {}, 50.000001)).toEqual(["too-valuable"]);
    expect(ids(2, 4, {}, 26)).toEqual(["too-valuable"]);
    expect(blastRadius([{}], 4, resolveRules({})).map((breach) => breach.id)).toEqual(["value-unknown"]);
    expect(blastRadius([{ pricePerHour: { amount: 1, currency: "EUR" } }], 4, resolveRules({})).map((breach) => breach.id)).toEqual([
      "value-unknown",
    ]);
    expect(blastRadius([{}], 4, resolveRules({ maxHourlyValue: false }))).toEqual([]);
  });
  it("(e) a deletion begun by an earlier plan was counted there: finishing it, at a price that nobody can tell any more, breaks no cap", () => {
    expect(blastRadius([{ action: "finish" }], 4, resolveRules({ maxCount: 0 }))).toEqual([]);
    expect(blastRadius([{ action: "delete" }], 4, resolveRules({}))).toHaveLength(1);
  });
});

describe("activityOf", () => {
  const usage = { at: "2026-01-01T00:00:00Z", disks: [], processes: [], gpus: [] };
  const gpu = { index: 0, name: "A10G" };
  it.each([
    ["a busy GPU", { ...usage, cpuPercent: 0, gpus: [{ ...gpu, utilizationPercent: 5 }] }, true],
    [
      "P-10 a silent job that holds GPU memory",
      { ...usage, cpuPercent: 0, gpus: [{ ...gpu, utilizationPercent: 0, memoryUsedBytes: 10, memoryTotalBytes: 100 }] },
      true,
    ],
    ["a busy CPU", { ...usage, cpuPercent: 20 }, true],
    [
      "a quiet machine",
      { ...usage, cpuPercent: 19, gpus: [{ ...gpu, utilizationPercent: 4, memoryUsedBytes: 1, memoryTotalBytes: 100 }] },
      false,
    ],
    ["no reading of the CPU", usage, "unknown"],
    ["no reading of the GPU", { ...usage, cpuPercent: 1, gpus: [gpu] }, "unknown"],
  ])("%s", (_name, reading, active) => {
    expect(activityOf(reading).active).toBe(active);
  });
});
