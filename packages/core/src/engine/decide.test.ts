import { describe, expect, it } from "vitest";
import {
  at,
  BOUGHT,
  final,
  intent,
  MACHINE_ID,
  machine,
  OFFER,
  planned,
  started,
  stateAfter,
  T0,
} from "../../test/support/run-fixtures.ts";
import type { DecideEnv } from "./commands.ts";
import { decide } from "./decide.ts";
import type { RunLogEvent } from "./log-events.ts";
import type { RunState } from "./run-state.ts";
import { statusOf } from "./status.ts";

function env(seconds: number, change: Partial<DecideEnv> = {}): DecideEnv {
  return { now: T0 + seconds * 1000, mayBuy: true, inFlight: () => false, ...change };
}

function kinds(state: RunState, seconds: number, change: Partial<DecideEnv> = {}): string[] {
  return decide(state, env(seconds, change))
    .commands.filter((command) => !command.key.startsWith("bury/") && command.do !== "bill")
    .map((command) => (command.do === "machine" ? command.action : command.do));
}

function ended(
  attempt: number,
  outcome: "failed" | "interrupted" | "stopped" | "suspended" | "succeeded",
  second: number,
  cause = "exit",
): RunLogEvent {
  return {
    type: "attempt-ended",
    attempt,
    outcome,
    cause,
    endedAt: at(second),
    evidence: "told-by-host",
    final: final({ endedAt: at(second), code: outcome === "failed" ? 3 : 0 }),
  };
}

