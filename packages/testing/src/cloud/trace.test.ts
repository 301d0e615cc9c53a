import { describe, expect, it } from "vitest";
import { capacityFunction, priceFunction } from "./schedules.ts";
import { parsePriceChanges, parseTrace } from "./trace.ts";

const TEXT = '{"metadata":{"gap_seconds":600,"zone":"us-test-1a"},"data":[1,1,0,1],"prices":[0.5,0.5,0.7,0.6]}';

describe("traces", () => {
  it("tick i covers [i*gap, (i+1)*gap); 1 is available, 0 is not", () => {
    const capacity = capacityFunction({ trace: parseTrace(TEXT) }, 1_000);
    expect([0, 1_199_999, 1_200_000, 1_799_999, 1_800_000].map((ms) => capacity.at(1_000 + ms))).toEqual([
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
      0,
      0,
      Number.POSITIVE_INFINITY,
    ]);
  });

  it("counts are machines, an offset shifts, an end holds or repeats", () => {
    const trace = parseTrace('{"metadata":{"gap_seconds":1},"data":[2,0,3]}');
    expect(capacityFunction({ trace, available: 4 }, 0).at(0)).toBe(8);
    expect(capacityFunction({ trace, available: 4, offsetSeconds: 1 }, 0).at(0)).toBe(0);
    expect(capacityFunction({ trace, available: 1 }, 0).at(99_000)).toBe(3);
    expect([3, 4, 5].map((s) => capacityFunction({ trace, available: 1, end: "repeat" }, 0).at(s * 1000))).toEqual([2, 0, 3]);
  });

  it("prices come from the trace, or by zone from a table of changes", () => {
    expect(priceFunction({ trace: parseTrace(TEXT) }, 0).at(1_200_000)).toBe(0.7);
    const zones = parsePriceChanges("zone,tick,price_usd_h\na_v100_1,0,1.67\na_v100_1,172,1.68\nb_v100_1,0,0.9\n");
    expect([...zones.keys()]).toEqual(["a_v100_1", "b_v100_1"]);
    const price = priceFunction({ changes: zones.get("a_v100_1") ?? [], gapSeconds: 195 }, 0);
    expect([price.at(172 * 195_000 - 1), price.at(172 * 195_000)]).toEqual([1.67, 1.68]);
  });

  it.each([
    ["{", "not JSON"],
    ['{"data":[1]}', "metadata"],
    ['{"metadata":{"gap_seconds":0},"data":[1]}', "gap_seconds"],
    ['{"metadata":{"gap_seconds":1},"data":[0.5]}', "data"],
    ['{"metadata":{"gap_seconds":1},"data":[]}', "data"],
    ['{"metadata":{"gap_seconds":1},"data":[1],"prices":[1,2]}', "prices has 2 entries"],
  ])("refuses %s", (text, why) => {
    expect(() => parseTrace(text)).toThrow(why);
  });

  it.each(["z,x,1", "z,1,", ",1,1", "z,5,1\nz,5,2", "z,1,-1"])("refuses the price rows %j", (rows) => {
    expect(() => parsePriceChanges(`zone,tick,price_usd_h\n${rows}`)).toThrow(/Line/);
  });

  it("refuses schedules that are none", () => {
    expect(() => priceFunction([], 0)).toThrow("no steps");
    expect(() => priceFunction(-1, 0)).toThrow("price is -1");
    expect(() =>
      capacityFunction(
        [
          { at: 5, machines: 1 },
          { at: 5, machines: 2 },
        ],
        0,
      ),
    ).toThrow("order");
    expect(() => priceFunction({ trace: parseTrace('{"metadata":{"gap_seconds":1},"data":[1]}') }, 0)).toThrow("no prices");
  });
});
