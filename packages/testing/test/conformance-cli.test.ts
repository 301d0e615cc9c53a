import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { conformanceCli } from "../src/conformance/cli.ts";
import { parseRecording } from "../src/conformance/recording.ts";
import { parseReport } from "../src/conformance/report.ts";

let cwd = "";
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "runctl cli 'ö' "));
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

async function cli(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const code = await conformanceCli(argv, {
    cwd,
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { code, out, err };
}

const file = (name: string, text: string): void => {
  mkdirSync(join(cwd, name, ".."), { recursive: true });
  writeFileSync(join(cwd, name), text);
};

/** A provider that offers one machine and refuses everything else, in one file without imports. */
const STUB = `const no = () => { throw Object.assign(new Error("refused"), {}); };
const stub = (over = {}) => ({ specVersion: "v1", name: "stub", capabilities: { identity: "none", boot: "user-data", guard: "none", containers: "none",
  spot: false, multiPool: false, gang: false, tagsAtCreate: false, settleMs: 0, pollMs: 10 },
  offers: async () => [{ id: "one", provider: "stub", type: "one", accelerators: [], market: "on-demand", pricePerHour: { amount: 2, currency: "USD" },
    price: { source: "x", at: "2026-01-01T00:00:00Z" }, can: { stop: false, notice: false, endItself: false } }],
  create: no, find: async () => ({ machines: [], others: [], complete: true }), terminate: async () => {}, remove: async () => {},
  costs: async () => [], identity: async () => ({ id: "acct" }), ...over });
`;

describe("runctl-conformance, fed nonsense, says what is wrong and ends with 2", () => {
  it.each<[what: string, argv: string[], says: RegExp]>([
    ["no module", [], /No module was named/],
    ["a file that is not there", ["./nothing.ts"], /no file or folder .*nothing\.ts/],
    ["an empty folder", ["./empty"], /has no conformance or index file/],
    ["an option that it does not know", ["./good.mjs", "--jsn", "x"], /jsn/],
    ["two modules", ["./good.mjs", "./good.mjs"], /One module at a time/],
    ["a case that does not exist", ["./good.mjs", "--only", "lifecycle-x,99"], /no case or point lifecycle-x, 99/],
    ["a module that throws", ["./throws.mjs"], /cannot be loaded: boom/],
    ["a module that is no JavaScript", ["./text.mjs"], /cannot be loaded/],
    ["a module that exports a number", ["./number.mjs"], /exports a number/],
    ["a module that exports something else", ["./other.mjs"], /exports an object with hello/],
    ["options that are not known", ["./typo.mjs"], /not known: limit\./],
    ["a module that would go live by itself", ["./live.mjs"], /not known: live\./],
    ["--live without a cap", ["./good.mjs", "--live"], /--live needs --spend-cap/],
    ["a cap that is no amount", ["./good.mjs", "--live", "--spend-cap", "lots"], /not "lots"/],
    ["a negative cap", ["./good.mjs", "--live", "--spend-cap=-5"], /above 0/],
    ["a cap without --live", ["./good.mjs", "--spend-cap", "5"], /without --live/],
    ["a provider that costs money, without --live", ["./money.mjs"], /buys real machines/],
    ["a recording that is no JSON", ["./good.mjs", "--recording", "throws.mjs"], /cannot be read as JSON/],
    ["a recording that is none", ["./good.mjs", "--recording", "data.json"], /no recording of a provider/],
  ])("%s", async (_what, argv, says) => {
    mkdirSync(join(cwd, "empty"));
    file("good.mjs", `${STUB}export default () => stub();`);
    file("throws.mjs", 'throw new Error("boom");');
    file("text.mjs", "this is no program");
    file("number.mjs", "export default 42;");
    file("other.mjs", "export const hello = 1;");
    file("typo.mjs", `${STUB}export default { factory: () => stub(), limit: {} };`);
    file("live.mjs", `${STUB}export default { factory: () => stub(), live: { spendCap: 99 } };`);
    file("money.mjs", `${STUB}export default { factory: () => stub(), costsMoney: true };`);
    file("data.json", "{}");
    const { code, out, err } = await cli(...argv);
    expect(err).toMatch(says);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err, "people are not shown a stack").not.toMatch(/\n {4}at /);
  });
});

describe("runctl-conformance", () => {
  it("helps and lists", async () => {
    expect(await cli("--help")).toMatchObject({ code: 0, out: expect.stringContaining("--spend-cap") });
    const { out } = await cli("--list");
    expect(out.split("\n").length).toBeGreaterThan(85);
    expect(out).toContain("lifecycle-create-twice");
  });

  it("ends with 1 and names what failed, in words and as JSON", async () => {
    file("index.mjs", `${STUB}export const conformance = { factory: () => stub(), only: ["1", "price-offers"] };`);
    const { code, out, err } = await cli(".", "--json", "report.json");
    expect(code).toBe(1);
    expect(out).toMatch(/^stub: does NOT conform\./);
    expect(out).toMatch(/FAILED:\n[\s\S]* {2}manifest-no-gang: An intent of two nodes must be refused .* not with the raw error/);
    expect(err).toContain("failed: manifest-no-gang");
    const report = parseReport(JSON.parse(readFileSync(join(cwd, "report.json"), "utf8")));
    expect(report.cases.find((one) => one.id === "price-offers")?.status).toBe("passed");
    expect(report.ok).toBe(false);
    expect(() => parseReport({ ...report, v: 2 })).toThrow("no conformance report");
  });

  it("ends with 0 for what conforms, and with 1 under --strict when something could not be proven", async () => {
    file("p.mjs", `${STUB}export default stub();`);
    expect((await cli("p.mjs", "--only", "price-offers,access-throttled")).code).toBe(0);
    const { code, out } = await cli("p.mjs", "--only", "price-offers,access-throttled", "--strict");
    expect(code).toBe(1);
    expect(out).toContain("Not provable here:\n  access-throttled: hook faults.throttle is missing");
  });

  it.each([
    ["gives undefined", "() => undefined", "neither a provider"],
    ["gives a text", "() => 'provider'", "neither a provider"],
    ["throws", "() => { throw new Error('no server') }", "no server"],
    ["gives an object without capabilities", "() => ({ provider: { name: 'x' } })", "neither a provider"],
  ])("a factory that %s fails every case, with that reason", async (_what, factory, why) => {
    file("p.mjs", `export default { factory: ${factory} };`);
    const { code, out } = await cli("p.mjs", "--only", "price-offers");
    expect(code).toBe(1);
    expect(out).toContain(`price-offers: The factory failed: `);
    expect(out).toContain(why);
  });

  it("a case that hangs ends by its limit", async () => {
    file("p.mjs", `${STUB}export default { factory: () => stub({ identity: () => new Promise(() => {}) }), limits: { case: 200 } };`);
    const { code, out } = await cli("p.mjs", "--only", "lifecycle-identity");
    expect(code).toBe(1);
    expect(out).toContain("did not end within 0.2 s");
  });

  it("buys nothing above the cap, and says so", async () => {
    file(
      "p.mjs",
      `${STUB}globalThis.bought = 0;
export default { factory: () => stub({ create: async (intent) => { globalThis.bought += 1; return { kind: "created", machines: [{ ref: { provider: "stub", kind: "machine", id: "m" }, name: intent.name, state: "running", tags: {} }], also: [] }; } }) };`,
    );
    const { out } = await cli("p.mjs", "--only", "10", "--live", "--spend-cap", "0.4");
    const { bought } = globalThis as unknown as { bought: number };
    expect(bought).toBe(0);
    expect(out).toMatch(/Skipped:\n[\s\S]*spend cap: 0\.0000 of 0\.4 used or reserved/);
    Reflect.deleteProperty(globalThis, "bought");
  });

  it("records the exchanges of the whole run without secrets, and finds no drift against itself", async () => {
    file(
      "p.mjs",
      `${STUB}export default { factory: () => stub({ identity: async () => ({ id: "acct", name: "key sk-abcdefgh12345678" }) }) };`,
    );
    expect((await cli("p.mjs", "--only", "lifecycle-identity,price-offers", "--record", "kept.json")).code).toBe(0);
    const text = readFileSync(join(cwd, "kept.json"), "utf8");
    expect(text).not.toContain("sk-abcdefgh12345678");
    expect(parseRecording(JSON.parse(text)).exchanges.map((exchange) => exchange.operation)).toEqual(["identity", "identity", "offers"]);
  });

  it("the example of the guide is listed whole by the folder's name", async () => {
    const example = fileURLToPath(new URL("../../../examples/third-party-provider", import.meta.url));
    const { code, out } = await cli(example, "--only", "lifecycle-create-twice,ambiguity-reply-lost");
    expect(out).toMatch(/^tiny: conforms\. 2 passed/);
    expect(code).toBe(0);
  });
});
