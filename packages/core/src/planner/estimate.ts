import { fromMicros, toMicros } from "../cost/money.ts";
import type { Money } from "../provider/money.ts";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";
import { formatDuration } from "../spec/units.ts";
import { isSpot } from "./offer-filters.ts";
import type { Range, RankedOffer, RunPlan } from "./plan-types.ts";
import { overheadOf, type RankHistory } from "./rank-offers.ts";
import { DEFAULT_INTERRUPTIONS } from "./spot-cost.ts";

/** What is known of how long the useful work takes. */
export interface WorkEstimate {
  expectedMs?: number | undefined;
  /** A limit that ends the run. */
  atMostMs?: number | undefined;
  assumptions: string[];
}

/** The work's length from earlier runs and from limits. What nobody knows stays unknown. */
export function estimateWork(spec: ResolvedSpec, now: number, earlierMs: number | undefined): WorkEstimate {
  const assumptions: string[] = [];
  const limits: number[] = [];
  if (spec.maxDurationMs !== undefined) {
    limits.push(spec.maxDurationMs);
    assumptions.push(`The training takes ${formatDuration(spec.maxDurationMs)} at most (maxDuration).`);
  }
  if (spec.deadline !== undefined) {
    const left = Math.max(0, Date.parse(spec.deadline) - now);
    limits.push(left);
    assumptions.push(`It is over by ${spec.deadline} (deadline).`);
  }
  if (earlierMs !== undefined)
    assumptions.push(`It takes as long as earlier runs of it did: about ${formatDuration(Math.round(earlierMs / 1000) * 1000)}.`);
  if (limits.length === 0 && earlierMs === undefined)
    assumptions.push("How long it takes is unknown: set maxDuration for an upper bound of the cost.");
  const atMostMs = limits.length === 0 ? undefined : Math.min(...limits);
  const expectedMs = earlierMs === undefined ? undefined : Math.min(earlierMs, atMostMs ?? earlierMs);
  return { ...(expectedMs === undefined ? {} : { expectedMs }), ...(atMostMs === undefined ? {} : { atMostMs }), assumptions };
}

/** Duration and cost of a run on the chosen offer. A free machine costs 0 however long it takes; an unknown price stays unknown. */
export function estimateCost(
  spec: ResolvedSpec,
  chosen: RankedOffer | undefined,
  work: WorkEstimate,
  history: RankHistory,
): RunPlan["estimate"] {
  const assumptions = [...work.assumptions];
  const price = chosen?.pricePerHour;
  const stretch = chosen === undefined ? 1 : overheadOf(chosen.offer, spec, history, work.expectedMs ?? work.atMostMs);
  const duration: Range<number> = {};
  if (work.expectedMs !== undefined && stretch !== undefined && Number.isFinite(stretch))
    duration.expected = Math.round(work.expectedMs * stretch);
  // A limit holds for all attempts together, so interruptions do not add to it.
  if (work.atMostMs !== undefined) duration.high = work.atMostMs;
  if (duration.expected !== undefined && duration.high !== undefined) duration.expected = Math.min(duration.expected, duration.high);
  if (chosen !== undefined && isSpot(chosen.offer)) {
    const { meanBetweenMs, restartMs } = { ...DEFAULT_INTERRUPTIONS, ...history.interruptions?.[chosen.offer.id] };
    assumptions.push(
      `An interruption every ${formatDuration(meanBetweenMs)}, and ${formatDuration(restartMs)} until a replacement trains.`,
    );
  }
  if (chosen !== undefined && price === undefined) assumptions.push(`The price of ${chosen.offer.type} is unknown, and so is the cost.`);
  const cost = price === undefined ? {} : costRange(spec, price, duration, assumptions);
  const known = duration.expected !== undefined || duration.high !== undefined;
  return { cost, ...(known ? { duration } : {}), assumptions };
}

function costRange(spec: ResolvedSpec, price: Money, duration: Range<number>, assumptions: string[]): Range<Money> {
  const { nodes } = spec.resources;
  const of = (ms: number): Money => fromMicros(toMicros((price.amount * nodes * ms) / 3_600_000), price.currency);
  if (price.amount === 0) return { low: of(0), expected: of(0), high: of(0) };
  const range: Range<Money> = {};
  if (duration.expected !== undefined) range.expected = of(duration.expected);
  if (duration.high !== undefined) range.high = of(duration.high);
  if (spec.budget?.onExceeded === "stop" && (range.high === undefined || range.high.amount > spec.budget.maxCost)) {
    range.high = { amount: spec.budget.maxCost, currency: price.currency };
    assumptions.push(`The run is stopped at its budget of ${spec.budget.maxCost} ${price.currency}, checkpoint first.`);
  }
  if (range.expected !== undefined && range.high !== undefined && range.expected.amount > range.high.amount) range.expected = range.high;
  assumptions.push("Storage and transfer are not in it.");
  return range;
}
