import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { record, segment, usd } from "../../test/support/records.ts";
import { daysOf, groupCosts } from "./group.ts";
import { toMicros } from "./money.ts";
import { breakdown } from "./record-cost.ts";
import { iso } from "./segments.ts";

const NOW = "2026-01-03T06:00:00.000Z";

describe("groupCosts", () => {
  it("splits at UTC midnight, to the millisecond", () => {
    const rows = groupCosts(
      [record({ segments: [segment({ from: "2026-01-01T23:59:59.000Z", to: "2026-01-02T00:00:01.000Z", pricePerHour: usd(3600) })] })],
      "day",
      { now: NOW },
    );
    expect(rows.map((row) => [row.key, row.cost.total])).toEqual([
      ["2026-01-01", usd(1)],
      ["2026-01-02", usd(1)],
    ]);
  });

  it("days add up to the whole exactly", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 5e8 }), fc.integer({ min: 1, max: 3e8 }), fc.integer({ min: 1, max: 1e7 })), {
          maxLength: 8,
        }),
        (parts) => {
          const start = Date.parse("2026-01-01T00:00:00Z");
          const records = parts.map(([from, length, micros], i) =>
            record({
              id: `m${i}`,
              segments: [segment({ from: iso(start + from), to: iso(start + from + length), pricePerHour: usd(micros / 1e6) })],
            }),
          );
          const window = { now: start + 1e9 };
          const sum = groupCosts(records, "day", window).reduce((total, row) => total + toMicros(row.cost.known.amount), 0);
          expect(sum).toBe(toMicros(breakdown(records, window).known.amount));
        },
      ),
    );
  });

  it("groups by run, project, user and provider, dearest first; things without a run are under the empty key", () => {
    const records = [
      record({ id: "a", runId: "r1", project: "p1", user: "ann", segments: [segment({ to: "2026-01-01T01:00:00Z" })] }),
      record({ id: "b", runId: "r1", project: "p2", user: "bob", segments: [segment({ to: "2026-01-01T02:00:00Z" })] }),
      record({
        id: "c",
        project: "p2",
        user: "bob",
        ref: { provider: "other", kind: "machine", id: "c" },
        segments: [segment({ to: "2026-01-01T04:00:00Z" })],
      }),
    ];
    const keys = (by: "run" | "project" | "user" | "provider") =>
      groupCosts(records, by, { now: NOW }).map((row) => `${row.key}=${row.cost.total?.amount}/${row.resources}`);
    expect(keys("run")).toEqual(["=4/1", "r1=3/2"]);
    expect(keys("project")).toEqual(["p2=6/2", "p1=1/1"]);
    expect(keys("user")).toEqual(["bob=6/2", "ann=1/1"]);
    expect(keys("provider")).toEqual(["other=4/1", "mem=3/2"]);
  });

  it("leaves out what costs nothing in the window but shows an unknown price", () => {
    const old = record({ id: "old", project: "old", segments: [segment({ to: "2026-01-01T01:00:00Z" })] });
    const unknown = record({
      id: "unknown",
      project: "new",
      segments: [segment({ from: "2026-01-02T00:00:00Z", pricePerHour: undefined })],
    });
    const rows = groupCosts([old, unknown], "project", { now: NOW, from: "2026-01-02T00:00:00Z" });
    expect(rows.map((row) => [row.key, row.cost.complete])).toEqual([["new", false]]);
  });

  it("does not walk through the days before anything existed", () => {
    expect(groupCosts([record()], "day", { now: NOW, from: "0001-01-01" })).toHaveLength(3);
    expect(daysOf({ from: 0, to: 0 })).toEqual([]);
  });
});
