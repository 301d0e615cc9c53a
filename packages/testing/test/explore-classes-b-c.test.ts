import { describe, expect, it } from "vitest";
import { scenarioNamed } from "../src/explore/all-scenarios.ts";
import { formatReport } from "../src/explore/exploration-report.ts";
import { explore } from "../src/explore/explore.ts";
import { caseRunner } from "../src/explore/run-case.ts";

/** Class C: machines without a trace of ours in one case, at most: one for each create call whose answer is lost (three are drawn) or that a death cuts off. */
const MOST_UNFINDABLE = 4;

/** Machines too many in one case, at most: a call that takes effect after its successor has looked for it and bought another. */
const MOST_DUPLICATES = 1;

const FEW = {
  "level-1": 20,
  "level-2": 4,
  abandoned: 1,
  asleep: 2,
  "two-controllers": 2,
  "lost-state": 2,
  "unsynced-kept": 1,
  "second-user": 1,
  "fault-pairs": 4,
};

describe("death at drawn boundaries, without a token", () => {
  it.each([
    ["B", "on-demand"],
    ["B", "spot-twice"],
    ["B", "stop-and-cancel"],
    ["C", "on-demand"],
    ["C", "stop-and-cancel"],
  ] as const)(
    "P-01: class %s, %s: duplicates are few, found and ended; nothing else is broken",
    { timeout: 600_000 },
    async (providerClass, name) => {
      const report = await explore(scenarioNamed(name), caseRunner(), { providerClass, atMost: FEW });
      const story = formatReport(report);
      expect(report.broken, story).toEqual([]);
      expect(report.duplicates.most, story).toBeLessThanOrEqual(MOST_DUPLICATES);
      expect(report.unfindable.most, story).toBeLessThanOrEqual(providerClass === "C" ? MOST_UNFINDABLE : 0);
      const { duplicates, unfindable } = report;
      console.info(
        `class ${providerClass}, ${name}: at most ${duplicates.most} machines too many, for at most ${Math.round(duplicates.seconds)} s; at most ${unfindable.most} without a trace of ours`,
      );
    },
  );
});
