import { fromMicros, toMicros } from "../cost/money.ts";
import type { Money } from "../provider/money.ts";
import type { Offer } from "../provider/offer.ts";
import type { Capabilities } from "../provider/provider.ts";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";
import { wishPlace } from "./gpu-match.ts";
import { dropReason, isSpot } from "./offer-filters.ts";
import { STALE_AFTER_REFUSALS } from "./offers-from-all.ts";
import type { RankedOffer } from "./plan-types.ts";
import { DEFAULT_INTERRUPTIONS, type InterruptionModel, overheadWithCheckpoints, overheadWithoutCheckpoints } from "./spot-cost.ts";

/** What is known beyond the offers themselves. Everything may be missing. */
export interface RankHistory {
  /** Useful work in milliseconds, as earlier runs or limits say. Default: the spec's maxDuration. */
  workMs?: number | undefined;
  /** Ids of offers to leave alone for now. */
  coolDown?: readonly string[] | undefined;
  /** Refusals in a row, by offer id. */
  refusals?: Readonly<Record<string, number>> | undefined;
  /** What interruptions were like, by offer id. */
  interruptions?: Readonly<Record<string, Partial<InterruptionModel>>> | undefined;
  /** What providers can do, by name. Absent: not checked. */
  abilities?: Readonly<Record<string, { containers: Capabilities["containers"]; volumes: boolean; gang: boolean }>> | undefined;
}

/**
 * Orders offers: usable ones first; known prices before unknown; best liked accelerator first; the lowest cost of an hour of
 * useful work first, interruptions included. Dropped ones come last with their reason. Pure; the order never depends on the
 * order of the input.
 */
export function rankOffers(offers: readonly Offer[], spec: ResolvedSpec, history: RankHistory = {}): RankedOffer[] {
  const workMs = history.workMs ?? spec.maxDurationMs;
  return offers
    .map((offer) => {
      const ranked = price(offer, spec, history, workMs);
      const dropped = dropReason(offer, spec, history);
      const stale = (history.refusals?.[offer.id] ?? 0) >= STALE_AFTER_REFUSALS;
      const entry: RankedOffer = {
        ...ranked,
        ...(stale ? { stale } : {}),
        ...(dropped === undefined ? {} : { dropped, why: `Left out: ${dropped.why}.` }),
      };
      return { entry, key: sortKey(entry, spec) };
    })
    .sort((a, b) => compareKeys(a.key, b.key))
    .map(({ entry }) => entry);
}

/** Machine time per useful time on an offer; undefined where it depends on an unknown duration. */
export function overheadOf(offer: Offer, spec: ResolvedSpec, history: RankHistory, workMs: number | undefined): number | undefined {
  if (!isSpot(offer)) return 1;
  const model = { ...DEFAULT_INTERRUPTIONS, ...history.interruptions?.[offer.id] };
  if (spec.checkpoints !== false) return overheadWithCheckpoints(model);
  return workMs === undefined ? undefined : overheadWithoutCheckpoints(workMs, model);
}

function price(offer: Offer, spec: ResolvedSpec, history: RankHistory, workMs: number | undefined): RankedOffer {
  const { nodes } = spec.resources;
  const pricePerHour = offer.pricePerHour;
  if (pricePerHour === undefined) return { offer, why: "Its price is unknown, so it comes after those that say theirs." };
  const overhead = overheadOf(offer, spec, history, workMs);
  const useful = overhead === undefined || !Number.isFinite(overhead) ? undefined : times(pricePerHour, overhead * nodes);
  const expectedCost = useful === undefined || workMs === undefined ? undefined : times(useful, workMs / 3_600_000);
  const shown = `${pricePerHour.amount} ${pricePerHour.currency}/h${nodes > 1 ? ` × ${nodes}` : ""}`;
  return {
    offer,
    pricePerHour,
    ...(useful === undefined ? {} : { costPerUsefulHour: useful }),
    ...(expectedCost === undefined ? {} : { expectedCost }),
    why: explain(shown, overhead, useful),
  };
}

function explain(shown: string, overhead: number | undefined, useful: Money | undefined): string {
  if (overhead === undefined) return `${shown}; what interruptions add is unknown, since nothing is saved and the duration is unknown.`;
  if (overhead === 1) return `${shown}.`;
  if (useful === undefined) return `${shown}, but interruptions come faster than work gets done.`;
  return `${shown}, ${round(useful.amount)} for an hour of useful work, interruptions included.`;
}

type Key = Array<number | string>;

function sortKey(entry: RankedOffer, spec: ResolvedSpec): Key {
  const { offer, pricePerHour } = entry;
  const spotFirst = spec.market === "spot-then-on-demand" && !isSpot(offer) ? 1 : 0;
  return [
    entry.dropped === undefined ? 0 : 1,
    pricePerHour === undefined ? 1 : 0,
    entry.stale === true ? 1 : 0,
    spotFirst,
    wishPlace(offer, spec.resources.gpus) ?? spec.resources.gpus.length,
    // There are no exchange rates: currencies are kept apart, dollars first.
    pricePerHour === undefined || pricePerHour.currency === "USD" ? "" : pricePerHour.currency,
    entry.costPerUsefulHour?.amount ?? Number.POSITIVE_INFINITY,
    pricePerHour?.amount ?? 0,
    offer.provider,
    offer.id,
  ];
}

function compareKeys(a: Key, b: Key): number {
  for (const [index, left] of a.entries()) {
    const right = b[index];
    if (right !== undefined && left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

function times(money: Money, factor: number): Money {
  return fromMicros(toMicros(money.amount * factor), money.currency);
}

function round(amount: number): number {
  return Number(amount.toPrecision(3));
}
