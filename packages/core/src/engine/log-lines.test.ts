import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineCutter, MAX_LINE_BYTES } from "./log-lines.ts";

function cut(data: Buffer, sizes: number[]): { text: string; end: number; truncated: boolean }[] {
  const cutter = new LineCutter(0);
  const pieces = [];
  let from = 0;
  let turn = 0;
  while (from < data.length) {
    const size = Math.max(1, sizes[turn++ % sizes.length] ?? 1);
    pieces.push(...cutter.push(data.subarray(from, from + size)));
    from += size;
  }
  pieces.push(...cutter.flush());
  return pieces;
}

describe("LineCutter", () => {
  it("S-06: gives the same lines and offsets whatever the chunks", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme" })), fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), (lines, sizes) => {
        const clean = lines.map((line) => line.replaceAll(/[\r\n]/g, " "));
        const data = Buffer.from(clean.map((line) => `${line}\n`).join(""));
        const pieces = cut(data, sizes);
        expect(pieces.map((piece) => piece.text)).toEqual(clean);
        expect(pieces.at(-1)?.end ?? 0).toBe(data.length);
      }),
    );
  });

  it("resumes at any cursor without loss or repeat", () => {
    const data = Buffer.from("first\nzweite Zeile ü\n\nlast without newline");
    for (const piece of cut(data, [100])) {
      const rest = new LineCutter(piece.end);
      const texts = [...rest.push(data.subarray(piece.end)), ...rest.flush()].map((each) => each.text);
      const all = cut(data, [100]).map((each) => each.text);
      expect(texts).toEqual(all.slice(all.length - texts.length));
    }
  });

  it("survives 100 MB without a newline in bounded pieces that tear no character", () => {
    const chunk = Buffer.from("€".repeat(349_525));
    const cutter = new LineCutter(0);
    let bytes = 0;
    for (let n = 0; n < 96; n++) {
      for (const piece of cutter.push(chunk)) {
        expect(piece.truncated).toBe(true);
        expect(piece.text.includes("\ufffd")).toBe(false);
        const size = Buffer.byteLength(piece.text);
        expect(size).toBeLessThanOrEqual(MAX_LINE_BYTES);
        bytes += size;
      }
    }
    bytes += cutter.flush().reduce((sum, piece) => sum + Buffer.byteLength(piece.text), 0);
    expect(bytes).toBe(chunk.length * 96);
  });

  it("survives binary output", () => {
    const data = Buffer.from([0xff, 0xfe, 0x00, 0x0a, 0xc3, 0x0a, 0x80, 0x80]);
    expect(cut(data, [3]).map((piece) => piece.end)).toEqual([4, 6, 8]);
  });
});
