import { describe, expect, it } from "vitest";
import { usd } from "../../test/support/records.ts";
import { type CostSnapshot, costThresholdsSchema, crossedThresholds, DEFAULT_THRESHOLDS } from "./thresholds.ts";

const calm: CostSnapshot = {
  machines: [{ id: "m", hourly: usd(4.99), accumulated: usd(9.99) }],
  hourly: usd(49.99),
  projectedDay: usd(99.99),
  accumulated: usd(499.99),
};
const none = new Set<string>();

describe("crossedThresholds", () => {
  it("S-18: defaults are $5/h and $10 a machine, $50/h, $100 a day, $500 in total", () => {
    expect(DEFAULT_THRESHOLDS).toEqual({ machinePerHour: 5, machineTotal: 10, perHour: 50, perDay: 100, total: 500 });
    expect(crossedThresholds(calm, {}, none)).toEqual([]);
  });

  it.each([
    ["machinePerHour", { machines: [{ id: "m", hourly: usd(5), accumulated: usd(0) }] }, "machinePerHour:m"],
    ["machineTotal", { machines: [{ id: "m", hourly: usd(0), accumulated: usd(10) }] }, "machineTotal:m"],
    ["perHour", { hourly: usd(50) }, "perHour"],
    ["perDay", { projectedDay: usd(100) }, "perDay"],
    ["total", { accumulated: usd(500) }, "total"],
  ] as const)("S-18: %s warns once", (threshold, change, key) => {
    const snapshot = { ...calm, ...change } as CostSnapshot;
    const warnings = crossedThresholds(snapshot, {}, none);
    expect(warnings.map((warning) => [warning.threshold, warning.key])).toEqual([[threshold, key]]);
    expect(crossedThresholds(snapshot, {}, new Set([key]))).toEqual([]);
    expect(crossedThresholds(snapshot, { [threshold]: false }, none)).toEqual([]);
  });

  it("each machine has its own warning", () => {
    const two = { ...calm, machines: ["a", "b"].map((id) => ({ id, hourly: usd(6), accumulated: usd(0) })) };
    expect(crossedThresholds(two, {}, new Set(["machinePerHour:a"])).map((warning) => warning.resourceId)).toEqual(["b"]);
  });

  it("does not compare another currency", () => {
    expect(crossedThresholds({ ...calm, accumulated: { amount: 1e6, currency: "JPY" } }, {}, none)).toEqual([]);
  });

  it("refuses nonsense at the edge", () => {
    expect(costThresholdsSchema.safeParse({ perHour: -1 }).success).toBe(false);
    expect(costThresholdsSchema.safeParse({ perHour: "5" }).success).toBe(false);
    expect(costThresholdsSchema.safeParse({ perhour: 5 }).success).toBe(false);
    expect(costThresholdsSchema.safeParse({ perHour: false, total: 3 }).success).toBe(true);
  });
});
