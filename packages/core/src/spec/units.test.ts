import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ValidationError } from "../errors/kinds.ts";
import { formatDuration, formatSize, parseDuration, parseSize } from "./units.ts";

describe("parseDuration", () => {
  test.each([
    [0, 0],
    [1500, 1500],
    [0.4, 0],
    ["90s", 90_000],
    ["10m", 600_000],
    ["2h", 7_200_000],
    ["7d", 604_800_000],
    ["1w", 604_800_000],
    ["250ms", 250],
    ["1.5h", 5_400_000],
    ["1h30m", 5_400_000],
    ["1h 30m", 5_400_000],
    [" 5 minutes ", 300_000],
    ["1 day 2 hrs", 93_600_000],
    ["0s", 0],
  ])("%j is %d ms", (text, ms) => expect(parseDuration(text, "maxDuration")).toBe(ms));

  test.each([
    ["10", /maxDuration must be a duration.*the string "10"[\s\S]*no unit[\s\S]*"10s"/],
    ["", /empty/],
    ["  ", /empty/],
    ["h", /number followed by a unit/],
    ["10 parsecs", /"parsecs" is no unit/],
    ["10M", /"M" is no unit/],
    ["-5m", /number followed by a unit/],
    ["5m3h", /falling order/],
    ["5m5m", /falling order/],
    ["1e3s", /no unit of time|number followed/],
    ["99999d", /ten years/],
    [-1, /the number -1[\s\S]*not negative/],
    [Number.NaN, /the number NaN[\s\S]*finite/],
    [Number.POSITIVE_INFINITY, /Infinity[\s\S]*Leave maxDuration out/],
    [null, /but it is null/],
    [undefined, /but it is undefined/],
    [["10m"], /an array/],
    [{}, /an object/],
    [true, /the boolean true/],
    ["9".repeat(5000), /too long/],
  ])("%j is refused", (value, message) => {
    expect(() => parseDuration(value, "maxDuration")).toThrow(message);
    expect(() => parseDuration(value, "maxDuration")).toThrow(/Write for example maxDuration: "10m"/);
    try {
      parseDuration(value, "maxDuration");
    } catch (error) {
      expect(ValidationError.isInstance(error) && error.context.field).toBe("maxDuration");
      expect(String(error).length).toBeLessThan(600);
    }
  });

  test("what formatDuration writes is read back exactly", () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 3000 * 86_400_000 }), (ms) => parseDuration(formatDuration(ms), "f") === ms));
  });

  test("any text gives whole milliseconds or a ValidationError", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          return Number.isSafeInteger(parseDuration(text, "f"));
        } catch (error) {
          return ValidationError.isInstance(error);
        }
      }),
    );
  });
});

describe("parseSize", () => {
  test.each([
    [0, 0],
    [123, 123],
    ["16GiB", 16 * 1024 ** 3],
    ["16Gi", 16 * 1024 ** 3],
    ["500MB", 500_000_000],
    ["500M", 500_000_000],
    ["1.5TB", 1_500_000_000_000],
    ["512 B", 512],
    ["64kb", 64_000],
    ["64KiB", 65_536],
    ["2gib", 2 * 1024 ** 3],
  ])("%j is %d bytes", (text, bytes) => expect(parseSize(text, "resources.memory")).toBe(bytes));

  test.each([
    ["16", /no unit[\s\S]*"16GiB"/],
    ["16 bananas", /The units are/],
    ["16i", /The units are/],
    ["16iB", /The units are/],
    ["", /The units are/],
    ["-1GB", /The units are/],
    [-1, /not negative/],
    [1.5, /whole/],
    [Number.NaN, /finite/],
    ["9000PiB", /8 PiB/],
    [null, /null/],
  ])("%j is refused", (value, message) => {
    expect(() => parseSize(value, "resources.memory")).toThrow(message);
    expect(() => parseSize(value, "resources.memory")).toThrow(/resources\.memory must be a size[\s\S]*Write for example memory: "16GiB"/);
  });

  test("binary units are 1.024 to a power times the decimal ones", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4000 }), fc.constantFrom("K", "M", "G", "T"), (count, unit) => {
        const power = "_KMGT".indexOf(unit);
        expect(parseSize(`${count}${unit}iB`, "f")).toBe(count * 1024 ** power);
        expect(parseSize(`${count}${unit}B`, "f")).toBe(count * 1000 ** power);
      }),
    );
  });

  test("formatSize is near what parseSize reads", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 50 }),
        (bytes) => Math.abs(parseSize(formatSize(bytes), "f") - bytes) <= bytes * 0.005 + 0.5,
      ),
    );
  });
});
