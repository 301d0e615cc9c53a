import type { RunState } from "@runctl/core/seams";
import type { BrokenPromise } from "../audit/report.ts";
import type { World } from "../world/world.ts";
import type { FuzzProgram } from "./program.ts";

/** What a run's own log must be, whatever happened to it. An audit of machines and money comes beside it. */
export function brokenRun(run: RunState, program: FuzzProgram, world: Pick<World, "hosts">): BrokenPromise[] {
  const broken: BrokenPromise[] = [];
  const mustBe = (isSo: boolean, what: string): void => {
    if (!isSo) broken.push({ promise: "outcome", what: `Run ${run.runId}: ${what}` });
  };
  run.attempts.forEach((attempt, index) => {
    mustBe(attempt.number === index + 1, `attempt ${attempt.number} stands at place ${index + 1}`);
    mustBe(attempt.outcome !== undefined || index === run.attempts.length - 1, `attempt ${attempt.number} was left open`);
    const next = run.attempts[index + 1];
    // Two clocks tell these two moments: one of them may be off.
    if (attempt.endedAt !== undefined && attempt.startedAt !== undefined && !hasSkew(program))
      mustBe(attempt.endedAt >= attempt.startedAt, `attempt ${attempt.number} ended before it began`);
    if (next?.resumedFrom !== undefined)
      mustBe(next.resumedFrom.attempt < next.number, `attempt ${next.number} resumed from its own future`);
  });
  mustBe(run.ended !== undefined, "it never ended");
  if (run.ended !== undefined) wrongEnd(run, program, world, mustBe);
  const { failures, interruptions } = run.spec.retries;
  const count = (outcomes: string[]): number => run.attempts.filter(({ outcome }) => outcomes.includes(outcome ?? "")).length;
  mustBe(count(["failed"]) <= failures + 1, `it failed ${count(["failed"])} times, ${failures} retries were allowed`);
  if (interruptions !== null)
    mustBe(count(["interrupted", "lost"]) <= interruptions + 1, `it was lost ${count(["interrupted", "lost"])} times`);
  return broken;
}

/** A wall clock was off by up to hours: moments that its process told are off as much. */
export function hasSkew(program: FuzzProgram): boolean {
  return program.actions.some((action) => action.do === "clock-jump");
}

/** A status needs its cause. */
function wrongEnd(run: RunState, program: FuzzProgram, world: Pick<World, "hosts">, mustBe: (isSo: boolean, what: string) => void): void {
  const status = run.ended?.status;
  const { spec, requests, attempts } = run;
  const outcomes = attempts.map(({ outcome }) => outcome);
  const trained = world.hosts.trainings.filter((training) => training.runId === run.runId);
  const isWhole = trained.some((training) => training.stepsTo >= program.spec.steps);
  switch (status) {
    case "succeeded":
      mustBe(isWhole, "it succeeded, and no attempt did all steps");
      mustBe(outcomes.at(-1) === "succeeded", "it succeeded without an attempt that did");
      return;
    case "cancelled":
      mustBe(requests.cancel !== undefined, "it was cancelled by nobody");
      return;
    case "stopped":
      mustBe(requests.stop !== undefined, "it was stopped by nobody");
      return;
    case "out-of-budget":
      mustBe(spec.budget !== undefined, "it is out of a budget it never had");
      return;
    case "timed-out":
      mustBe(spec.deadline !== undefined || spec.maxDurationMs !== undefined, "it timed out without a limit");
      return;
    case "lost":
      mustBe(spec.retries.interruptions !== null, "it was given up as lost though interruptions are without limit");
      return;
    default:
      return;
  }
}
