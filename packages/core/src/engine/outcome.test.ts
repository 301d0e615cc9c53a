import { describe, expect, it } from "vitest";
import type { HostFinal } from "../host/records.ts";
import { failureOf } from "./outcome.ts";

const final = (over: Partial<HostFinal>): HostFinal => ({
  cause: "exit",
  code: null,
  signal: null,
  error: null,
  startedAt: null,
  endedAt: "2026-01-01T00:00:00Z",
  seconds: {},
  resumedFrom: null,
  published: 0,
  newestCheckpoint: null,
  outputs: [],
  lost: [],
  logBytes: 0,
  setupLogBytes: 0,
  ...over,
});

it.each([
  [{ code: 1 }, /exit code 1/, /uncaught exception/],
  [{ signal: "SIGKILL" }, /ended by SIGKILL/, /out of memory/],
  [{ signal: "SIGSEGV" }, /ended by SIGSEGV/, /[Nn]ative code/],
  [{ signal: "SIGTERM" }, /ended by SIGTERM/, /Nobody of runctl/],
])("says of %j how it ended and why, and never calls a signal an exit code", (over, what, why) => {
  const failure = failureOf(final(over), "train.py");
  expect(failure?.what).toMatch(what);
  expect(failure?.why).toMatch(why);
  if ("signal" in over) expect(failure?.why).not.toMatch(/exit code/);
});

describe("limits", () => {
  it.each([
    ["allowance", "RUNCTL_BUDGET_EXCEEDED"],
    ["max-duration", "RUNCTL_TIMEOUT"],
    ["deadline", "RUNCTL_TIMEOUT"],
  ] as const)("an attempt ended by its %s says how to go on", (cause, code) => {
    const failure = failureOf(final({ cause }), "train.py");
    expect(failure?.code).toBe(code);
    expect(failure?.fix.join(" ")).toContain("runctl.resume");
  });
});
