import type { Clock, Intent, Machine } from "@runctl/core/provider";
import { CannotSay } from "./case.ts";

/** What a machine is reserved for at its purchase; most cases end it sooner. */
const RESERVE_MS = 15 * 60_000;
/** The least that clouds bill for a start. */
const LEAST_MS = 60_000;

interface Purchase {
  intentId: string;
  /** For all nodes. */
  perHour: number;
  from: number;
  until?: number;
}

/** Keeps a live run below its cap: counts before each purchase, for the worst. */
export class Spending {
  readonly #cap: number | undefined;
  readonly #clock: Clock;
  readonly #purchases: Purchase[] = [];

  /** Without a cap nothing is refused and nothing counted. */
  constructor(cap: number | undefined, clock: Clock) {
    this.#cap = cap;
    this.#clock = clock;
  }

  /** @throws CannotSay when the purchase has no price or could pass the cap. */
  reserve(intent: Intent): void {
    if (this.#cap === undefined) return;
    const prices = intent.offers.map((offer) => offer.maxPricePerHour ?? offer.pricePerHour);
    if (prices.some((price) => price === undefined))
      throw new CannotSay("skipped", `the offer ${intent.offers[0].id} has no price, so a live run does not buy it`);
    const perHour = Math.max(...prices.map((price) => price?.amount ?? 0)) * intent.nodes;
    if (this.total() + (perHour * RESERVE_MS) / 3_600_000 > this.#cap)
      throw new CannotSay("skipped", `spend cap: ${this.total().toFixed(4)} of ${this.#cap} used or reserved`);
    this.#purchases.push({ intentId: intent.id, perHour, from: this.#clock.now() });
  }

  /** The purchase is over: what it really took is counted from now on. */
  ended(intentId: string): void {
    for (const purchase of this.#purchases)
      if (purchase.intentId === intentId && purchase.until === undefined) purchase.until = this.#clock.now();
  }

  /** Used and reserved until now, in the offers' currency. Prices are the offers' own. */
  total(): number {
    return this.#purchases.reduce((sum, { perHour, from, until }) => {
      const ms = until === undefined ? Math.max(RESERVE_MS, this.#clock.now() - from) : Math.max(LEAST_MS, until - from);
      return sum + (perHour * ms) / 3_600_000;
    }, 0);
  }
}

/** Text of what an hour of a machine costs, for messages. */
export function priceText(machine: Machine): string {
  return machine.pricePerHour === undefined ? "price unknown" : `${machine.pricePerHour.amount} ${machine.pricePerHour.currency}/h`;
}
