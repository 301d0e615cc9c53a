import { describe, expect, it } from "vitest";
import { type ExplorerCase, formatCaseId, parseCaseId } from "./case-id.ts";

const CASE: ExplorerCase = {
  scenario: "spot-twice",
  providerClass: "B",
  seed: 42,
  steps: [
    { do: "second-user" },
    { do: "faults", draw: 9 },
    { do: "keep-unsynced" },
    { do: "sleep", at: 3, seconds: 600 },
    { do: "join", at: 4 },
    { do: "kill", at: 37, variant: "late" },
    { do: "lose-state" },
    { do: "abandon" },
  ],
};

describe("case ids", () => {
  it("come back as they went", () => {
    expect(parseCaseId(formatCaseId(CASE))).toEqual(CASE);
    expect(formatCaseId(CASE)).toBe(
      "spot-twice.B.s42.second-user.faults-9.keep-unsynced.sleep-3-600.join-4.kill-37-late.lose-state.abandon",
    );
    expect(parseCaseId("on-demand.A.s1")).toEqual({ scenario: "on-demand", providerClass: "A", seed: 1, steps: [] });
  });

  it.each([
    "",
    "on-demand",
    "on-demand.D.s1",
    "on-demand.A.s",
    "on-demand.A.s1.",
    "on-demand.A.s1.kill-0-never",
    "on-demand.A.s1.kill-1-soon",
  ])("%j is none, and the error quotes it", (text) => {
    expect(() => parseCaseId(text)).toThrow(expect.objectContaining({ kind: "validation", what: expect.stringContaining(text) }));
  });
});
