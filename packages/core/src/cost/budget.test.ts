import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allowanceSeconds, crossedFractions, escrowOf, remaining } from "./budget.ts";

describe("remaining", () => {
  it("is budget less spent less escrow, never negative, exact", () => {
    expect(remaining(10, 2.5, 1.5)).toBe(6);
    expect(remaining(0.3, 0.1, [0.1])).toBe(0.1);
    expect(remaining(1, 2)).toBe(0);
    expect(remaining(5, 1, [1, 2])).toBe(1);
  });
});

describe("allowanceSeconds", () => {
  it("rounds down, refuses an unknown price, never ends a free machine", () => {
    expect(allowanceSeconds(1, 1)).toBe(3600);
    expect(allowanceSeconds(1, 7)).toBe(514);
    expect(allowanceSeconds(1, undefined)).toBeUndefined();
    expect(allowanceSeconds(1, -1)).toBeUndefined();
    expect(allowanceSeconds(0, 1)).toBe(0);
    expect(allowanceSeconds(0, 0)).toBe(Number.POSITIVE_INFINITY);
  });
  it("never buys more than there is money for", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e10 }), fc.integer({ min: 1, max: 1e8 }), (micros, price) => {
        const seconds = allowanceSeconds(micros / 1e6, price / 1e6) ?? Number.NaN;
        expect(BigInt(seconds) * BigInt(price)).toBeLessThanOrEqual(BigInt(micros) * 3600n);
        expect(escrowOf(seconds, price / 1e6)).toBeLessThanOrEqual(micros / 1e6);
        expect(BigInt(seconds + 2) * BigInt(price)).toBeGreaterThan(BigInt(micros) * 3600n);
      }),
    );
  });
});

describe("crossedFractions", () => {
  it("gives each fraction once, ascending, at the exact amount", () => {
    expect(crossedFractions(4.999999, 10, [0.8, 0.5], new Set())).toEqual([]);
    expect(crossedFractions(5, 10, [0.8, 0.5], new Set())).toEqual([0.5]);
    expect(crossedFractions(9, 10, [0.8, 0.5, 0.5], new Set())).toEqual([0.5, 0.8]);
    expect(crossedFractions(9, 10, [0.8, 0.5], new Set([0.5]))).toEqual([0.8]);
  });
});