describe("decide", () => {
  it("buys, creates, plans, starts, observes: one step at a time", () => {
    expect(kinds(stateAfter([]), 1)).toEqual(["buy"]);
    expect(kinds(stateAfter(BOUGHT.slice(0, 2)), 3)).toEqual(["create"]);
    expect(kinds(stateAfter(BOUGHT), 4)).toEqual(["plan-attempt"]);
    expect(kinds(stateAfter([...BOUGHT, planned(1)]), 5)).toEqual(["start-host", "look"]);
    expect(kinds(stateAfter([...BOUGHT, planned(1), ...started(1, 6)]), 7)).toEqual(["observe", "look"]);
  });

  it("S-27: queues while no slot is free, and buys nothing", () => {
    const state = stateAfter([]);
    expect(kinds(state, 1, { mayBuy: false })).toEqual([]);
    expect(statusOf(state)).toBe("queued");
  });

  it("ends the machine before the run, then the run", () => {
    const done = [...BOUGHT, planned(1), ...started(1, 6), ended(1, "succeeded", 60)];
    expect(kinds(stateAfter(done), 61)).toEqual(["terminate", "look"]);
    const gone: RunLogEvent = { type: "machine-ended", machineId: MACHINE_ID, endedAt: at(62), evidence: "observed" };
    // The bill is waited for, and not for long.
    expect(kinds(stateAfter([...done, gone]), 62)).toEqual([]);
    const billed: RunLogEvent = { type: "machine-billed", machineId: MACHINE_ID, segments: [] };
    expect(kinds(stateAfter([...done, gone]), 93)).toEqual(["append"]);
    const last = decide(stateAfter([...done, gone, billed]), env(62)).commands.filter((command) => command.do === "append");
    expect(last).toEqual([{ do: "append", key: "run-ended", events: [{ type: "run-ended", status: "succeeded", error: undefined }] }]);
  });

  it("P-05: a delete that fails for hours does not hold the result back, but goes on being asked and counted", () => {
    const asked: RunLogEvent = { type: "machine-end-asked", machineId: MACHINE_ID, action: "terminate" };
    const done = [...BOUGHT, planned(1), ...started(1, 6), ended(1, "succeeded", 60), asked];
    expect(kinds(stateAfter(done), 20)).toEqual(["terminate", "look"]);
    const late = decide(stateAfter(done), env(200)).commands;
    expect(late.map((command) => command.do)).toEqual(["machine", "look", "append"]);
    const append = late.at(-1);
    expect(append?.do === "append" ? append.events.map((event) => event.type) : []).toEqual(["alarm", "run-ended"]);
    const after = stateAfter([...done, { type: "run-ended", status: "succeeded" }]);
    expect(kinds(after, 4000)).toEqual(["terminate", "look"]);
  });

  it("P-13: failures are retried within their budget only, with growing pauses", () => {
    const once = [...BOUGHT, planned(1), ...started(1, 6), ended(1, "failed", 60)];
    expect(kinds(stateAfter(once), 61)).toEqual(["terminate", "look"]);
    const retrying = stateAfter(once, { retries: { interruptions: null, failures: 2, capacityMs: 1 } });
    expect(decide(retrying, env(60)).wakeAt).toBe(T0 + 61_000);
    expect(kinds(retrying, 62)).toEqual(["plan-attempt"]);
    const twice = stateAfter([...once, planned(2), ...started(2, 70), ended(2, "failed", 80)], {
      retries: { interruptions: null, failures: 2, capacityMs: 1 },
    });
    expect(decide(twice, env(81)).wakeAt).toBe(T0 + 82_000);
  });

  it("P-15: a hundred interruptions use up no failure retry", () => {
    const events: RunLogEvent[] = [];
    for (let n = 1; n <= 100; n++) {
      const id = `local/machine/m${n}`;
      events.push(
        { type: "intent-recorded", intent: intent(`i${n}`), offer: OFFER, allowanceUsd: null, settleMs: 0 },
        { type: "intent-created", intentId: `i${n}`, machine: machine(`m${n}`) },
        planned(n, id),
        ...started(n, n * 10),
        { type: "attempt-ended", attempt: n, outcome: "interrupted", cause: "notice", endedAt: at(n * 10 + 1000), evidence: "inferred" },
        { type: "machine-ended", machineId: id, endedAt: at(n * 10 + 1000), evidence: "observed" },
      );
    }
    expect(kinds(stateAfter(events), 100_000)).toEqual(["buy"]);
    const limited = stateAfter(events, { retries: { interruptions: 99, failures: 0, capacityMs: 1 } });
    const command = decide(limited, env(100_000)).commands.at(-1);
    expect(command?.do === "append" ? command.events[0] : undefined).toMatchObject({ type: "run-ended", status: "lost" });
  });

  it("P-12: the deadline is absolute over respawns", () => {
    const events = [
      ...BOUGHT,
      planned(1),
      ...started(1, 6),
      { type: "attempt-ended", attempt: 1, outcome: "interrupted", cause: "machine-gone", endedAt: at(500), evidence: "inferred" },
      { type: "machine-ended", machineId: MACHINE_ID, endedAt: at(500), evidence: "observed" },
    ] satisfies RunLogEvent[];
    expect(kinds(stateAfter(events, { deadline: at(1000) }), 600)).toEqual(["buy"]);
    const command = decide(stateAfter(events, { deadline: at(1000) }), env(1001)).commands.at(-1);
    expect(command?.do === "append" ? command.events[0] : undefined).toMatchObject({ type: "run-ended", status: "timed-out" });
  });

  it("P-07: cancel while a create is in flight waits for its outcome, then finds out, then ends", () => {
    const cancelled = [...BOUGHT.slice(0, 2), { type: "user-request", request: "cancel" }] satisfies RunLogEvent[];
    expect(kinds(stateAfter(cancelled), 4, { inFlight: (key) => key.startsWith("create/") })).toEqual([]);
    expect(kinds(stateAfter(cancelled), 4)).toEqual(["settle-intent"]);
    const found = [...cancelled, BOUGHT[2] as RunLogEvent];
    expect(kinds(stateAfter(found), 5)).toEqual(["terminate", "look"]);
    const void_ = [...cancelled, { type: "intent-void", intentId: "i1", reason: "" }] satisfies RunLogEvent[];
    const [command] = decide(stateAfter(void_), env(5)).commands;
    expect(command?.do === "append" ? command.events[0] : undefined).toMatchObject({ type: "run-ended", status: "cancelled" });
  });

  it("P-07: cancel before the host is known to have started asks it first, and ends our own machine after a while anyway", () => {
    const events = [...BOUGHT, planned(1), { type: "user-request", request: "cancel" }] satisfies RunLogEvent[];
    expect(kinds(stateAfter(events), 6)).toEqual(["call-off", "look"]);
    const late = decide(stateAfter(events), env(60)).commands;
    expect(late[0]).toMatchObject({ do: "append", events: [{ type: "attempt-ended", outcome: "cancelled" }] });
    const used: RunLogEvent[] = [{ type: "machine-used", machine: machine() }, planned(1), { type: "user-request", request: "cancel" }];
    expect(kinds(stateAfter(used), 600)).toEqual(["call-off", "look"]);
  });

  it("S-14: suspend saves first, then stops the machine; start goes on on the same one", () => {
    const running = [...BOUGHT, planned(1), ...started(1, 6), { type: "user-request", request: "suspend" }] satisfies RunLogEvent[];
    const [, , tell] = decide(stateAfter(running), env(10)).commands;
    expect(tell).toMatchObject({ do: "control", command: { op: "stop", cause: "suspend" } });
    const saved = [...running, ended(1, "suspended", 12, "suspend")];
    expect(kinds(stateAfter(saved), 13)).toEqual(["stop", "look"]);
    const stopped = [...saved, { type: "machine-state", machineId: MACHINE_ID, state: "stopped" }] satisfies RunLogEvent[];
    expect(statusOf(stateAfter(stopped))).toBe("suspended");
    expect(kinds(stateAfter(stopped), 14)).toEqual([]);
    const resumed = [...stopped, { type: "user-request", request: "start" }] satisfies RunLogEvent[];
    expect(kinds(stateAfter(resumed), 15)).toEqual(["start", "look"]);
    const up = [...resumed, { type: "machine-state", machineId: MACHINE_ID, state: "running" }] satisfies RunLogEvent[];
    expect(kinds(stateAfter(up), 16)).toEqual(["plan-attempt"]);
  });

  it("a lost machine is replaced and the old one still ended", () => {
    const lost = [
      ...BOUGHT,
      planned(1),
      ...started(1, 6),
      { type: "attempt-ended", attempt: 1, outcome: "interrupted", cause: "agent-killed", endedAt: at(500), evidence: "inferred" },
    ] satisfies RunLogEvent[];
    expect(kinds(stateAfter(lost), 501)).toEqual(["terminate", "look", "buy"]);
  });

  it("removes what a reclaimed machine left at its provider, once", () => {
    const gone: RunLogEvent[] = [...BOUGHT, { type: "machine-ended", machineId: MACHINE_ID, endedAt: at(9), evidence: "observed" }];
    expect(decide(stateAfter(gone), env(10)).commands[0]).toMatchObject({ do: "machine", action: "terminate", key: `bury/${MACHINE_ID}` });
    const asked = stateAfter([...gone, { type: "machine-end-asked", machineId: MACHINE_ID, action: "terminate" }]);
    expect(decide(asked, env(11)).commands.map((command) => command.do)).toEqual(["bill", "buy"]);
  });

  it("keeps what it is told to keep, and never ends a machine it did not make", () => {
    const done = [...BOUGHT, planned(1), ...started(1, 6), ended(1, "succeeded", 60)];
    expect(kinds(stateAfter(done, { onEnd: "keep" }), 61)).toEqual(["append"]);
    const used: RunLogEvent[] = [{ type: "machine-used", machine: machine() }, planned(1), ...started(1, 6), ended(1, "succeeded", 60)];
    expect(kinds(stateAfter(used, { onEnd: "terminate" }), 61)).toEqual(["append"]);
  });

  it("S-28: a delayed end policy ends the run at once and the machine later", () => {
    const policy = { onEnd: { afterMs: 600_000, then: "stop" } } as const;
    const done = [...BOUGHT, planned(1), ...started(1, 6), ended(1, "succeeded", 8)];
    expect(kinds(stateAfter(done, policy), 9)).toEqual(["append"]);
    const over = stateAfter([...done, { type: "run-ended", status: "succeeded" }], policy);
    expect(kinds(over, 20)).toEqual([]);
    expect(decide(over, env(20)).wakeAt).toBe(Date.parse(over.ended?.at ?? "") + 600_000);
    expect(kinds(over, 700)).toEqual(["stop", "look"]);
  });

  it("warns at the budget's fractions once, and ends out of budget", () => {
    const budget = { budget: { maxCost: 1, warnAt: [0.5, 0.8], onExceeded: "stop" as const } };
    const running = [...BOUGHT, planned(1), ...started(1, 6)];
    expect(decide(stateAfter(running, budget), env(10)).wakeAt).toBe(T0 + 1_801_001);
    const [warning] = decide(stateAfter(running, budget), env(2000)).commands;
    expect(warning?.do === "append" ? warning.events : []).toMatchObject([{ type: "budget-warning", fraction: 0.5 }]);
    const warned = stateAfter([...running, { type: "budget-warning", fraction: 0.5, spentUsd: 0.5, budgetUsd: 1 }], budget);
    expect(decide(warned, env(2000)).commands.filter((command) => command.do === "append")).toEqual([]);
    const over = stateAfter([...running, ended(1, "failed", 4000)], {
      ...budget,
      retries: { interruptions: null, failures: 5, capacityMs: 1 },
    });
    expect(kinds(over, 4001)).toEqual(["terminate", "look"]);
  });

  it("secrets that nobody has hold a run back, visibly", () => {
    const state = stateAfter([...BOUGHT, { type: "secrets-missing", names: ["TOKEN"] }]);
    expect(statusOf(state)).toBe("needs-secrets");
    expect(kinds(state, 5)).toEqual([]);
    expect(kinds(stateAfter([...BOUGHT, { type: "secrets-missing", names: ["TOKEN"] }, { type: "secrets-supplied" }]), 6)).toEqual([
      "plan-attempt",
    ]);
  });

  it("gives up on capacity when its budget of time is over, and says what was tried", () => {
    const refused: RunLogEvent[] = [
      ...BOUGHT.slice(0, 2),
      { type: "intent-unavailable", intentId: "i1", pools: [{ offerId: "cpu", scope: "zone", tried: true }] },
    ];
    expect(decide(stateAfter(refused), env(4)).wakeAt).toBe(T0 + 18_000);
    expect(kinds(stateAfter(refused), 19)).toEqual(["buy"]);
    const [command] = decide(stateAfter(refused), env(2000)).commands;
    expect(command?.do === "append" ? command.events[0] : undefined).toMatchObject({
      type: "run-ended",
      status: "failed",
      error: { code: "RUNCTL_NO_CAPACITY" },
    });
  });
});

