import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ValidationError } from "../errors/kinds.ts";
import { comparePlaces, decodeCursor, encodeCursor } from "./cursor.ts";

describe("cursor", () => {
  it("comes back as it went", () => {
    fc.assert(
      fc.property(fc.record({ stream: fc.string({ unit: "grapheme" }), seq: fc.nat(), index: fc.nat() }), (place) => {
        expect(decodeCursor(encodeCursor(place))).toEqual(place);
      }),
    );
  });

  it("is safe in file names and URLs", () => {
    expect(encodeCursor({ stream: "run/ö?&/😀", seq: 1, index: 0 })).toMatch(/^[A-Za-z0-9_-]+$/);
  });

  it.each([
    "",
    "abc",
    "run/a:5",
    "bnVsbA",
    Buffer.from('["c2","run/a",1,0]').toString("base64url"),
    Buffer.from('["c1","run/a",-1,0]').toString("base64url"),
    Buffer.from('["c1","run/a",1.5,0]').toString("base64url"),
    `${encodeCursor({ stream: "run/a", seq: 1, index: 0 })}=`,
    5,
    undefined,
    {},
  ])("refuses %j", (cursor) => {
    expect(() => decodeCursor(cursor as string)).toThrowError(expect.objectContaining({ code: "RUNCTL_VALIDATION" }));
  });

  it("refuses one of another stream", () => {
    const cursor = encodeCursor({ stream: "run/a", seq: 0, index: 0 });
    expect(decodeCursor(cursor, "run/a").seq).toBe(0);
    try {
      decodeCursor(cursor, "run/b");
      expect.unreachable();
    } catch (error) {
      expect(ValidationError.isInstance(error)).toBe(true);
    }
  });

  it("orders by seq, then index", () => {
    const places = [
      [1, 1],
      [0, 5],
      [1, 0],
    ].map(([seq = 0, index = 0]) => ({ stream: "project", seq, index }));
    expect(places.sort(comparePlaces).map((place) => [place.seq, place.index])).toEqual([
      [0, 5],
      [1, 0],
      [1, 1],
    ]);
  });
});
