import { randomId } from "@runctl/core/provider";
import { describe, expect, it } from "vitest";
import { SeededRandom } from "./seeded-random.ts";

describe("SeededRandom", () => {
  it("is bit-identical everywhere: fixed numbers for a fixed seed", () => {
    const random = new SeededRandom(42);
    expect([random.next(), random.next()]).toEqual([0.7499646119629552, 0.23524263914272237]);
    expect(Buffer.from(new SeededRandom("a seed").bytes(9)).toString("hex")).toBe("72985b4dac4942aeb3");
    expect(randomId(new SeededRandom(42))).toBe("t8vvktrqw26twn3t");
  });

  it("a fork depends on seed and label, never on what was drawn", () => {
    const parent = new SeededRandom("s");
    const early = parent.fork("a").next();
    for (let n = 0; n < 1000; n += 1) parent.next();
    expect(parent.fork("a").next()).toBe(early);
    expect(parent.fork("b").next()).not.toBe(early);
    expect(parent.fork("a").seed).toBe("s/a");
  });

  it("spreads evenly", () => {
    const random = new SeededRandom(7);
    const counts = new Array<number>(10).fill(0);
    for (let n = 0; n < 100_000; n += 1) {
      const value = random.next();
      if (value < 0 || value >= 1) throw new Error(`out of range: ${value}`);
      counts[Math.floor(value * 10)] = (counts[Math.floor(value * 10)] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    const bytes = random.bytes(100_000);
    expect(new Set(bytes).size).toBe(256);
    expect(Math.abs(bytes.reduce((sum, byte) => sum + byte, 0) / bytes.length - 127.5)).toBeLessThan(1.5);
  });

  it("picks, shuffles and takes whole numbers within their bounds", () => {
    const random = new SeededRandom(1);
    const seen = new Set(Array.from({ length: 200 }, () => random.integer(-1, 2)));
    expect([...seen].sort((a, b) => a - b)).toEqual([-1, 0, 1, 2]);
    expect(random.integer(5, 5)).toBe(5);
    expect(() => random.integer(2, 1)).toThrow(RangeError);
    expect(() => random.pick([])).toThrow(RangeError);
    const items = ["a", "b", "c", "d"];
    expect(new Set(Array.from({ length: 100 }, () => random.pick(items)))).toEqual(new Set(items));
    expect(random.shuffle(items).toSorted()).toEqual(items);
    expect(items).toEqual(["a", "b", "c", "d"]);
    expect([random.chance(0), random.chance(1)]).toEqual([false, true]);
  });
});
