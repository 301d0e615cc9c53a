import { ValidationError } from "../errors/kinds.ts";
import type { Offer, OfferRequest } from "../provider/offer.ts";
import type { Notice } from "../provider/plan.ts";
import type { Clock } from "../util/clock.ts";
import { compareOffers, type OfferComparison } from "./compare.ts";
import type { CostBreakdown } from "./cost.ts";
import { type CostForecast, forecast } from "./forecast.ts";
import { boundsOf, type CostGrouping, type CostRow, groupCosts } from "./group.ts";
import { mergeRecords } from "./merge-records.ts";
import { breakdown } from "./record-cost.ts";
import type { ResourceSource } from "./resource-record.ts";
import { iso, timeOf } from "./segments.ts";

/** What `Costs` reads from. */
export interface CostsOptions {
  sources: readonly ResourceSource[];
  clock: Clock;
  /** All providers' offers, for `compare`. */
  offers?: ((request: OfferRequest) => Promise<{ offers: Offer[]; partial: boolean; failures: Notice[] }>) | undefined;
  /** Currency of the sums. Default: see CostWindow.currency. */
  currency?: string | undefined;
}

export interface CostReport {
  by: CostGrouping;
  /** ISO bounds of the report, `to` exclusive. */
  from: string;
  to: string;
  rows: CostRow[];
  /** The whole window. Rows add up to it exactly. */
  total: CostBreakdown;
}

const GROUPINGS: readonly CostGrouping[] = ["run", "project", "provider", "user", "day"];

/** Reports over the ledger of every run and every standalone resource. Reads only; costs nothing. */
export class Costs {
  readonly #options: CostsOptions;

  constructor(options: CostsOptions) {
    this.#options = options;
  }

  /**
   * Cost by run, project, provider, user or UTC day. `from` and `to` are ISO times or days ("2026-01-31" is its 00:00 UTC).
   * @throws ValidationError for an unknown grouping or an unreadable time.
   */
  async report(query: { by: CostGrouping; from?: string | undefined; to?: string | undefined }): Promise<CostReport> {
    // Callers without a compiler pass nothing, or anything.
    const by: unknown = (query as { by?: unknown } | undefined | null)?.by;
    if (!GROUPINGS.some((grouping) => grouping === by)) {
      throw new ValidationError({
        what: `by must be one of ${GROUPINGS.join(", ")}, not ${JSON.stringify(by)}.`,
        fix: ['For example { by: "day" }.'],
      });
    }
    const window = {
      now: this.#options.clock.now(),
      from: readTime("from", query.from),
      to: readTime("to", query.to),
      currency: this.#options.currency,
    };
    const records = await mergeRecords(this.#options.sources, window.from === undefined ? {} : { from: iso(window.from) });
    const bounds = boundsOf(records, window);
    // One currency for rows and total, or the rows of a mixed ledger could not be added up by the reader.
    const total = breakdown(records, window);
    const rows = groupCosts(records, query.by, { ...window, currency: total.known.currency });
    return { by: query.by, from: iso(bounds.from), to: iso(Math.max(bounds.from, bounds.to)), rows, total };
  }

  /** What the next hour, day, week and month (30 days) cost if nothing changes. `ends`: known ends by resource id. */
  async forecast(options: { ends?: Record<string, string> | undefined } = {}): Promise<CostForecast> {
    const now = this.#options.clock.now();
    const records = await mergeRecords(this.#options.sources, { from: iso(now) });
    return forecast(records, { now, ends: options.ends, currency: this.#options.currency });
  }

  /** Offers of all providers side by side, cheapest first; prices for `hours` (default 24). */
  async compare(request: OfferRequest = {}, options: { hours?: number | undefined } = {}): Promise<OfferComparison> {
    const hours = options.hours ?? 24;
    if (!Number.isFinite(hours) || hours <= 0)
      throw new ValidationError({
        what: `hours must be a positive number, not ${String(options.hours)}.`,
        fix: ["For example { hours: 8 }."],
      });
    if (this.#options.offers === undefined) return { offers: [], partial: false, failures: [] };
    const { offers, partial, failures } = await this.#options.offers(request);
    return { offers: compareOffers(offers, hours), partial, failures };
  }
}

function readTime(field: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = timeOf(value);
  if (Number.isNaN(ms)) {
    throw new ValidationError({
      what: `${field} must be an ISO time, not ${JSON.stringify(value)}.`,
      fix: ['For example "2026-01-31" or "2026-01-31T12:00:00Z".'],
    });
  }
  return ms;
}
