import { type Budget, type Duration, ValidationError } from "@runctl/core";
import { z } from "zod";
import type { PricedTrace } from "./spot-trace.ts";

/** Other decisions than those of the record. What is absent stays as it was. */
export interface ReplayPolicy {
  market?: "on-demand" | "spot" | "spot-then-on-demand" | undefined;
  /** How long spot is waited for before on-demand is taken. */
  fallbackAfter?: Duration | undefined;
  /** An offer of the record by its id, or any id: then `market` must say its price. */
  offer?: string | undefined;
  /** USD per hour, whatever the market says: "what if the machine had cost …". */
  pricePerHour?: number | undefined;
  /** Training time between the end of one save and the begin of the next. */
  checkpointEvery?: Duration | undefined;
  retries?: { interruptions?: number | undefined; failures?: number | undefined; capacity?: Duration | undefined } | undefined;
  /** null: without one. */
  budget?: Budget | null | undefined;
  /** null: without one. */
  deadline?: string | null | undefined;
  /** null: without one. */
  maxDuration?: Duration | null | undefined;
}

/** USD per hour: constant, or steps [when, price], times counted from the making of the run. */
export type PriceCurve = number | ReadonlyArray<readonly [at: Duration, usdPerHour: number]>;

/** A market to run in. What is absent is as recorded. */
export interface ReplayMarket {
  /** Price of spot machines. */
  spot?: PriceCurve | undefined;
  /** Price of on-demand machines. */
  onDemand?: PriceCurve | undefined;
  /** When spot machines are to be had and left alone: a trace file's path, or its data. Its prices count where `spot` is absent. */
  trace?: string | PricedTrace | undefined;
  /** Where in the trace the run begins. Default: its begin. */
  traceStart?: Duration | undefined;
  /** When all running spot machines are taken away, counted from the making of the run. Not with `trace`. */
  interruptions?: "none" | readonly Duration[] | undefined;
  /** Seconds between the notice and the end of a machine. Default: as recorded, else 120. 0: none. */
  noticeSeconds?: number | undefined;
}

/** What no log tells, for those who know. */
export interface ReplayJob {
  /** What one save takes from the training. Default: unknown; what is recorded has it in the training already. */
  save?: Duration | undefined;
  /** Useful training that the job needs in all. Needed for a record that did not succeed. */
  work?: Duration | undefined;
}

/** Under which other choices a recorded run is run again. */
export interface ReplayOptions {
  policy?: ReplayPolicy | undefined;
  /** Default: "as-recorded", the prices that were paid and the interruptions that came. */
  market?: "as-recorded" | ReplayMarket | undefined;
  job?: ReplayJob | undefined;
  /** Simulated time after which a replay that has not ended is given up. Default 90 days. */
  limit?: Duration | undefined;
}

const duration = z.union([z.number().nonnegative(), z.string()]);
const price = z.union([z.number().nonnegative(), z.array(z.tuple([duration, z.number().nonnegative()])).min(1)]);

const optionsSchema = z.strictObject({
  policy: z
    .strictObject({
      market: z.enum(["on-demand", "spot", "spot-then-on-demand"]),
      fallbackAfter: duration,
      offer: z.string().min(1),
      pricePerHour: z.number().nonnegative(),
      checkpointEvery: duration,
      retries: z
        .strictObject({ interruptions: z.number().int().nonnegative(), failures: z.number().int().nonnegative(), capacity: duration })
        .partial(),
      budget: z.looseObject({ maxCost: z.number().positive() }).nullable(),
      deadline: z.iso.datetime().nullable(),
      maxDuration: duration.nullable(),
    })
    .partial()
    .optional(),
  market: z
    .union([
      z.literal("as-recorded"),
      z
        .strictObject({
          spot: price,
          onDemand: price,
          trace: z.union([
            z.string(),
            z.looseObject({ gapSeconds: z.number().positive(), data: z.array(z.number().int().nonnegative()).min(1) }),
          ]),
          traceStart: duration,
          interruptions: z.union([z.literal("none"), z.array(duration)]),
          noticeSeconds: z.number().nonnegative(),
        })
        .partial(),
    ])
    .optional(),
  job: z.strictObject({ save: duration, work: duration }).partial().optional(),
  limit: duration.optional(),
});

/** @throws ValidationError naming the field. */
export function checkChoices(options: ReplayOptions): void {
  const parsed = optionsSchema.safeParse(options);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.join(".") ?? "";
    throw wrong(field === "" ? "The options of replay are wrong." : `${field} is wrong.`, issue?.message ?? "");
  }
  const { market, policy } = options;
  if (typeof market === "object" && market.trace !== undefined && market.interruptions !== undefined)
    throw wrong("market.trace and market.interruptions are both given.", "A trace says itself when machines are taken away.");
  if (policy?.fallbackAfter !== undefined && policy.market !== undefined && policy.market !== "spot-then-on-demand")
    throw wrong("policy.fallbackAfter is given, but nothing falls back.", `policy.market is "${policy.market}".`);
}

function wrong(what: string, why: string): ValidationError {
  return new ValidationError({ what, why, fix: ["See the docstrings of ReplayPolicy and ReplayMarket."] });
}
