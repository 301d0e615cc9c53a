import { describe, expect, expectTypeOf, test } from "vitest";
import type { TrainingProvider } from "../provider/provider.ts";
import { defineRun } from "./define-run.ts";
import { nearest } from "./nearest.ts";
import { resolveOptions } from "./resolve-options.ts";
import { withDefaults } from "./run-defaults.ts";
import { safeName } from "./safe-name.ts";

const provider = (name: string) => ({ specVersion: "v1", name }) as TrainingProvider;
const providers = [provider("local")];

describe("resolveOptions", () => {
  test("S-30 every default, without touching anything", () => {
    const options = resolveOptions({ providers });
    expect(options).toMatchObject({
      stores: [],
      budget: {},
      thresholds: { machinePerHour: 5, machineTotal: 10, perHour: 50, perDay: 100, total: 500 },
      limits: { maxRunning: 50, warnRunning: 10 },
      defaults: {},
      logger: {},
    });
    expect(options.user()).toMatch(/^[a-z0-9][a-z0-9._-]*$/);
    expect(options.project()).toBe(safeName(options.root().split("/").at(-1) ?? "", "project"));
  });

  test("what is given stays, explicit undefined is not given", () => {
    const options = resolveOptions({
      providers,
      project: "p",
      user: "u",
      thresholds: { perDay: false, total: undefined },
      limits: { maxRunning: 3, warnRunning: undefined },
    });
    expect([options.project(), options.user()]).toEqual(["p", "u"]);
    expect(options.thresholds).toMatchObject({ perDay: false, total: 500 });
    expect(options.limits).toEqual({ maxRunning: 3, warnRunning: 10 });
  });

  test.each<[string, unknown, RegExp]>([
    ["nothing", undefined, /The options of Runctl must be an object/],
    ["no providers", {}, /providers must be an array of providers, but it is undefined/],
    ["empty providers", { providers: [] }, /providers is empty/],
    ["a factory not called", { providers: [() => provider("x")] }, /It is a function: call it/],
    ["duplicates", { providers: [provider("a"), provider("a")] }, /Two providers have the name "a"[\s\S]*a-2/],
    ["unknown option", { providers, bugdet: {} }, /did you mean "budget"/],
    ["bad budget", { providers, budget: { perDay: 0 } }, /budget.perDay must be a number above 0/],
    ["bad threshold", { providers, thresholds: { total: "x" } }, /thresholds.total must be a number above 0, in USD, or false/],
    ["bad limit", { providers, limits: { maxRunning: 1.5 } }, /limits.maxRunning must be a whole number/],
    ["bad logger", { providers, logger: "pino" }, /logger must be an object/],
    ["bad resolveSecret", { providers, resolveSecret: "x" }, /resolveSecret must be a function/],
    ["bad default", { providers, defaults: { market: "x" } }, /defaults.market must be "on-demand"/],
    ["a script as default", { providers, defaults: { script: "x" } }, /defaults.script is given/],
  ])("%s is a ConfigurationError", (_name, options, message) => {
    expect(() => resolveOptions(options as never)).toThrow(
      expect.objectContaining({ code: "RUNCTL_CONFIGURATION", message: expect.stringMatching(message) }),
    );
  });
});

test.each([
  ["Digits Project!", "digits-project"],
  ["Über-Ähre", "uber-ahre"],
  ["DOMAIN\\ada", "domain-ada"],
  ["...", "fallback"],
  ["日本", "fallback"],
  [`${"x".repeat(63)}--y`, "x".repeat(63)],
])("safeName(%j) is %s", (text, safe) => expect(safeName(text, "fallback")).toBe(safe));

test.each([
  ["maxPricePerHuor", "maxPricePerHour"],
  ["max_price_per_hour", "maxPricePerHour"],
  ["scirpt", "script"],
  ["gpus", "gpu"],
  ["zzzzzz", undefined],
  ["", undefined],
])("nearest(%j) is %s", (word, near) => expect(nearest(word, ["script", "gpu", "maxPricePerHour"])).toBe(near));

test("a spec over its defaults", () => {
  const defaults = {
    market: "spot-then-on-demand",
    fallbackAfter: "5m",
    env: { A: "1", B: "2" },
    instanceType: "t",
    checkpoints: { dir: "c" },
  } as const;
  expect(withDefaults({ script: "x", env: { B: "3" }, checkpoints: false }, defaults)).toEqual({
    ...defaults,
    script: "x",
    env: { A: "1", B: "3" },
    checkpoints: false,
  });
  expect(withDefaults({ script: "x", machine: "m" }, defaults)).toEqual({
    script: "x",
    machine: "m",
    env: defaults.env,
    checkpoints: { dir: "c" },
  });
  expect(withDefaults({ script: "x", market: "spot", name: undefined }, defaults)).toMatchObject({ market: "spot" });
  expect(withDefaults({ script: "x", market: "spot" }, defaults)).not.toHaveProperty("fallbackAfter");
});

test("defineRun keeps literal types and refuses unknown keys", () => {
  const spec = defineRun({ script: "train.py", args: ["--epochs", "20"], market: "spot" });
  expectTypeOf(spec.market).toEqualTypeOf<"spot">();
  expect(spec.args).toEqual(["--epochs", "20"]);
  // @ts-expect-error misspelt
  defineRun({ scirpt: "train.py" });
});
