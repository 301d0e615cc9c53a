import { describe, expect, it } from "vitest";
import { replayCase } from "../src/explore/run-case.ts";

describe("a case of the explorer", () => {
  it("is the same each time it is replayed from its id, call by call and world by world", async () => {
    const id = "spot-twice.A.s7.kill-40-late.kill-12-applied";
    const [one, two] = [await replayCase(id), await replayCase(id)];
    expect(one.traces[0]).toHaveLength(40);
    expect(two).toEqual(one);
  });

  it("another seed is another world", async () => {
    const [one, two] = [await replayCase("on-demand.A.s1"), await replayCase("on-demand.A.s2")];
    expect(one.broken).toEqual([]);
    expect(two.broken).toEqual([]);
  });

  it("names what is wrong with an id", async () => {
    expect(() => replayCase("on-demand.A")).toThrow(/on-demand\.A/);
  });
});
