import type { Money } from "../provider/money.ts";
import type { Cost, CostBreakdown, CostWindow } from "./cost.ts";
import { DEFAULT_CURRENCY, fromMicros, sumByCurrency } from "./money.ts";
import type { PriceSegment } from "./resource-record.ts";
import { effectiveSegments, iso, timeOf } from "./segments.ts";

/** Segments of one thing with the name it has in `missing`. */
export interface LabelledSegments {
  label?: string | undefined;
  segments: readonly PriceSegment[];
}

/**
 * Cost of segments within a window. Exact: the amounts of adjoining windows add up to the amount of the whole, to the
 * micro-unit, because each is a difference of two values of the segment's own running total. Never negative, never throws.
 */
export function costOf(segments: readonly PriceSegment[], window: CostWindow): Cost {
  const { known, total, complete, missing, others } = costOfAll([{ segments }], window);
  return { ...(total === undefined ? {} : { total }), known, complete, missing, ...(others === undefined ? {} : { others }) };
}

/** Cost of several things with its parts: compute, storage, transfer. */
export function costOfAll(things: Iterable<LabelledSegments>, window: CostWindow): CostBreakdown {
  const now = timeOf(window.now);
  const from = window.from === undefined ? Number.NEGATIVE_INFINITY : timeOf(window.from);
  const to = Math.min(now, window.to === undefined ? now : timeOf(window.to));
  const parts = new Map<string, { compute: number; storage: number; transfer: number }>();
  const missing: string[] = [];
  for (const { label, segments } of things) {
    for (const segment of effectiveSegments(segments, now)) {
      const span = clip(segment, from, to);
      if (span === "unreadable") missing.push(`${name(label, segment)}: a time cannot be read`);
      else if (span !== undefined) {
        const price = segment.pricePerHour;
        if (price === undefined || !Number.isFinite(price.amount) || price.amount < 0) {
          missing.push(`${name(label, segment)} from ${iso(span.start)} to ${iso(span.end)}: price unknown`);
          continue;
        }
        const micros = amountBetween(price, timeOf(segment.from), span.start, span.end);
        const part = parts.get(price.currency) ?? { compute: 0, storage: 0, transfer: 0 };
        part[segment.what] += micros;
        parts.set(price.currency, part);
      }
    }
  }
  return assemble(parts, missing, window.currency);
}

/** Adds costs; windows and currencies follow the rules of `costOfAll`. An empty list is a complete 0. */
export function addCosts(costs: Iterable<CostBreakdown>, currency?: string | undefined): CostBreakdown {
  const parts = new Map<string, { compute: number; storage: number; transfer: number }>();
  const missing: string[] = [];
  const others: Money[] = [];
  for (const cost of costs) {
    const part = parts.get(cost.known.currency) ?? { compute: 0, storage: 0, transfer: 0 };
    part.compute += Math.round(cost.compute.amount * 1e6);
    part.storage += Math.round(cost.storage.amount * 1e6);
    part.transfer += Math.round(cost.transfer.amount * 1e6);
    parts.set(cost.known.currency, part);
    others.push(...(cost.others ?? []));
    // A remark about another currency is made anew below, for the sum.
    missing.push(...cost.missing.filter((text) => !text.endsWith(NOT_CONVERTED)));
  }
  for (const money of others) {
    const part = parts.get(money.currency) ?? { compute: 0, storage: 0, transfer: 0 };
    part.compute += Math.round(money.amount * 1e6);
    parts.set(money.currency, part);
  }
  return assemble(parts, missing, currency);
}

const NOT_CONVERTED = "not converted";

function assemble(
  parts: Map<string, { compute: number; storage: number; transfer: number }>,
  missing: string[],
  wanted: string | undefined,
): CostBreakdown {
  // A declared 0 has no currency worth keeping apart.
  const priced = [...parts]
    .filter(([, part]) => part.compute + part.storage + part.transfer > 0)
    .map(([currency]) => currency)
    .sort();
  const currency =
    wanted ?? (priced.length === 0 || priced.includes(DEFAULT_CURRENCY) ? DEFAULT_CURRENCY : (priced[0] ?? DEFAULT_CURRENCY));
  const own = parts.get(currency) ?? { compute: 0, storage: 0, transfer: 0 };
  const others = sumByCurrency(
    priced
      .filter((other) => other !== currency)
      .map((other) => {
        const part = parts.get(other) ?? { compute: 0, storage: 0, transfer: 0 };
        return fromMicros(part.compute + part.storage + part.transfer, other);
      }),
  );
  const all = [...missing, ...others.map((money) => `${money.amount} ${money.currency} ${NOT_CONVERTED}`)];
  const known = fromMicros(own.compute + own.storage + own.transfer, currency);
  const complete = all.length === 0;
  return {
    ...(complete ? { total: known } : {}),
    known,
    complete,
    missing: all,
    ...(others.length > 0 ? { others } : {}),
    compute: fromMicros(own.compute, currency),
    storage: fromMicros(own.storage, currency),
    transfer: fromMicros(own.transfer, currency),
  };
}

function clip(segment: PriceSegment, from: number, to: number): { start: number; end: number } | "unreadable" | undefined {
  const begin = timeOf(segment.from);
  const finish = segment.to === undefined ? to : timeOf(segment.to);
  if (Number.isNaN(begin) || Number.isNaN(finish)) return "unreadable";
  const start = Math.max(begin, from);
  const end = Math.min(finish, to);
  return start < end ? { start, end } : undefined;
}

/** Micro-units between two moments of a segment: a difference of rounded running totals, so that splits lose nothing. */
function amountBetween(price: Money, anchor: number, start: number, end: number): number {
  // Thousand-millionths per hour: a price per hour can be far below a micro-unit. BigInt, for a year of ms times that is beyond 2^53.
  const nanosPerHour = BigInt(Math.round(price.amount * 1e9));
  return Number(runningTotal(nanosPerHour, end - anchor) - runningTotal(nanosPerHour, start - anchor));
}

function runningTotal(nanosPerHour: bigint, elapsedMs: number): bigint {
  const divisor = 3_600_000_000n;
  return (nanosPerHour * BigInt(Math.floor(elapsedMs)) + divisor / 2n) / divisor;
}

function name(label: string | undefined, segment: PriceSegment): string {
  return label === undefined ? segment.what : `${label}: ${segment.what}`;
}
