import { describe, expect, it } from "vitest";
import type { AuditReport } from "../audit/report.ts";
import { type ExplorerCase, formatCaseId } from "./case-id.ts";
import type { CaseResult, RunCase } from "./case-result.ts";
import type { TracePoint } from "./enumerate.ts";
import { formatReport } from "./exploration-report.ts";
import { explore } from "./explore.ts";
import type { Scenario } from "./scenario.ts";

const SCENARIO: Scenario = { name: "tale", title: "a tale", cloud: {}, job: {}, async program() {}, ends: {} };
const CLEAN: AuditReport = {
  leakedSeconds: 0,
  ownerless: [],
  trainedTwice: 0,
  overlapSeconds: 0,
  duplicates: 0,
  unfindable: 0,
  duplicateSeconds: 0,
  duplicateVolumes: 0,
  checkpointsLost: [],
  stepsThrownAway: 0,
  foreignTouched: [],
  money: { invoiceUsd: 1, ledgerUsd: 1, worstObservedShare: 0, wrong: [], unledgered: [], incomplete: [] },
  machines: 1,
  machineSeconds: 100,
};

const point = (at: number, before: string, after = before): TracePoint => ({
  at,
  port: "state",
  op: "append",
  hasEffect: before !== after,
  before,
  after,
});

/** A program of three calls, and a recovery of two: one look and one deed. */
function fakeRunner(broken: (what: ExplorerCase) => CaseResult["broken"] = () => []) {
  const ids: string[] = [];
  const run: RunCase = async (what) => {
    ids.push(formatCaseId(what));
    const world = what.steps.map((step) => JSON.stringify(step)).join();
    return {
      id: formatCaseId(what),
      broken: broken(what),
      audit: CLEAN,
      convergeMs: 1000,
      calls: [],
      traces: [
        [point(1, "w0"), point(2, "w0", "w1"), point(3, "w1", "w2")],
        [point(1, `after ${world}`), point(2, `after ${world}`, "the end")],
      ],
    };
  };
  return { ids, run };
}

const NOTHING_ELSE = {
  "level-2": 0,
  abandoned: 0,
  asleep: 0,
  "two-controllers": 0,
  "lost-state": 0,
  "unsynced-kept": 0,
  "second-user": 0,
  "fault-pairs": 0,
};

describe("explore", () => {
  it("dies once in every world that the program can leave behind, and says that every boundary is covered", async () => {
    const { ids, run } = fakeRunner();
    const report = await explore(SCENARIO, run, { atMost: NOTHING_ELSE });
    expect(ids).toEqual([
      "tale.A.s1",
      "tale.A.s1.kill-1-never",
      "tale.A.s1.kill-2-applied",
      "tale.A.s1.kill-2-late",
      "tale.A.s1.kill-3-applied",
      "tale.A.s1.kill-3-late",
    ]);
    expect(report).toMatchObject({ boundaries: 3, boundariesCovered: 3, cases: { "level-1": { run: 5, of: 5 } }, broken: [] });
  });

  it("a sample covers less and says so; the same seed draws the same cases", async () => {
    const one = fakeRunner();
    const two = fakeRunner();
    const limits = { atMost: { ...NOTHING_ELSE, "level-1": 2 } };
    const report = await explore(SCENARIO, one.run, limits);
    await explore(SCENARIO, two.run, limits);
    expect(report.boundariesCovered).toBeLessThan(3);
    expect(one.ids).toEqual(two.ids);
    expect(formatReport(report)).toContain("level-1 2 of 5");
  });

  it("kills the recovery, too, in every world that was not met yet", async () => {
    const { ids, run } = fakeRunner();
    const report = await explore(SCENARIO, run, { atMost: { ...NOTHING_ELSE, "level-2": 1000 } });
    // Five recoveries: each may die before its one deed, in the middle of it, or after it; "the end" is met once.
    expect(report.cases["level-2"]).toEqual({ run: 5 * 2 + 1, of: 5 * 2 + 1 });
    expect(ids).toContain("tale.A.s1.kill-2-late.kill-2-late");
  });

  it("full: every variant of every call, whatever world it leaves", async () => {
    const { run } = fakeRunner();
    const report = await explore(SCENARIO, run, { full: true });
    expect(report.cases["level-1"]).toEqual({ run: 7, of: 7 });
    expect(report.cases.asleep).toEqual({ run: 9, of: 9 });
    expect(report.cases["fault-pairs"].run).toBe(200);
  });

  it("a broken promise stands in the report with the id that replays it", async () => {
    const { run } = fakeRunner(({ steps }) =>
      steps.some((step) => step.do === "kill" && step.variant === "late") ? [{ promise: "leak", what: "m-1 lives" }] : [],
    );
    const report = await explore(SCENARIO, run, { atMost: NOTHING_ELSE });
    expect(report.broken.map(({ id }) => id)).toEqual(["tale.A.s1.kill-2-late", "tale.A.s1.kill-3-late"]);
    expect(formatReport(report)).toContain("BROKEN leak: m-1 lives\n    replay: tale.A.s1.kill-2-late");
  });
});
