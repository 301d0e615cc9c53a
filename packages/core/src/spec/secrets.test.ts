import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { redactor } from "./redactor.ts";
import { resolveSecrets } from "./secrets.ts";

const SECRET = "hunter2/very+secret=";
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "runctl-secrets-"));
  writeFileSync(join(dir, "token"), `${SECRET}\n`);
  writeFileSync(join(dir, "empty"), "\n");
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("resolveSecrets", () => {
  test("finds each kind, strips one newline of a file, and lets a given value win", async () => {
    const secrets = {
      A: { literal: true },
      B: { env: "B_ENV" },
      C: { file: join(dir, "token") },
      D: { ref: "x" },
      E: { env: "NOT_SET" },
    } as const;
    const found = await resolveSecrets(secrets, { A: "a", E: "given" }, { env: { B_ENV: "b" }, resolveSecret: async (ref) => `<${ref}>` });
    expect(found).toEqual({ values: { A: "a", B: "b", C: SECRET, D: "<x>", E: "given" }, missing: [], reasons: {} });
  });

  test("what cannot be had is missing, each with its reason", async () => {
    const secrets = {
      A: { literal: true },
      B: { env: "NOT_SET" },
      C: { file: join(dir, "nowhere") },
      D: { ref: "x" },
      E: { file: join(dir, "empty") },
    } as const;
    const found = await resolveSecrets(secrets, {}, { env: {} });
    expect(found.values).toEqual({});
    expect(found.missing).toEqual(["A", "B", "C", "D", "E"]);
    expect(found.reasons).toMatchObject({
      A: /another process/,
      B: /NOT_SET is not set/,
      C: /does not exist/,
      D: /no resolveSecret/,
      E: /empty/,
    } as never);
  });

  test.each<[string, () => Promise<string>]>([
    ["rejects", () => Promise.reject(new Error(`vault says ${SECRET}`))],
    ["gives an object", () => Promise.resolve({ value: SECRET } as never)],
  ])("a resolveSecret that %s makes it missing and quotes nothing", async (_name, resolveSecret) => {
    const found = await resolveSecrets({ D: { ref: "x" } }, {}, { resolveSecret });
    expect(found.missing).toEqual(["D"]);
    expect(JSON.stringify(found)).not.toContain(SECRET);
  });

  test.each([
    ["NUL", `${SECRET}\0`],
    ["size", SECRET.repeat(10_000)],
  ])("a value that no variable can hold names the secret, never the value: %s", async (_name, value) => {
    const error = await resolveSecrets({ TOKEN: { env: "T" } }, {}, { env: { T: value } }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "RUNCTL_VALIDATION", what: expect.stringContaining("TOKEN") });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain(SECRET);
  });

  test("a folder instead of a file", async () => {
    await expect(resolveSecrets({ TOKEN: { file: dir } }, {})).rejects.toMatchObject({
      code: "RUNCTL_CONFIGURATION",
      what: expect.stringContaining("TOKEN"),
    });
  });
});

describe("redactor", () => {
  test.each([
    ["as it is", SECRET],
    ["in base64", Buffer.from(SECRET).toString("base64")],
    ["in base64url", Buffer.from(SECRET).toString("base64url")],
    ["URL-encoded", encodeURIComponent(SECRET)],
    ["URL-encoded in lower case", encodeURIComponent(SECRET).replace(/%../g, (code) => code.toLowerCase())],
    ["in JSON", JSON.stringify({ token: SECRET })],
  ])("hides a secret %s", (_name, text) => {
    const hidden = redactor([SECRET])(`before ${text} after`);
    expect(hidden).toMatch(/^before .*\*\*\*.* after$/);
    expect(hidden).not.toContain(text);
    expect(hidden).not.toContain("hunter2");
  });

  test.each(["", "u", "us", "user:"])("hides it in the middle of base64, behind %j", (before) => {
    const hidden = redactor([SECRET])(Buffer.from(`${before}${SECRET}@host`).toString("base64"));
    expect(hidden).toContain("***");
    expect(Buffer.from(hidden.replace("***", ""), "base64").toString("latin1")).not.toContain("very+secret");
  });

  test("leaves short values and other text alone", () => {
    expect(redactor(["no", "", "abc"])("no abc")).toBe("no abc");
    expect(redactor([])("text")).toBe("text");
    expect(redactor(["a.c+"])("abcc a.c+")).toBe("abcc ***");
  });

  test("longer secrets go first, lines of a key one by one", () => {
    expect(redactor(["abcd", "abcdefgh"])("abcdefgh abcd")).toBe("*** ***");
    expect(redactor(["-----BEGIN KEY-----\nMIIEvQIBADAN\n-----END KEY-----\n"])("got MIIEvQIBADAN")).toBe("got ***");
  });

  test("no value of 4 or more characters survives, in whatever text", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ minLength: 4, maxLength: 40 }).filter((text) => !text.includes("*")),
          { minLength: 1, maxLength: 4 },
        ),
        fc.string(),
        fc.string(),
        (secrets, before, after) => {
          const hide = redactor(secrets);
          for (const secret of secrets) {
            const hidden = hide(`${before}\u2063${secret}\u2063${after}`);
            expect(hidden.includes(`\u2063${secret}\u2063`)).toBe(false);
          }
        },
      ),
    );
  });
});
