import type { OfferRequest } from "../provider/offer.ts";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";
import type { Market } from "../spec/run-spec.ts";

/**
 * What to ask providers for. The markets are left open where several will do; the ranking narrows them.
 * The price limit is not sent: a plan shows what was dropped for it.
 */
export function offerRequestOf(spec: ResolvedSpec, market: Market = spec.market): OfferRequest {
  const { gpus, cpus, memoryBytes, diskBytes } = spec.resources;
  return {
    ...(gpus.length === 0 ? {} : { gpus }),
    ...(cpus === undefined ? {} : { cpus }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(diskBytes === undefined ? {} : { diskBytes }),
    ...(spec.instanceTypes.length === 0 ? {} : { instanceTypes: spec.instanceTypes }),
    ...(spec.regions.length === 0 ? {} : { regions: spec.regions }),
    ...(spec.zones.length === 0 ? {} : { zones: spec.zones }),
    ...(market === "spot" ? { markets: ["spot"] } : {}),
  };
}
