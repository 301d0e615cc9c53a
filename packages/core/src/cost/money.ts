import type { Money } from "../provider/money.ts";

/** The currency of every sum unless something else is asked for. */
export const DEFAULT_CURRENCY = "USD";

/** Integer millionths of the currency's unit. Sums below nine thousand million units are exact. */
export function toMicros(amount: number): number {
  return Math.round(amount * 1_000_000);
}

/** Back from integer millionths. */
export function fromMicros(micros: number, currency: string = DEFAULT_CURRENCY): Money {
  // `+ 0` turns -0 into 0, which JSON and equality would otherwise show.
  return { amount: micros / 1_000_000 + 0, currency };
}

/** Sums per currency, in the order of the currencies' names. */
export function sumByCurrency(amounts: Iterable<Money>): Money[] {
  const sums = new Map<string, number>();
  for (const money of amounts) sums.set(money.currency, (sums.get(money.currency) ?? 0) + toMicros(money.amount));
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([currency, micros]) => fromMicros(micros, currency));
}
