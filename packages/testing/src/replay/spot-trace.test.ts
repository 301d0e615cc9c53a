import { ValidationError } from "@runctl/core";
import { describe, expect, it } from "vitest";
import { parseSpotPrices, parseSpotTrace, priceStepsOf, readSpotTrace, stretchesOf } from "./spot-trace.ts";

const TRACE = JSON.stringify({ metadata: { gap_seconds: 10 }, data: [1, 1, 0, 1, 0, 0], prices: [1, 1, 2, 2, 1, 3] });

describe("spot traces", () => {
  it("become stretches and price steps, from any moment on", () => {
    const trace = parseSpotTrace(TRACE);
    expect(stretchesOf(trace)).toEqual([
      { fromMs: 0, toMs: 20_000, available: true },
      { fromMs: 20_000, toMs: 30_000, available: false },
      { fromMs: 30_000, toMs: 40_000, available: true },
      { fromMs: 40_000, toMs: 60_000, available: false },
    ]);
    expect(stretchesOf(trace, 15_000)[0]).toEqual({ fromMs: 0, toMs: 5_000, available: true });
    expect(priceStepsOf(trace)).toEqual([
      [0, 1],
      [20_000, 2],
      [40_000, 1],
      [50_000, 3],
    ]);
    expect(priceStepsOf(trace, 25_000)).toEqual([
      [0, 2],
      [15_000, 1],
      [25_000, 3],
    ]);
  });

  it("name what is wrong with a file", async () => {
    await expect(readSpotTrace("/no/such.json")).rejects.toThrow(/no such file/);
    for (const [text, why] of [
      ["{", /not JSON/],
      ['{"data":[1]}', /metadata/],
      ['{"metadata":{"gap_seconds":0},"data":[1]}', /gap_seconds/],
      ['{"metadata":{"gap_seconds":1},"data":[2]}', /data/],
      ['{"metadata":{"gap_seconds":1},"data":[]}', /data/],
      ['{"metadata":{"gap_seconds":1},"data":[1,0],"prices":[1]}', /2 ticks and 1 prices/],
    ] as const) {
      const error = (() => {
        try {
          parseSpotTrace(text);
        } catch (thrown) {
          return thrown as Error;
        }
        return undefined;
      })();
      expect(error).toBeInstanceOf(ValidationError);
      expect(error?.message).toMatch(why);
    }
  });

  it("take prices by zone, each holding until the next", () => {
    const csv = "zone,tick,price_usd_h\na,0,1\na,2,1.5\nb,0,9\n";
    expect(parseSpotPrices(csv, "a", 4)).toEqual([1, 1, 1.5, 1.5]);
    expect(() => parseSpotPrices(csv, "c", 1)).toThrow(/no zone "c"/);
    expect(() => parseSpotPrices("h\na,x,1\n", "a", 1)).toThrow(/Line 2/);
  });
});
