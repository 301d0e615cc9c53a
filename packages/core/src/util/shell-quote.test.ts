import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { shellQuote, shellQuoteAll } from "./shell-quote.ts";

describe("shellQuote", () => {
  it("arrives literally through a real sh", () => {
    const nasty = fc.oneof(
      fc.string({ unit: "binary" }).map((text) => text.replaceAll("\0", "")),
      fc.string({ unit: fc.constantFrom(..."'\"\\$`!*?[]{}()<>|&;#~=%- \n\t\r\u{1f980}") }),
      fc.constantFrom("$(touch pwned)", "`id`", "if", "a=b", "~", "-n", "", "!!", "\\"),
    );
    fc.assert(
      fc.property(fc.array(nasty, { minLength: 1, maxLength: 8 }), (argv) => {
        const line = `printf '%s\\0' ${shellQuoteAll(argv)}`;
        const out = execFileSync("sh", ["-c", line]).toString("utf8");
        // Lone surrogates have no UTF-8 form; both sides see the replacement.
        expect(out).toBe(argv.map((argument) => `${Buffer.from(argument).toString("utf8")}\0`).join(""));
      }),
      { numRuns: 150 },
    );
  });

  it("leaves plain words readable and quotes what would be grammar", () => {
    expect(shellQuoteAll(["python3", "-u", "src/train.py", "--lr=0.1"])).toBe("python3 -u src/train.py '--lr=0.1'");
    expect(shellQuote("while")).toBe("'while'");
    expect(() => shellQuote("a\0b")).toThrow(TypeError);
  });
});
