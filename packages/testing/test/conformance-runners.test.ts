import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AmbiguousOutcomeError, ThrottledError, type TrainingProvider } from "@runctl/core/provider";
import { local } from "@runctl/provider-local";
import { describe, expect, it } from "vitest";
import { playback, recordingDrift } from "../src/conformance/playback.ts";
import { parseRecording, recordProvider } from "../src/conformance/recording.ts";
import { runConformance } from "../src/conformance/run-conformance.ts";
import { testFunctions } from "../src/conformance/runner.ts";
import { SCRUBBED, scrub } from "../src/conformance/scrub.ts";
import { testProvider } from "../src/conformance/test-provider.ts";
import { cloudSubject } from "./support/cloud-subject.ts";
import { but } from "./support/saboteurs.ts";

type Test = (this: unknown, ...given: unknown[]) => Promise<void>;

/** What a runner would hear. */
function collect(): {
  tests: Map<string, Test>;
  describe: (name: string, body: () => void) => void;
  it: (name: string, body: Test) => void;
} {
  const tests = new Map<string, Test>();
  return { tests, describe: (_name, body) => body(), it: (name, body) => void tests.set(name.split(":")[0] ?? name, body) };
}

describe("any runner", () => {
  it("tests take no parameter that a runner could take for a callback", () => {
    const { tests, ...runner } = collect();
    testProvider(() => cloudSubject(), runner);
    expect(tests.size).toBeGreaterThan(85);
    for (const [name, test] of tests) expect(test.length, name).toBe(0);
  });

  it("a case that proves nothing is skipped by the context (vitest, node:test) or by `this` (mocha), with its reason", async () => {
    const { tests, ...runner } = collect();
    testProvider(() => cloudSubject(), { ...runner, only: ["manifest-no-gang", "price-offers"] });
    const notes: unknown[] = [];
    const context = { skip: (note?: string) => void notes.push(note) };
    await tests.get("manifest-no-gang")?.call(undefined, context);
    await tests.get("manifest-no-gang")?.call(context);
    await tests.get("price-offers")?.call(context);
    expect(notes).toEqual(Array(2).fill("not applicable: gang is declared, so several nodes are allowed"));
  });

  it("a failed case throws, with its id and its reason", async () => {
    const { tests, ...runner } = collect();
    testProvider(
      () => {
        const subject = cloudSubject();
        return { ...subject, provider: but(subject.provider, { identity: () => async () => ({ id: "" }) }) };
      },
      { ...runner, only: ["lifecycle-identity"] },
    );
    await expect(tests.get("lifecycle-identity")?.call(undefined)).rejects.toThrow("lifecycle-identity: identity() has no id.");
  });

  it("without any runner it says what to do", () => {
    expect(() => testFunctions({})).toThrow(/No test runner was found[\s\S]*runConformance/);
  });

  it("node:test runs it: passed, failed and skipped are told apart", { timeout: 60_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "runctl-node-test-"));
    try {
      const here = (path: string): string => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)));
      await writeFile(
        join(folder, "own.test.ts"),
        `import { describe, it } from "node:test";
import { testProvider } from ${here("../src/conformance/test-provider.ts")};
import { cloudSubject } from ${here("./support/cloud-subject.ts")};
import { but } from ${here("./support/saboteurs.ts")};
const factory = () => { const s = cloudSubject(); return { ...s, provider: but(s.provider, { identity: () => async () => ({ id: "" }) }) }; };
testProvider(factory, { describe, it, only: ["price-offers", "manifest-no-gang", "lifecycle-identity"] });
`,
      );
      const child = spawn(
        process.execPath,
        [
          "--import",
          import.meta.resolve("tsx"),
          "--conditions=@runctl/source",
          "--test-reporter=tap",
          "--test",
          join(folder, "own.test.ts"),
        ],
        { cwd: fileURLToPath(new URL("..", import.meta.url)), env: { ...process.env, NODE_OPTIONS: "" } },
      );
      let output = "";
      child.stdout.on("data", (chunk) => {
        output += String(chunk);
      });
      child.stderr.on("data", (chunk) => {
        output += String(chunk);
      });
      const code = await new Promise((done) => child.on("close", done));
      expect(output).toMatch(/^\s*ok \d+ - price-offers/m);
      expect(output).toMatch(/^\s*ok \d+ - manifest-no-gang.*# SKIP not applicable/m);
      expect(output).toMatch(/^\s*not ok \d+ - lifecycle-identity/m);
      expect(code).toBe(1);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("with real money", () => {
  it("keeps below its cap, skips what could pass it, and ends everything", async () => {
    const home = await mkdtemp(join(tmpdir(), "runctl-live-"));
    try {
      const report = await runConformance(() => local({ home, pricePerHour: 1.2 }), {
        live: { spendCap: 1 },
        only: ["2"],
        limits: { poll: 20 },
      });
      expect(report.live).toMatchObject({ spendCap: 1 });
      // A quarter of an hour is reserved for each purchase until it is over.
      expect(report.live?.reserved).toBeLessThanOrEqual(1);
      expect(report.live?.reserved).toBeGreaterThan(0.1);
      expect(report.counts).toMatchObject({ failed: 0 });
      expect(report.counts.passed).toBeGreaterThan(8);
      expect(report.leftovers).toEqual([]);
    } finally {
      await rm(home, { recursive: true });
    }
  });

  it("names what it could not end, with its price, and is not ok", async () => {
    const home = await mkdtemp(join(tmpdir(), "runctl-live-"));
    try {
      const factory = () => but(local({ home, pricePerHour: 1.2 }), { terminate: () => async () => undefined });
      const report = await runConformance(factory, { live: { spendCap: 5 }, only: ["lifecycle-runs"], limits: { poll: 20 } });
      expect(report.ok).toBe(false);
      expect(report.leftovers).toEqual([expect.stringMatching(/^machine runctl-conformance-\w+ is running \(1\.2 USD\/h\)$/)]);
    } finally {
      await rm(home, { recursive: true });
    }
  });

  it("does not buy what has no price", async () => {
    const subject = cloudSubject({ pools: [{ hidePrice: true }] });
    const report = await runConformance(() => subject, { live: { spendCap: 5 }, only: ["lifecycle-runs"] });
    expect(report.cases.find((one) => one.id === "lifecycle-runs")).toMatchObject({
      status: "skipped",
      why: expect.stringContaining("no price"),
    });
    expect([...subject.cloud.machines()]).toEqual([]);
  });
});

describe("recording and playback", () => {
  const base = (over: Partial<TrainingProvider> = {}): TrainingProvider => ({ ...cloudSubject().provider, ...over });

  it("plays errors back as the classes they were, with their figures, and repeats in order", async () => {
    let calls = 0;
    const { provider, recording } = recordProvider(
      base({
        identity: async () => {
          calls += 1;
          if (calls === 1) throw new ThrottledError({ what: "Slower.", retryAfterMs: 7_000 });
          return { id: `account-${calls}` };
        },
        create: async () => Promise.reject(new AmbiguousOutcomeError({ what: "No answer." })),
      }),
    );
    await provider.identity().catch(() => undefined);
    await provider.identity();
    await provider.identity();
    await provider.create({ id: "i" } as never).catch(() => undefined);
    const player = playback(parseRecording(JSON.parse(JSON.stringify(recording()))));
    await expect(player.identity()).rejects.toMatchObject({ kind: "throttled", retryAfterMs: 7_000 });
    expect(await player.identity()).toEqual({ id: "account-2" });
    expect(await player.identity()).toEqual({ id: "account-3" });
    expect(await player.identity(), "the last answer stays").toEqual({ id: "account-3" });
    await expect(player.create({ id: "i" } as never)).rejects.toMatchObject({ kind: "ambiguous-outcome" });
    await expect(player.terminate({ provider: "cloud", kind: "machine", id: "x" })).rejects.toThrow("is not in the recording");
  });

  it("plays sessions back, bytes as bytes", async () => {
    const session = {
      home: "/h",
      exec: async () => ({ exitCode: 3, stdout: "o", stderr: "" }),
      read: async () => Uint8Array.of(0, 255),
      write: async () => undefined,
      upload: async () => undefined,
      download: async () => undefined,
      close: async () => undefined,
    };
    const { provider, recording } = recordProvider(base({ connect: async () => session }));
    const machine = { ref: { provider: "cloud", kind: "machine", id: "m1" } } as never;
    const live = await provider.connect?.(machine);
    await live?.exec(["false"]);
    await live?.read("x", 0);
    const played = await playback(parseRecording(JSON.parse(JSON.stringify(recording())))).connect?.(machine);
    expect(played?.home).toBe("/h");
    expect(await played?.exec(["false"])).toEqual({ exitCode: 3, stdout: "o", stderr: "" });
    expect(await played?.read("x", 0)).toEqual(Uint8Array.of(0, 255));
    await expect(played?.exec(["true"])).rejects.toThrow("is not in the recording");
  });

  it("drift names fields that went, came or changed their type, and leaves optional ones alone", async () => {
    const record = async (id: unknown, more: object = {}) => {
      const { provider, recording } = recordProvider(base({ identity: async () => ({ id, ...more }) as never }));
      await provider.identity();
      return recording();
    };
    expect(recordingDrift(await record("a"), await record("b"))).toEqual([]);
    expect(recordingDrift(await record("a", { name: "x" }), await record("b"))).toEqual(["identity.name: string → absent"]);
    expect(recordingDrift(await record("a"), await record("b", { name: "x" }))).toEqual(["identity.name: absent → string"]);
    expect(recordingDrift(await record("a"), await record(7))).toEqual(["identity.id: string → number"]);
  });

  it.each([
    ["an AWS key id", "key AKIAIOSFODNN7EXAMPLE."],
    ["a bearer token", "Authorization: Bearer abc.def-123456"],
    ["a signed address", "https://b/x?X-Amz-Signature=0123456789abcdef&y=1"],
    ["a private key", "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----"],
    ["a token of a vendor", "hf_abcdefghijklmnop"],
    ["a web token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc"],
  ])("scrubs %s", (_what, text) => {
    const clean = scrub({ message: text }).message;
    expect(clean).toContain(SCRUBBED);
    expect(clean).not.toMatch(/AKIA|abc\.def|0123456789abcdef|BEGIN|hf_abc|eyJ/);
  });

  it("scrubs given secrets everywhere, also in names, and values of telling names; leaves the rest", () => {
    const dirty = {
      password: "x",
      apiKey: "y",
      note: "hush-hush",
      "hush-hush": 1,
      list: [{ deep: "a hush-hush b" }],
      identity: "token",
      nextToken: "p2",
    };
    expect(scrub(dirty, ["hush", "hush-hush"])).toEqual({
      password: SCRUBBED,
      apiKey: SCRUBBED,
      note: SCRUBBED,
      [SCRUBBED]: 1,
      list: [{ deep: `a ${SCRUBBED} b` }],
      identity: "token",
      nextToken: "p2",
    });
  });
});
