import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Step, StepFunction } from "./step-function.ts";

const steps = fc
  .uniqueArray(fc.integer({ min: 0, max: 1_000 }), { minLength: 1, maxLength: 30 })
  .chain((times) =>
    fc
      .array(fc.integer({ min: 0, max: 3 }), { minLength: times.length, maxLength: times.length })
      .map((values) => times.sort((a, b) => a - b).map((at, index): Step => ({ at, value: values[index] ?? 0 }))),
  );

/** The slow and obvious way. */
function slow(list: Step[], time: number, periodMs: number | undefined): number {
  const first = list[0]?.at ?? 0;
  const at = periodMs === undefined || time < first ? time : first + ((time - first) % periodMs);
  return list.findLast((step) => step.at <= at)?.value ?? list[0]?.value ?? 0;
}

describe("StepFunction", () => {
  it("says what the slow way says, before, between, after and over periods", () => {
    fc.assert(
      fc.property(
        steps,
        fc.integer({ min: -100, max: 9_000 }),
        fc.option(fc.integer({ min: 1_001, max: 2_000 }), { nil: undefined }),
        (list, time, periodMs) => {
          expect(new StepFunction(list, { periodMs }).at(time)).toBe(slow(list, time, periodMs));
        },
      ),
    );
  });

  it("nextChange leaves out no change: between two of them the value holds", () => {
    fc.assert(
      fc.property(
        steps,
        fc.integer({ min: -100, max: 4_000 }),
        fc.option(fc.integer({ min: 1_001, max: 2_000 }), { nil: undefined }),
        (list, time, periodMs) => {
          const value = new StepFunction(list, { periodMs });
          const next = value.nextChange(time) ?? time + 3_000;
          expect(next).toBeGreaterThan(time);
          for (let t = time; t < Math.min(next, time + 3_000); t += 7) expect(value.at(t)).toBe(value.at(time));
        },
      ),
    );
  });

  it("segments cover a stretch without gap or overlap", () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: 0, max: 2_000 }), (list, from, length) => {
        const value = new StepFunction(list);
        let at = from;
        for (const segment of value.segments(from, from + length)) {
          expect(segment.from).toBe(at);
          expect(segment.value).toBe(value.at(segment.from));
          at = segment.to;
        }
        expect(at).toBe(length === 0 ? from : from + length);
      }),
    );
  });

  it("keeps only changes: a trace of equal ticks is one step", () => {
    const value = new StepFunction(Array.from({ length: 20_000 }, (_, tick) => ({ at: tick, value: 1 })));
    expect(value.nextChange(0)).toBeUndefined();
  });
});
