import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { at, final, intent, machine, OFFER, planned, stateAfter, T0 } from "../../test/support/run-fixtures.ts";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";
import { decide } from "./decide.ts";
import type { RunLogEvent } from "./log-events.ts";
import { resultOf } from "./result.ts";
import { statusOf } from "./status.ts";
import { summaryOf } from "./summary.ts";

const n = fc.integer({ min: 1, max: 3 });
const budget: NonNullable<ResolvedSpec["budget"]> = { maxCost: 1, warnAt: [0.5, 1], onExceeded: "stop" };
const failure = { code: "X", what: "w", why: "", fix: [] };
const id = (k: number): string => `local/machine/m${k}`;

/** Any event in any order: logs of newer versions, of bugs and of races must still be read. */
const anyEvent: fc.Arbitrary<RunLogEvent> = fc.oneof(
  n.map(
    (k): RunLogEvent => ({ type: "intent-recorded", intent: intent(`i${k}`), offer: OFFER, allowanceUsd: k === 2 ? 1 : null, settleMs: 0 }),
  ),
  n.map(
    (k): RunLogEvent => ({
      type: "intent-created",
      intentId: `i${k}`,
      machine: machine(`m${k}`),
      pricePerHour: { amount: k, currency: "USD" },
    }),
  ),
  n.map((k): RunLogEvent => ({ type: "intent-ambiguous", intentId: `i${k}`, error: failure })),
  n.map((k): RunLogEvent => ({ type: "intent-void", intentId: `i${k}`, reason: "" })),
  n.map((k): RunLogEvent => ({ type: "intent-failed", intentId: `i${k}`, error: failure, retryable: k > 1 })),
  n.map((k): RunLogEvent => ({ type: "machine-used", machine: machine(`m${k}`) })),
  fc
    .tuple(n, fc.constantFrom("running" as const, "stopped" as const, "ending" as const, "unknown" as const))
    .map(([k, state]): RunLogEvent => ({ type: "machine-state", machineId: id(k), state })),
  fc
    .tuple(n, fc.constantFrom("terminate" as const, "stop" as const, "start" as const))
    .map(([k, action]): RunLogEvent => ({ type: "machine-end-asked", machineId: id(k), action })),
  fc
    .tuple(n, fc.nat(5_000))
    .map(([k, s]): RunLogEvent => ({ type: "machine-ended", machineId: id(k), endedAt: at(s), evidence: "observed" })),
  n.map((k): RunLogEvent => ({ type: "attempt-armed", attempt: k })),
  fc.tuple(n, fc.nat(5_000)).map(([k, s]): RunLogEvent => ({ type: "attempt-started", attempt: k, startedAt: at(s) })),
  fc
    .tuple(
      n,
      fc.constantFrom("succeeded", "failed", "interrupted", "lost", "stopped", "suspended", "never-started", "out-of-budget"),
      fc.nat(5_000),
    )
    .map(([k, outcome, s]): RunLogEvent => {
      const ended = { type: "attempt-ended", attempt: k, outcome, cause: "exit", endedAt: at(s), evidence: "told-by-host" } as RunLogEvent;
      return s % 2 === 0 ? ended : ({ ...ended, final: final({ endedAt: at(s) }) } as RunLogEvent);
    }),
  fc.constantFrom<RunLogEvent>(
    { type: "user-request", request: "stop" },
    { type: "user-request", request: "cancel" },
    { type: "user-request", request: "suspend" },
    { type: "user-request", request: "start" },
    { type: "secrets-missing", names: ["A"] },
    { type: "lease-taken", session: "s2" },
    { type: "lease-released", session: "s2" },
    { type: "attempt-told", attempt: 1, op: "stop" },
  ),
);

/** Planning names a machine that is known: everything else may come in any order. */
function plausible(events: RunLogEvent[]): RunLogEvent[] {
  const out: RunLogEvent[] = [
    { type: "intent-recorded", intent: intent("i0"), offer: OFFER, allowanceUsd: null, settleMs: 0 },
    { type: "intent-created", intentId: "i0", machine: machine("m0") },
  ];
  let attempts = 0;
  for (const event of events) {
    if (event.type === "attempt-armed" && attempts < event.attempt) out.push(planned(++attempts, id(0)));
    out.push(event);
  }
  return out;
}

describe("any log", () => {
  it("is decided on without a throw, a doubled key or a wake in the past; has a status and a result", () => {
    fc.assert(
      fc.property(
        fc.array(anyEvent, { maxLength: 30 }),
        fc.nat(20_000),
        fc.record({
          onEnd: fc.constantFrom(undefined, "terminate" as const, "keep" as const, { afterMs: 60_000, then: "stop" as const }),
          machine: fc.constantFrom(undefined, "m1"),
          budget: fc.constantFrom(undefined, budget),
        }),
        fc.boolean(),
        (events, second, change, over) => {
          const state = stateAfter([...plausible(events), ...(over ? [{ type: "run-ended", status: "failed" } as const] : [])], change);
          const now = T0 + second * 1000;
          const decision = decide(state, { now, mayBuy: true, inFlight: () => false });
          const keys = decision.commands.map((command) => command.key);
          expect(new Set(keys).size).toBe(keys.length);
          expect(decision.wakeAt ?? now + 1).toBeGreaterThan(now);
          expect(statusOf(state)).toEqual(expect.any(String));
          summaryOf(state, { now, driver: undefined });
          if (!over) return;
          const { time } = resultOf(state, []);
          for (const ms of Object.values(time)) expect(ms).toBeGreaterThanOrEqual(0);
        },
      ),
      { numRuns: 1_500 },
    );
  });
});
