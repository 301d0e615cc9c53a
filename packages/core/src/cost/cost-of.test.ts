import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { segment, usd } from "../../test/support/records.ts";
import { addCosts, costOf, costOfAll } from "./cost-of.ts";
import { toMicros } from "./money.ts";
import type { PriceSegment } from "./resource-record.ts";
import { iso } from "./segments.ts";

const START = Date.parse("2026-01-01T00:00:00Z");
const HOUR = 3_600_000;
const at = (hours: number): string => iso(START + hours * HOUR);

const arbitrarySegment = fc
  .record({
    from: fc.integer({ min: 0, max: 1e9 }),
    length: fc.integer({ min: -1e6, max: 1e9 }),
    open: fc.boolean(),
    micros: fc.integer({ min: 0, max: 1e8 }),
    what: fc.constantFrom("compute", "storage", "transfer"),
  })
  .map(
    ({ from, length, open, micros, what }): PriceSegment => ({
      from: iso(START + from),
      ...(open ? {} : { to: iso(START + from + length) }),
      what: what as "compute",
      pricePerHour: usd(micros / 1e6),
      evidence: "observed",
    }),
  );

describe("costOf", () => {
  it("is price times time", () => {
    expect(costOf([segment({ to: at(2.5) })], { now: at(10) })).toEqual({ total: usd(2.5), known: usd(2.5), complete: true, missing: [] });
  });

  it("counts an open segment up to now and nothing of the future", () => {
    expect(costOf([segment()], { now: at(3) }).total).toEqual(usd(3));
    expect(costOf([segment()], { now: at(3), to: at(100) }).total).toEqual(usd(3));
    expect(costOf([segment({ from: at(5) })], { now: at(3) }).total).toEqual(usd(0));
  });

  it("cuts to the window", () => {
    expect(costOf([segment({ to: at(10) })], { now: at(20), from: at(2), to: at(5) }).total).toEqual(usd(3));
  });

  it("has no total while a price is unknown, and says which; a declared 0 is a price", () => {
    const cost = costOf([segment({ to: at(1) }), segment({ pricePerHour: undefined, what: "storage" })], { now: at(2) });
    expect(cost.total).toBeUndefined();
    expect(cost.known).toEqual(usd(1));
    expect(cost.complete).toBe(false);
    expect(cost.missing).toEqual([`storage from ${at(0)} to ${at(2)}: price unknown`]);
    expect(costOf([segment({ pricePerHour: usd(0) })], { now: at(2) })).toMatchObject({ complete: true, total: usd(0) });
  });

  it("does not miss an unknown price outside the window", () => {
    expect(costOf([segment({ pricePerHour: undefined, to: at(1) })], { now: at(9), from: at(2) }).complete).toBe(true);
  });

  it("takes a negative or infinite price for unknown", () => {
    for (const amount of [-1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(costOf([segment({ pricePerHour: usd(amount) })], { now: at(2) }).complete).toBe(false);
  });

  it("reports an unreadable time instead of throwing or counting 0", () => {
    const cost = costOf([segment({ from: "yesterday" })], { now: at(2) });
    expect(cost.complete).toBe(false);
    expect(cost.missing).toEqual(["compute: a time cannot be read"]);
  });

  it("keeps currencies apart", () => {
    const cost = costOf([segment({ to: at(1) }), segment({ to: at(2), pricePerHour: { amount: 3, currency: "EUR" } })], { now: at(5) });
    expect(cost).toEqual({ known: usd(1), complete: false, missing: ["6 EUR not converted"], others: [{ amount: 6, currency: "EUR" }] });
    expect(
      costOf([segment({ to: at(2), pricePerHour: { amount: 3, currency: "EUR" } }), segment({ pricePerHour: usd(0) })], { now: at(5) }),
    ).toMatchObject({
      total: { amount: 6, currency: "EUR" },
      complete: true,
    });
    expect(costOf([segment({ to: at(1) })], { now: at(5), currency: "EUR" })).toMatchObject({
      known: { amount: 0, currency: "EUR" },
      others: [usd(1)],
    });
  });

  it("lets the provider's bill replace what we saw, where it speaks", () => {
    const seen = segment({ to: at(10) });
    const bill = segment({ from: at(2), to: at(5), pricePerHour: usd(0.5), evidence: "billed" });
    expect(costOf([seen, bill], { now: at(20) }).total).toEqual(usd(7 + 1.5));
    // A bill for storage says nothing about compute; two disks are two bills.
    const disks = [1, 2].map(() => segment({ what: "storage", to: at(10), pricePerHour: usd(0.1), evidence: "billed" }));
    expect(costOf([seen, ...disks], { now: at(20) }).total).toEqual(usd(12));
    expect(costOf([segment(), segment({ from: at(1), evidence: "billed", pricePerHour: usd(2) })], { now: at(3) }).total).toEqual(
      usd(1 + 4),
    );
  });

  it("is never negative and counts a clock's jump back as 0", () => {
    expect(costOf([segment({ from: at(5), to: at(1) })], { now: at(9) }).total).toEqual(usd(0));
    fc.assert(
      fc.property(fc.array(arbitrarySegment, { maxLength: 6 }), fc.integer({ min: -1e9, max: 3e9 }), (segments, now) => {
        expect(costOf(segments, { now: START + now }).known.amount).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("adds up exactly over any split of the window", () => {
    fc.assert(
      fc.property(
        fc.array(arbitrarySegment, { maxLength: 6 }),
        fc.array(fc.integer({ min: -1e6, max: 2e9 }), { maxLength: 8 }),
        (segments, cuts) => {
          const now = START + 2_500_000_000;
          const borders = [START - 2e6, ...cuts.map((cut) => START + cut).sort((a, b) => a - b), now];
          let sum = 0;
          for (let i = 0; i + 1 < borders.length; i++)
            sum += toMicros(costOf(segments, { now, from: borders[i], to: borders[i + 1] }).known.amount);
          expect(sum).toBe(toMicros(costOf(segments, { now }).known.amount));
        },
      ),
    );
  });

  it("changes by no more than a micro-unit a split when a segment itself is split", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e9 }),
        fc.integer({ min: 1, max: 1e9 }),
        fc.integer({ min: 0, max: 1e8 }),
        (cut, length, micros) => {
          const whole = segment({ from: iso(START), to: iso(START + length), pricePerHour: usd(micros / 1e6) });
          const middle = iso(START + Math.min(cut, length));
          const halves = [
            { ...whole, to: middle },
            { ...whole, from: middle },
          ];
          const now = START + 2e9;
          expect(
            Math.abs(toMicros(costOf(halves, { now }).known.amount) - toMicros(costOf([whole], { now }).known.amount)),
          ).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  it("S-18: a day is twenty-four hours, a week seven days", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), (micros) => {
        const price = usd(micros / 1e6);
        const cost = (hours: number): number => toMicros(costOf([segment({ pricePerHour: price })], { now: at(hours) }).known.amount);
        expect(cost(24)).toBe(24 * cost(1));
        expect(cost(168)).toBe(7 * cost(24));
      }),
    );
  });

  it("stays exact for a year at a price far below a micro-unit", () => {
    expect(costOf([segment({ pricePerHour: usd(0.00000025) })], { now: at(8_000) }).total).toEqual(usd(0.002));
  });
});

describe("costOfAll and addCosts", () => {
  const things = [
    { label: "a", segments: [segment({ to: at(1) }), segment({ what: "storage", to: at(10), pricePerHour: usd(0.1) })] },
    {
      label: "b",
      segments: [segment({ what: "transfer", to: at(1), pricePerHour: usd(0.25) }), segment({ pricePerHour: undefined, to: at(1) })],
    },
  ];
  it("splits into compute, storage and transfer that add up, and names the thing that is missing", () => {
    const cost = costOfAll(things, { now: at(20) });
    expect(cost).toMatchObject({ known: usd(2.25), compute: usd(1), storage: usd(1), transfer: usd(0.25), complete: false });
    expect(cost.missing).toEqual([`b: compute from ${at(0)} to ${at(1)}: price unknown`]);
  });
  it("adds costs like it adds segments", () => {
    const each = things.map((thing) => costOfAll([thing], { now: at(20) }));
    expect(addCosts(each)).toEqual(costOfAll(things, { now: at(20) }));
    const euros = costOfAll([{ segments: [segment({ to: at(1), pricePerHour: { amount: 2, currency: "EUR" } })] }], { now: at(2) });
    expect(addCosts([each[0] ?? euros, euros])).toMatchObject({
      known: usd(2),
      complete: false,
      others: [{ amount: 2, currency: "EUR" }],
      missing: ["2 EUR not converted"],
    });
    expect(addCosts([])).toMatchObject({ total: usd(0), complete: true });
  });
});
