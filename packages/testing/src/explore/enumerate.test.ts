import { describe, expect, it } from "vitest";
import { crashPoints, type TracePoint, unseen } from "./enumerate.ts";

function point(at: number, op: string, before: string, after = before): TracePoint {
  return { at, port: "provider", op, hasEffect: before !== after, before, after };
}

const TRACE = [point(1, "find", "w0"), point(2, "create", "w0", "w1"), point(3, "find", "w1"), point(4, "terminate", "w1", "w2")];

describe("crash points", () => {
  it("are three for a call with an effect, one for a look", () => {
    const steps = crashPoints(TRACE).map(({ step }) => `${step.at} ${step.variant}`);
    expect(steps).toEqual(["1 never", "2 never", "2 applied", "2 late", "3 never", "4 never", "4 applied", "4 late"]);
  });

  it("that leave the same world are one case; a call still on its way is another world", () => {
    const seen = new Set<string>();
    const kept = unseen(crashPoints(TRACE), seen).map(({ step }) => `${step.at} ${step.variant}`);
    expect(kept).toEqual(["1 never", "2 applied", "2 late", "4 applied", "4 late"]);
    expect(unseen(crashPoints(TRACE), seen)).toEqual([]);
  });
});
