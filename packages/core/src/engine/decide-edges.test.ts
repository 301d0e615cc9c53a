import { describe, expect, it } from "vitest";
import { at, BOUGHT, intent, MACHINE_ID, machine, OFFER, planned, started, stateAfter, T0 } from "../../test/support/run-fixtures.ts";
import type { DecideEnv, Decision } from "./commands.ts";
import { decide } from "./decide.ts";
import { evolve } from "./evolve.ts";
import type { RunLogEvent } from "./log-events.ts";
import { timeOf } from "./result.ts";
import type { RunState } from "./run-state.ts";

function env(seconds: number, change: Partial<DecideEnv> = {}): DecideEnv {
  return { now: T0 + seconds * 1000, mayBuy: true, inFlight: () => false, ...change };
}

function keys(state: RunState, seconds: number): string[] {
  return decide(state, env(seconds)).commands.map((command) => command.key);
}

/** Nothing to start now, and yet asked to decide again at once: the driver would spin. */
function wakesInThePast(decision: Decision, seconds: number): boolean {
  return decision.wakeAt !== undefined && decision.wakeAt <= T0 + seconds * 1000;
}

function lost(attempt: number, second: number): RunLogEvent {
  return { type: "attempt-ended", attempt, outcome: "interrupted", cause: "agent-killed", endedAt: at(second), evidence: "inferred" };
}

const SECOND: RunLogEvent[] = [
  { type: "intent-recorded", intent: intent("i2"), offer: OFFER, allowanceUsd: null, settleMs: 0 },
  { type: "intent-created", intentId: "i2", machine: machine("m2") },
];

describe("decide, at the edges", () => {
  it("a cancel that an existing machine does not answer is waited for, without a busy loop", () => {
    const used: RunLogEvent[] = [
      { type: "machine-used", machine: machine() },
      planned(1),
      ...started(1, 3),
      { type: "user-request", request: "cancel" },
      { type: "attempt-told", attempt: 1, op: "cancel" },
    ];
    expect(wakesInThePast(decide(stateAfter(used), env(600)), 600)).toBe(false);
  });

  it("P-05: a machine given up is ended also while the next attempt trains elsewhere", () => {
    const state = stateAfter([...BOUGHT, planned(1), ...started(1, 6), lost(1, 7), ...SECOND, planned(2, "local/machine/m2")]);
    expect(keys(state, 20)).toContain(`terminate/${MACHINE_ID}`);
    expect(keys(state, 20)).toContain("start-host/2");
  });

  it("the capacity budget of a replacement begins when the machine was lost, not when the run was made", () => {
    const events: RunLogEvent[] = [...BOUGHT, planned(1), ...started(1, 6)];
    const state = stateAfter([...events, lost(1, 7)]);
    const late = at(7200);
    const since = { ...state, wantingSince: state.wantingSince };
    expect(since.wantingSince).toBeDefined();
    expect(late > (since.wantingSince ?? "9")).toBe(true);
  });

  it("P-01: time in which nobody drove is no time spent looking for capacity, or waiting for a machine's end", () => {
    const later = (events: RunLogEvent[], seconds: number, event: RunLogEvent): RunState =>
      evolve(stateAfter(events), { seq: events.length + 1, at: at(seconds), session: "s2", event });
    const refused: RunLogEvent = { type: "intent-unavailable", intentId: "i1", pools: [] };
    const taken: RunLogEvent = { type: "lease-taken", session: "s2" };
    const searching = later([...BOUGHT.slice(0, 2), refused], 7200, taken);
    expect(keys(searching, 7201)).toEqual(["buy"]);
    // A visit every ten minutes is one search: it ends.
    expect(keys(later([...BOUGHT.slice(0, 2), refused], 600, taken), 4000)).toEqual(["run-ended"]);
    const asked: RunLogEvent = { type: "machine-end-asked", machineId: MACHINE_ID, action: "terminate" };
    const over: RunLogEvent = {
      type: "attempt-ended",
      attempt: 1,
      outcome: "succeeded",
      cause: "exit",
      endedAt: at(7),
      evidence: "told-by-host",
    };
    const ending = later([...BOUGHT, planned(1), ...started(1, 6), over, asked], 7200, taken);
    expect(keys(ending, 7201)).not.toContain("run-ended");
    expect(keys(ending, 7261)).toContain("run-ended");
    const unarmed = later([...BOUGHT, { ...planned(1), allowance: { seconds: null, hardSeconds: 90_000 } } as RunLogEvent], 7200, taken);
    expect(keys(unarmed, 7201)).toContain("start-host/1");
  });

  it("an outcome that stays unknown is asked about with growing pauses", () => {
    const unclear = (times: number): RunState =>
      stateAfter([
        ...BOUGHT.slice(0, 2),
        ...Array.from(
          { length: times },
          (): RunLogEvent => ({ type: "intent-ambiguous", intentId: "i1", error: { code: "X", what: "", why: "", fix: [] } }),
        ),
      ]);
    const now = 2 + 3;
    const decision = decide(unclear(3), env(now));
    expect(decision.commands).toEqual([]);
    expect(wakesInThePast(decision, now)).toBe(false);
    expect(keys(unclear(3), now + 300)).toEqual(["create/i1"]);
  });

  it("a new driver asks for secrets again: its environment may have them", () => {
    const missing: RunLogEvent[] = [...BOUGHT, { type: "secrets-missing", names: ["TOKEN"] }];
    expect(keys(stateAfter(missing), 9)).toEqual([]);
    expect(keys(stateAfter([...missing, { type: "lease-taken", session: "s1" }]), 9)).toEqual([]);
    expect(keys(stateAfter([...missing, { type: "lease-taken", session: "s2" }]), 9)).toEqual(["plan-attempt/1"]);
  });

  it("a machine that somebody stopped from outside does not keep an attempt open for ever", () => {
    const state = stateAfter([...BOUGHT, planned(1), ...started(1, 6), { type: "machine-state", machineId: MACHINE_ID, state: "stopped" }]);
    expect(keys(state, 20)).toContain("conclude/1");
  });

  it("P-09: a machine that never answers is given up when its money is used up, not after 20 min", () => {
    const plan = { ...planned(1), allowance: { seconds: 50, hardSeconds: 60 } } as RunLogEvent;
    const state = stateAfter([...BOUGHT, plan], { budget: { maxCost: 1, warnAt: [], onExceeded: "stop" } });
    expect(keys(state, 30)).toContain("start-host/1");
    expect(keys(state, 70)).toEqual(["end-attempt/1"]);
  });

  it("training done twice is counted over attempts that never started", () => {
    const state = stateAfter([
      ...BOUGHT,
      planned(1),
      { type: "attempt-started", attempt: 1, startedAt: at(10) },
      { type: "attempt-ended", attempt: 1, outcome: "interrupted", cause: "machine-gone", endedAt: at(110), evidence: "inferred" },
      planned(2),
      { type: "attempt-ended", attempt: 2, outcome: "never-started", cause: "claim-lost", endedAt: at(120), evidence: "inferred" },
      planned(3),
      { type: "attempt-started", attempt: 3, startedAt: at(130) },
      { type: "attempt-ended", attempt: 3, outcome: "succeeded", cause: "exit", endedAt: at(230), evidence: "inferred" },
      { type: "run-ended", status: "succeeded" },
    ]);
    expect(timeOf(state).repeatedMs).toBe(100_000);
  });
});
