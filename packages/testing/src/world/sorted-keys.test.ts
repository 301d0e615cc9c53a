import { compareBytes } from "@runctl/core/seams";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SortedKeys } from "./sorted-keys.ts";

const segment = fc.constantFrom("a", "b", "runs", "x y", "é", "\u{1F600}", "\uFFFD", "0");
const key = fc.array(segment, { minLength: 1, maxLength: 7 }).map((segments) => `memory://${segments.join("/")}`);

describe("SortedKeys", () => {
  it("gives what a look at all keys would give", () => {
    fc.assert(
      fc.property(fc.uniqueArray(key, { maxLength: 60 }), fc.nat(60), key, fc.option(key), fc.nat(20), (keys, gone, prefix, after, cut) => {
        const sorted = new SortedKeys();
        for (const one of keys) sorted.add(one);
        const deleted = keys[gone];
        if (deleted !== undefined) sorted.delete(deleted);
        sorted.delete("memory://never/there");
        const wanted = prefix.slice(0, Math.max(0, prefix.length - cut));
        const expected = keys
          .filter((one) => one !== deleted && one.startsWith(wanted) && (after === null || compareBytes(one, after) > 0))
          .sort(compareBytes);
        expect(sorted.below(wanted, after ?? undefined)).toEqual(expected);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
