import type { Money } from "../provider/money.ts";

/**
 * What something costs, as far as it is known. `total` is absent unless `complete`: an unknown price is never counted as 0.
 * Amounts in a second currency are in `others`, never in `known`, and make the cost incomplete (no exchange rate is known).
 */
export interface Cost {
  total?: Money | undefined;
  known: Money;
  complete: boolean;
  /** What is not in `known`, for people: "compute from … to …: price unknown". */
  missing: string[];
  /** Known amounts in other currencies. */
  others?: Money[] | undefined;
}

/** A cost and its three parts; the parts add up to `known` exactly. */
export interface CostBreakdown extends Cost {
  compute: Money;
  storage: Money;
  transfer: Money;
}

/** The window and the moment of a cost question. Milliseconds since the epoch or ISO text. */
export interface CostWindow {
  /** What still runs is counted up to here. */
  now: number | string;
  /** Inclusive; default: the beginning. */
  from?: number | string | undefined;
  /** Exclusive; default and at most: now. */
  to?: number | string | undefined;
  /** Currency of `known`. Default: USD where something is priced in it or nothing is priced, else the first by name. */
  currency?: string | undefined;
}
