import { describe, expect, it } from "vitest";
import { ConfigurationError, ValidationError } from "../src/errors/kinds.ts";
import { Runctl } from "../src/runctl.ts";
import type { RunctlOptions } from "../src/spec/options.ts";
import { memoryState } from "../src/state/memory-state.ts";
import { ManualClock } from "./support/manual-clock.ts";
import { MemoryCloud, memoryProvider } from "./support/memory-provider.ts";

function open(change: Record<string, unknown> = {}): Runctl {
  const clock = new ManualClock();
  const options: RunctlOptions = { providers: [memoryProvider(new MemoryCloud(clock))], state: memoryState(), store: "/nowhere", clock };
  return new Runctl({ ...options, ...change });
}

/** Calls as JavaScript would, and what became of each. */
async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe("calls that cannot be right", () => {
  it("S-30: after close() every call says that it is closed", async () => {
    const runctl = open();
    await runctl.runs.get("abc");
    await runctl.close();
    const calls: Record<string, () => unknown> = {
      plan: () => runctl.plan({ script: "a.py" }),
      "runs.get": () => runctl.runs.get("abc"),
      resources: () => runctl.resources.list(),
      cleanup: () => runctl.cleanup.plan(),
      machines: () => runctl.machines.list(),
      costs: () => runctl.costs.report({ by: "run" }),
      checkpoints: () => runctl.checkpoints,
      storage: () => runctl.storage,
      volumes: () => runctl.volumes.list(),
      images: () => runctl.images,
      on: () => runctl.on("alarm", () => undefined),
    };
    for (const [name, call] of Object.entries(calls)) {
      const error = await failureOf(call);
      expect([name, ConfigurationError.isInstance(error) && error.what]).toEqual([name, "This Runctl is closed."]);
    }
    await runctl.close();
  });

  it.each<[string, unknown, RegExp]>([
    ["logger", {}, /methods debug, info, warn, error/],
    ["logger", { info: 5 }, /methods debug/],
    ["limits", new Date(0), /plain object, but it is a Date/],
    ["budget", new Map(), /plain object, but it is a Map/],
    ["clock", {}, /now\(\), monotonic\(\) and timer\(\)/],
    ["random", {}, /next\(\) and bytes\(\)/],
    ["state", {}, /a state store/],
  ])("P-32: %s of a wrong type is refused by name: %s", (key, value, says) => {
    expect(() => open({ [key]: value })).toThrow(says);
  });

  it("P-32: a listener that is no function, a report of nothing", async () => {
    const runctl = open();
    expect(ValidationError.isInstance(await failureOf(() => runctl.on("alarm", 5 as never)))).toBe(true);
    expect(ValidationError.isInstance(await failureOf(() => runctl.costs.report(undefined as never)))).toBe(true);
    await runctl.close();
  });
});
