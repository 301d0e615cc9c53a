import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { record, segment, usd } from "../../test/support/records.ts";
import type { MachineState } from "../provider/resource.ts";
import { recordCost } from "./record-cost.ts";
import type { ResourceRecord } from "./resource-record.ts";
import { iso } from "./segments.ts";
import { transition } from "./transition.ts";

const START = Date.parse("2026-01-01T00:00:00Z");
const HOUR = 3_600_000;
const at = (hours: number): string => iso(START + hours * HOUR);
const see = (from: ResourceRecord, state: MachineState, hours: number, price?: number): ResourceRecord =>
  transition(from, { state, at: at(hours), evidence: "observed", ...(price === undefined ? {} : { pricePerHour: usd(price) }) });
const total = (of: ResourceRecord, hours: number): number | undefined => recordCost(of, { now: at(hours) }).total?.amount;

describe("transition", () => {
  it("B9: stopping freezes the cost at that moment, however late it is read", () => {
    const stopped = see(record(), "stopped", 2);
    expect(total(stopped, 2)).toBe(2);
    expect(total(stopped, 1000)).toBe(2);
    expect(stopped.state).toBe("stopped");
  });

  it("S-18: a restart does not count the stopped hours and keeps the price", () => {
    const restarted = see(see(record(), "stopped", 2), "running", 10);
    expect(total(restarted, 11)).toBe(3);
    expect(restarted.segments).toHaveLength(2);
  });

  it("S-18: storage goes on while stopped and ends with the thing", () => {
    const withDisk = record({ segments: [segment(), segment({ what: "storage", pricePerHour: usd(0.1) })] });
    const stopped = see(withDisk, "stopped", 2);
    expect(recordCost(stopped, { now: at(12) })).toMatchObject({ compute: usd(2), storage: usd(1.2) });
    const ended = see(stopped, "ended", 20);
    expect(recordCost(ended, { now: at(500) })).toMatchObject({ compute: usd(2), storage: usd(2) });
    expect(ended.endedAt).toBe(at(20));
  });

  it("begins a disk's segment when its price is told, and again with a new price", () => {
    const first = transition(record(), { state: "running", at: at(1), evidence: "observed", storagePricePerHour: usd(0.1) });
    const second = transition(first, { state: "stopped", at: at(2), evidence: "observed", storagePricePerHour: usd(0.2) });
    expect(recordCost(second, { now: at(3) }).storage).toEqual(usd(0.3));
  });

  it("P-05: ending and unknown go on costing; only ended stops", () => {
    for (const state of ["pending", "stopping", "ending", "unknown"] as const) expect(total(see(record(), state, 1), 5), state).toBe(5);
    expect(total(see(see(record(), "ending", 1), "ended", 5), 50)).toBe(5);
  });

  it("a new price opens a new segment, the same price does not", () => {
    expect(see(record(), "running", 2, 1).segments).toHaveLength(1);
    const dearer = see(record(), "running", 2, 3);
    expect(dearer.segments).toHaveLength(2);
    expect(total(dearer, 4)).toBe(2 + 6);
  });

  it("a clock's jump back counts 0 and is marked inferred", () => {
    const jumped = see(record(), "stopped", -5);
    expect(total(jumped, 100)).toBe(0);
    expect(jumped.segments[0]).toMatchObject({ to: at(0), evidence: "inferred" });
    expect(see(record(), "ended", -5).endedAt).toBe(at(0));
  });

  it("an interval is only as well known as its worse bound", () => {
    expect(transition(record(), { state: "stopped", at: at(1), evidence: "told-by-host" }).segments[0]?.evidence).toBe("told-by-host");
  });

  it("an ended thing stays ended", () => {
    const ended = see(record(), "ended", 1);
    expect(see(ended, "running", 2)).toEqual(ended);
  });

  it("an ended record whose segment was left open costs nothing after its end", () => {
    expect(total(record({ state: "ended", endedAt: at(3) }), 100)).toBe(3);
  });

  it("leaves the provider's bills alone and its argument unchanged", () => {
    const before = record({ segments: [segment({ evidence: "billed" })] });
    const copy = structuredClone(before);
    const after = see(before, "stopped", 2);
    expect(before).toEqual(copy);
    expect(after.segments[0]).toEqual(before.segments[0]);
  });

  it("costs exactly the hours in a billed state, whatever the order of states", () => {
    const state = fc.constantFrom<MachineState>("pending", "running", "stopping", "stopped", "ending", "unknown");
    fc.assert(
      fc.property(fc.array(fc.tuple(state, fc.integer({ min: 1, max: 50 })), { maxLength: 20 }), (steps) => {
        let current = record();
        let hours = 0;
        let billed = 0;
        for (const [next, length] of steps) {
          if (current.state !== "stopped") billed += length;
          hours += length;
          current = see(current, next, hours);
        }
        expect(total(current, hours)).toBe(billed);
      }),
    );
  });
});
