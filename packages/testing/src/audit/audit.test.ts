import type { RunState } from "@runctl/core/seams";
import { describe, expect, it } from "vitest";
import { audit } from "./audit.ts";
import type { AuditFacts, MachineFacts } from "./facts.ts";

const HOUR = 3_600_000;
const T0 = Date.parse("2026-01-01T00:00:00Z");

function run(change: Partial<RunState> = {}): RunState {
  const spec = { checkpoints: { resume: "auto" }, onEnd: undefined } as unknown as RunState["spec"];
  return { runId: "r", spec, intents: {}, machines: {}, attempts: [], ...change } as unknown as RunState;
}

function machine(id: string, change: Partial<MachineFacts> = {}): MachineFacts {
  return { id, stateId: "s", runId: "r", isFindable: true, createdAt: T0, billedUsd: 0, fingerprint: "", ...change };
}

function facts(change: Partial<AuditFacts>): AuditFacts {
  return {
    now: T0 + 10 * HOUR,
    stateId: "s",
    runs: [],
    machines: [],
    volumes: [],
    trainings: [],
    checkpoints: [],
    ledger: [],
    touches: [],
    foreignBefore: new Map(),
    ...change,
  };
}

const inLog = (id: string, change: Partial<RunState> = {}) => ({
  state: run({ machines: { [id]: { owned: true } } as unknown as RunState["machines"], ...change }),
  pruned: [],
});

describe("audit", () => {
  it("a machine that no log knows is leaked from its creation on, after the guard time", () => {
    const alive = audit(facts({ machines: [machine("m")] }), { guardMs: HOUR });
    expect(alive).toMatchObject({ leakedSeconds: 9 * 3600, ownerless: ["m"], machineSeconds: 36_000 });
    const guarded = audit(facts({ machines: [machine("m", { endedAt: T0 + HOUR })] }), { guardMs: HOUR });
    expect(guarded).toMatchObject({ leakedSeconds: 0, ownerless: [] });
  });

  it("a machine of an open run has an owner; after its run's end it has none", () => {
    expect(audit(facts({ machines: [machine("m")], runs: [inLog("m")] })).leakedSeconds).toBe(0);
    const over = inLog("m", { ended: { status: "succeeded", at: new Date(T0 + HOUR).toISOString() } });
    expect(audit(facts({ machines: [machine("m")], runs: [over] }), { guardMs: HOUR }).leakedSeconds).toBe(8 * 3600);
  });

  it("kept machines and machines of others are nobody's leak", () => {
    const keeps = inLog("m", { ended: { status: "succeeded", at: new Date(T0).toISOString() } });
    keeps.state.spec = { ...keeps.state.spec, onEnd: "keep" };
    const report = audit(
      facts({ machines: [machine("m"), machine("x", { stateId: "other" }), machine("y", { stateId: undefined })], runs: [keeps] }),
    );
    expect(report).toMatchObject({ leakedSeconds: 0, ownerless: [] });
  });

  it("a machine that carries nothing of ours and is in no log can be found by nobody: counted apart", () => {
    const bare = machine("m", { isFindable: false });
    expect(audit(facts({ machines: [bare] }))).toMatchObject({ unfindable: 1, ownerless: [], leakedSeconds: 0, machineSeconds: 36_000 });
    expect(audit(facts({ machines: [bare], runs: [inLog("m")] }))).toMatchObject({ unfindable: 0 });
  });

  it("trained twice, and two attempts at once", () => {
    const training = (attempt: number, machineId: string, from: number, to: number) => ({
      runId: "r",
      attempt,
      machineId,
      from,
      to,
      fromStep: 0,
    });
    const report = audit(facts({ trainings: [training(1, "a", 0, 1000), training(1, "b", 0, 1000), training(2, "c", 500, 2000)] }));
    expect(report).toMatchObject({ trainedTwice: 1, overlapSeconds: 1 });
  });

  it("the second machine of an intent is a duplicate, for as long as it lives", () => {
    const twins = [machine("a", { intentId: "i" }), machine("b", { intentId: "i", createdAt: T0 + HOUR, endedAt: T0 + 2 * HOUR })];
    expect(audit(facts({ machines: twins }))).toMatchObject({ duplicates: 1, duplicateSeconds: 3600 });
  });

  it("a checkpoint that is gone is lost, unless retention removed it; a newer one that was passed over is work thrown away", () => {
    const checkpoint = (seq: number, isWhole: boolean) => ({
      runId: "r",
      manifestKey: `k${seq}`,
      attempt: 1,
      seq,
      step: seq * 10,
      publishedAt: T0,
      isWhole,
    });
    const training = { runId: "r", attempt: 2, machineId: "b", from: T0 + 1, fromStep: 10 };
    const report = audit(
      facts({
        checkpoints: [checkpoint(1, false), checkpoint(2, false), checkpoint(3, true)],
        trainings: [training],
        runs: [{ state: run(), pruned: ["k1"] }],
      }),
    );
    expect(report).toMatchObject({ checkpointsLost: ["k2"], stepsThrownAway: 20 });
  });

  it("foreign things: changed, gone, or asked for", () => {
    const foreign = machine("x", { stateId: "other", fingerprint: "running" });
    const before = new Map([
      ["x", "running"],
      ["y", "running"],
    ]);
    const report = audit(facts({ machines: [foreign], foreignBefore: before, touches: [{ op: "terminate", target: "x", at: 0 }] }));
    expect(report.foreignTouched).toEqual(["terminate x", "changed y"]);
  });

  describe("money", () => {
    const record = (id: string, hours: number, evidence: "observed" | "inferred" = "observed") => ({
      id,
      segments: [
        {
          from: new Date(T0).toISOString(),
          to: new Date(T0 + hours * HOUR).toISOString(),
          what: "compute",
          pricePerHour: { amount: 1, currency: "USD" },
          evidence,
        },
      ],
    });
    const money = (billedUsd: number, ...ledger: unknown[]) =>
      audit(facts({ machines: [machine("m", { billedUsd })], ledger: ledger as AuditFacts["ledger"] })).money;

    it("agrees within the tolerance", () => {
      expect(money(2, record("m", 2))).toMatchObject({ wrong: [], unledgered: [], invoiceUsd: 2, ledgerUsd: 2, worstObservedShare: 0 });
      expect(money(2.1, record("m", 2)).wrong).toHaveLength(1);
    });

    it("what was not observed must say so; what is in no ledger is found", () => {
      expect(money(2.1, record("m", 2, "inferred"))).toMatchObject({ wrong: [], incomplete: ["m"] });
      expect(money(2)).toMatchObject({ unledgered: ["m"] });
      expect(money(0)).toMatchObject({ unledgered: [] });
    });
  });
});
