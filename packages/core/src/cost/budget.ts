import { fromMicros, toMicros } from "./money.ts";

/**
 * What is left of a budget: budget − spent − escrow, never below 0. Escrow is the sum of the allowances of machines that run,
 * beyond what they have already spent. One currency, exact to the micro-unit.
 */
export function remaining(budget: number, spent: number, escrow: number | readonly number[] = 0): number {
  const held = (typeof escrow === "number" ? [escrow] : escrow).reduce((sum, amount) => sum + toMicros(amount), 0);
  return fromMicros(Math.max(0, toMicros(budget) - toMicros(spent) - held)).amount;
}

/**
 * How many whole seconds money lasts at the highest price the machine can reach. Rounded down, so that the budget is never
 * passed. A price of 0 lasts for ever (Infinity; store it as absent). An unknown price buys nothing: undefined, a refusal.
 */
export function allowanceSeconds(remainingUsd: number, maxPricePerHour: number | undefined): number | undefined {
  if (maxPricePerHour === undefined || !Number.isFinite(maxPricePerHour) || maxPricePerHour < 0 || Number.isNaN(remainingUsd))
    return undefined;
  if (maxPricePerHour === 0) return Number.POSITIVE_INFINITY;
  if (remainingUsd <= 0) return 0;
  // Rounded down in exact numbers: a float's last bit must not buy a second too much.
  return Number((BigInt(toMicros(remainingUsd)) * 3_600_000n) / nanosPerHour(maxPricePerHour));
}

/** Money that `seconds` may cost at a price per hour, rounded up to the micro-unit: the escrow of an allowance. */
export function escrowOf(seconds: number, maxPricePerHour: number): number {
  if (maxPricePerHour === 0) return 0;
  if (!Number.isFinite(seconds)) return Number.POSITIVE_INFINITY;
  const work = BigInt(Math.ceil(Math.max(0, seconds))) * nanosPerHour(maxPricePerHour);
  return fromMicros(Number((work + 3_599_999n) / 3_600_000n)).amount;
}

/** An upper bound of the price in thousand-millionths: what is left of a tenth decimal counts as a whole one. */
function nanosPerHour(price: number): bigint {
  return BigInt(Math.max(1, Math.ceil(price * 1e9 - 1e-3)));
}

/** The fractions of a budget that spending has reached and that were not warned about yet, ascending. Pure: the caller remembers. */
export function crossedFractions(spent: number, budget: number, warnAt: readonly number[], warned: ReadonlySet<number>): number[] {
  return [...new Set(warnAt)]
    .filter((fraction) => !warned.has(fraction) && toMicros(spent) >= Math.round(toMicros(budget) * fraction))
    .sort((a, b) => a - b);
}
