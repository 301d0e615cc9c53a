import type { Money } from "../provider/money.ts";
import type { Offer } from "../provider/offer.ts";
import type { Notice } from "../provider/plan.ts";
import { fromMicros, toMicros } from "./money.ts";

/** One offer beside the others. */
export interface ComparedOffer {
  offer: Offer;
  /** Absent: unknown. */
  pricePerHour?: Money | undefined;
  pricePerDay?: Money | undefined;
  /** Price for the hours asked about. */
  forHours?: Money | undefined;
  /** 1 for the cheapest of its currency, 2 for twice as dear; absent without a price or beside a free one. */
  timesCheapest?: number | undefined;
}

/** What several providers would charge. `partial`: some did not answer, `failures` says which. */
export interface OfferComparison {
  offers: ComparedOffer[];
  partial: boolean;
  failures: Notice[];
}

/** Cheapest first within a currency; currencies by name; unknown prices last, never as 0. */
export function compareOffers(offers: readonly Offer[], hours: number = 24): ComparedOffer[] {
  const cheapest = new Map<string, number>();
  for (const { pricePerHour: price } of offers) {
    if (price !== undefined) cheapest.set(price.currency, Math.min(cheapest.get(price.currency) ?? Number.POSITIVE_INFINITY, price.amount));
  }
  const rank = (offer: Offer): string => (offer.pricePerHour === undefined ? "~" : offer.pricePerHour.currency);
  return [...offers]
    .sort(
      (a, b) => compareText(rank(a), rank(b)) || (a.pricePerHour?.amount ?? 0) - (b.pricePerHour?.amount ?? 0) || compareText(a.id, b.id),
    )
    .map((offer) => {
      const price = offer.pricePerHour;
      if (price === undefined) return { offer };
      const least = cheapest.get(price.currency) ?? 0;
      return {
        offer,
        pricePerHour: price,
        pricePerDay: times(price, 24),
        forHours: times(price, hours),
        ...(least > 0 ? { timesCheapest: price.amount / least } : {}),
      };
    });
}

function times(price: Money, hours: number): Money {
  return fromMicros(toMicros(price.amount * hours), price.currency);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
