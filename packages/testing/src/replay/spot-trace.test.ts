import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ValidationError } from "@runctl/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readTraceFile } from "./spot-trace.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "runctl-trace-"));
});
afterEach(() => rm(dir, { recursive: true }));

describe("trace files", () => {
  it("bring their own prices, by tick or one for all", async () => {
    const path = join(dir, "a b.json");
    await writeFile(path, JSON.stringify({ metadata: { gap_seconds: 10, spot_price_usd_h: 1.5, on_demand_price_usd_h: 4 }, data: [1, 0] }));
    expect(await readTraceFile(path)).toMatchObject({ gapSeconds: 10, data: [1, 0], spotPrice: 1.5, onDemandPrice: 4 });
    await writeFile(path, JSON.stringify({ metadata: { gap_seconds: 10 }, data: [1, 0], prices: [2, 3] }));
    expect(await readTraceFile(path)).toEqual({ gapSeconds: 10, data: [1, 0], prices: [2, 3] });
  });

  it("that are none are named, with what is wrong", async () => {
    await expect(readTraceFile(join(dir, "no.json"))).rejects.toThrow(/no\.json.*no such file/s);
    for (const [text, why] of [
      ["{", /JSON/],
      ['{"metadata":{"gap_seconds":0},"data":[1]}', /gap_seconds/],
      ['{"metadata":{"gap_seconds":1},"data":[1,0],"prices":[1]}', /prices/],
    ] as const) {
      await writeFile(join(dir, "bad.json"), text);
      const error = await readTraceFile(join(dir, "bad.json")).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ValidationError);
      expect((error as Error).message).toMatch(/bad\.json/);
      expect((error as ValidationError).why).toMatch(why);
    }
  });
});
