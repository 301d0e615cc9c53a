import { ValidationError } from "@runctl/core/provider";
import { type Step, StepFunction } from "./step-function.ts";
import type { PriceChange, Trace } from "./trace.ts";

/** How a trace is laid over the cloud's time. */
export interface TraceUse {
  trace: Trace;
  /** Where in the trace the cloud's first moment lies, in seconds. Default 0. */
  offsetSeconds?: number | undefined;
  /** After its end the trace holds its last value, or begins again. Default "hold". */
  end?: "hold" | "repeat" | undefined;
}

/** Price per hour: constant; in steps (`at`: milliseconds after the cloud began); the trace's own `prices`; or changes by tick. */
export type PriceSchedule =
  | number
  | ReadonlyArray<{ at: number; price: number }>
  | TraceUse
  | { changes: readonly PriceChange[]; gapSeconds: number; offsetSeconds?: number | undefined };

/** Machines a pool can hold: constant, in steps, or a trace's data (times `available`, default no limit while the trace says 1). */
export type CapacitySchedule = number | ReadonlyArray<{ at: number; machines: number }> | (TraceUse & { available?: number | undefined });

/** The price as a function of the cloud's time, which begins at `start`. @throws ValidationError */
export function priceFunction(schedule: PriceSchedule, start: number): StepFunction {
  if (typeof schedule === "number") return StepFunction.constant(notNegative(schedule, "price"));
  if ("changes" in schedule) {
    const origin = start - (schedule.offsetSeconds ?? 0) * 1000;
    return new StepFunction(
      ordered(schedule.changes.map(({ tick, price }) => ({ at: origin + tick * schedule.gapSeconds * 1000, value: price }))),
    );
  }
  if ("trace" in schedule) {
    const { prices } = schedule.trace;
    if (prices === undefined) throw bad("The trace has no prices.", "Give the price apart from the capacity.");
    return overTrace(schedule, prices, start);
  }
  return new StepFunction(ordered(schedule.map(({ at, price }) => ({ at: start + at, value: notNegative(price, "price") }))));
}

/** The capacity as a function of the cloud's time, which begins at `start`. @throws ValidationError */
export function capacityFunction(schedule: CapacitySchedule, start: number): StepFunction {
  if (typeof schedule === "number") return StepFunction.constant(notNegative(schedule, "capacity"));
  if ("trace" in schedule) {
    const available = schedule.available ?? Number.POSITIVE_INFINITY;
    // 0 times no limit is no number.
    return overTrace(
      schedule,
      schedule.trace.data.map((count) => (count === 0 ? 0 : count * available)),
      start,
    );
  }
  return new StepFunction(ordered(schedule.map(({ at, machines }) => ({ at: start + at, value: notNegative(machines, "machines") }))));
}

function overTrace(use: TraceUse, values: readonly number[], start: number): StepFunction {
  const gapMs = use.trace.gapSeconds * 1000;
  const origin = start - (use.offsetSeconds ?? 0) * 1000;
  const steps = values.map((value, tick) => ({ at: origin + tick * gapMs, value }));
  return new StepFunction(steps, use.end === "repeat" ? { periodMs: values.length * gapMs } : {});
}

function ordered(steps: Step[]): Step[] {
  if (steps.length === 0) throw bad("A schedule has no steps.", "Give at least one.");
  if (steps.some((step, index) => index > 0 && step.at <= (steps[index - 1]?.at ?? 0)))
    throw bad("The steps of a schedule are not in order of time.", "Sort them by `at`.");
  return steps;
}

function notNegative(value: number, what: string): number {
  if (!(value >= 0)) throw bad(`${what} is ${value}.`, "Give 0 or more.");
  return value;
}

function bad(what: string, fix: string): ValidationError {
  return new ValidationError({ what, fix: [fix] });
}