describe("a machine that costs nothing when it is taken back early", () => {
  const free = { ...OFFER, market: "spot", freeIfReclaimedWithinSeconds: 3600 };
  const noticed = (until: number | null, offer = free): RunState =>
    stateAfter([
      { type: "lease-taken", session: "s1" },
      { type: "intent-recorded", intent: { ...intent(), offers: [offer] }, offer, allowanceUsd: null, settleMs: 0 },
      { type: "intent-created", intentId: "i1", machine: machine(), pricePerHour: { amount: 1, currency: "USD" } },
      planned(1),
      ...started(1, 6),
      { type: "notice-received", attempt: 1, action: "terminate", until: until === null ? null : at(until), source: "host" },
      ended(1, "interrupted", 110, "notice"),
    ]);

  it("P-19 is left to its provider until the announced end, and a replacement is bought meanwhile", () => {
    const state = noticed(220);
    expect(kinds(state, 115)).toEqual(["look", "buy"]);
    expect(decide(state, env(115)).wakeAt).toBe(T0 + 250_000);
    // It was not taken after all.
    expect(kinds(state, 250)).toEqual(["terminate", "look", "buy"]);
  });

  it("P-19 is ended at once where waiting saves nothing: after the hour, without a time, or at a provider that charges anyway", () => {
    for (const state of [noticed(3700), noticed(null), noticed(220, { ...OFFER, market: "spot" } as typeof free)])
      expect(kinds(state, 115)).toContain("terminate");
  });
});
