import { describe, expect, it } from "vitest";
import { fuzz, replayFuzz } from "../src/fuzz/fuzz.ts";
import { type FuzzProgram, printProgram } from "../src/fuzz/program.ts";

const SEED = Number(process.env.RUNCTL_FUZZ_SEED ?? 20);
const SECONDS = Number(process.env.RUNCTL_FUZZ_SECONDS ?? 40);
/** As many in CI as a slow machine gets through in the time: the same programs everywhere. */
const RUNS = process.env.RUNCTL_FUZZ_SECONDS === undefined ? 80 : 10_000;

const PLAIN: FuzzProgram = {
  seed: 1,
  market: { providerClass: "A", lagSeconds: 0, onDemandPrice: 1, spotPrices: [[0, 0.5]], spotCapacity: [[0, 3]], noticeSeconds: 120 },
  spec: {
    market: "on-demand",
    checkpoints: true,
    steps: 20,
    stepSeconds: 6,
    saveEverySteps: 5,
    saveSeconds: 2,
    uploadSeconds: 3,
    setupSeconds: 10,
    failAtStep: null,
    onSignal: "save",
    failures: 0,
    interruptions: null,
    budgetUsd: null,
    deadlineMinutes: null,
    maxDurationMinutes: null,
    onEnd: "terminate",
  },
  abortAtCall: null,
  killAtCall: null,
  actions: [],
};

describe("random programs over whole runs", () => {
  it("a plain one succeeds, and its printed text is the same program", async () => {
    const outcome = await replayFuzz(printProgram(PLAIN));
    expect(outcome).toMatchObject({ broken: [], statuses: ["succeeded"], attempts: 1 });
    expect(await replayFuzz(printProgram(PLAIN))).toEqual(outcome);
  });

  it("P-08: a death at a call, an abort at a call, a cancel: each converges, and says what it came to", async () => {
    const killed = await replayFuzz(printProgram({ ...PLAIN, killAtCall: { at: 12, variant: "applied" } }));
    expect(killed).toMatchObject({ broken: [], statuses: ["succeeded"] });
    const aborted = await replayFuzz(printProgram({ ...PLAIN, abortAtCall: 15 }));
    expect(aborted).toMatchObject({ broken: [], statuses: ["cancelled"] });
    const cancelled = await replayFuzz(printProgram({ ...PLAIN, actions: [{ do: "cancel", afterSeconds: 20 }] }));
    expect(cancelled).toMatchObject({ broken: [], statuses: ["cancelled"] });
  });

  it("P-06: a delete that lies three times is asked for again", async () => {
    const actions: FuzzProgram["actions"] = [{ do: "fault", op: "terminate", kind: "lie", times: 3, afterSeconds: 1 }];
    expect(await replayFuzz(printProgram({ ...PLAIN, actions }))).toMatchObject({ broken: [], statuses: ["succeeded"] });
  });

  it(`keep every promise (seed ${SEED})`, { timeout: (SECONDS + 120) * 1000 }, async () => {
    const report = await fuzz({ seed: SEED, runs: RUNS, maxSeconds: SECONDS });
    expect(report.failure?.message).toBeUndefined();
    expect(report.runs).toBeGreaterThan(3);
  });
});
