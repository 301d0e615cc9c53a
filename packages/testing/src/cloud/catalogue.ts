import type { Offer, OfferRequest } from "@runctl/core/provider";
import { DEFAULT_REGIONS, DEFAULT_TYPES, type EmulatedCloudOptions, type MachineTypeOptions, type PoolOptions } from "./cloud-options.ts";
import { iso } from "./cloud-time.ts";
import type { Pool } from "./pool.ts";
import { capacityFunction, priceFunction } from "./schedules.ts";
import type { StepFunction } from "./step-function.ts";

/** All pools of a cloud whose time begins at `start`, by id. */
export function makePools(options: EmulatedCloudOptions, start: number): Map<string, Pool> {
  const pools = new Map<string, Pool>();
  for (const region of options.regions ?? DEFAULT_REGIONS)
    for (const zone of region.zones)
      for (const type of options.types ?? DEFAULT_TYPES) {
        if (type.zones !== undefined && !type.zones.includes(zone)) continue;
        for (const market of type.spot === undefined ? (["on-demand"] as const) : (["on-demand", "spot"] as const)) {
          const pool = makePool(options.pools ?? [], region.name, zone, type, market, start);
          pools.set(pool.id, pool);
        }
      }
  return pools;
}

function makePool(
  changes: readonly PoolOptions[],
  region: string,
  zone: string,
  type: MachineTypeOptions,
  market: Pool["market"],
  start: number,
): Pool {
  const own = changes.filter(
    (change) =>
      (change.region ?? region) === region &&
      (change.zone ?? zone) === zone &&
      (change.type ?? type.name) === type.name &&
      (change.market ?? market) === market,
  );
  const price = own.findLast((change) => change.price !== undefined)?.price ?? (market === "spot" ? type.spot : type.onDemand) ?? 0;
  const capacity = own.findLast((change) => change.capacity !== undefined)?.capacity ?? Number.POSITIVE_INFINITY;
  return {
    id: `${region}/${zone}/${type.name}/${market}`,
    region,
    zone,
    type,
    market,
    price: priceFunction(price, start),
    capacity: capacityFunction(capacity, start),
    maxPrice:
      own.findLast((change) => change.maxPrice !== undefined)?.maxPrice ?? boundOf(type, market, priceFunction(price, start), start),
    hidePrice: own.findLast((change) => change.hidePrice !== undefined)?.hidePrice ?? false,
    used: 0,
  };
}

/** As at EC2: a spot price that moves stays below the price on demand. One that does not move is its own bound. */
function boundOf(type: MachineTypeOptions, market: Pool["market"], price: StepFunction, start: number): number | undefined {
  if (market !== "spot" || price.nextChange(start) === undefined) return undefined;
  const bound = priceFunction(type.onDemand, start).max;
  return price.max <= bound ? bound : undefined;
}

/** What offers show beside the pool's own facts. */
export interface OfferFacts {
  provider: string;
  currency: string;
  canStop: (market: Pool["market"]) => boolean;
  givesNotice: boolean;
  endsItself: boolean;
  /** A reclaim in the first hour costs nothing. */
  firstHourFree: boolean;
}

/** The pool as an offer at this moment. */
export function offerOf(pool: Pool, facts: OfferFacts, now: number): Offer {
  const amount = pool.price.at(now);
  return {
    id: pool.id,
    provider: facts.provider,
    type: pool.type.name,
    accelerators: pool.type.accelerators ?? [],
    cpus: pool.type.cpus,
    memoryBytes: pool.type.memoryBytes,
    region: pool.region,
    zone: pool.zone,
    market: pool.market,
    ...(pool.hidePrice
      ? {}
      : { pricePerHour: { amount, currency: facts.currency }, price: { source: "emulated price list", at: iso(now) } }),
    ...(pool.maxPrice === undefined ? {} : { maxPricePerHour: { amount: pool.maxPrice, currency: facts.currency } }),
    ...(pool.market === "spot" && facts.firstHourFree ? { freeIfReclaimedWithinSeconds: 3600 } : {}),
    can: { stop: facts.canStop(pool.market), notice: pool.market === "spot" && facts.givesNotice, endItself: facts.endsItself },
  };
}

/** Does the pool answer the request at this moment? */
export function matches(pool: Pool, request: OfferRequest, now: number): boolean {
  const { type } = pool;
  const has = (list: readonly string[] | undefined, value: string): boolean =>
    list === undefined || list.length === 0 || list.includes(value);
  if (!has(request.regions, pool.region) || !has(request.zones, pool.zone)) return false;
  if (!has(request.markets, pool.market) || !has(request.instanceTypes, type.name)) return false;
  if (type.cpus < (request.cpus ?? 0) || type.memoryBytes < (request.memoryBytes ?? 0)) return false;
  if (request.maxPricePerHour !== undefined && pool.price.at(now) > request.maxPricePerHour) return false;
  const gpus = request.gpus ?? [];
  return (
    gpus.length === 0 ||
    gpus.some((wish) =>
      (type.accelerators ?? []).some((one) => one.name.toUpperCase() === wish.name.toUpperCase() && one.count >= wish.count),
    )
  );
}
