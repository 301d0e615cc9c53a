import type { Offer } from "../provider/offer.ts";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";
import { formatSize } from "../spec/units.ts";
import { wishPlace } from "./gpu-match.ts";
import type { DropId, RankedOffer } from "./plan-types.ts";
import type { RankHistory } from "./rank-offers.ts";

type Dropped = NonNullable<RankedOffer["dropped"]>;

/** True for machines that the provider may take back. Markets are an open list: whatever is not one of these is ours to keep. */
export function isSpot(offer: Offer): boolean {
  return offer.market === "spot" || offer.market === "preemptible" || offer.market === "interruptible";
}

/** Why an offer cannot be used for a spec; undefined when it can. The first reason found, the plainest first. */
export function dropReason(offer: Offer, spec: ResolvedSpec, history: RankHistory): Dropped | undefined {
  return (
    notChosen(offer, spec) ??
    wrongMarket(offer, spec) ??
    tooSmall(offer, spec) ??
    lacking(offer, spec, history) ??
    wrongPrice(offer, spec) ??
    cooling(offer, history)
  );
}

function notChosen(offer: Offer, spec: ResolvedSpec): Dropped | undefined {
  const outside = (wanted: readonly string[], value: string | undefined): boolean =>
    wanted.length > 0 && (value === undefined || !wanted.includes(value));
  if (outside(spec.providers, offer.provider)) return drop("provider", `its provider is ${offer.provider}`);
  if (outside(spec.instanceTypes, offer.type)) return drop("instance-type", `its type is ${offer.type}`);
  if (outside(spec.regions, offer.region)) return drop("region", `its region is ${offer.region ?? "unknown"}`);
  if (outside(spec.zones, offer.zone)) return drop("zone", `its zone is ${offer.zone ?? "unknown"}`);
  return undefined;
}

function wrongMarket(offer: Offer, spec: ResolvedSpec): Dropped | undefined {
  const spot = isSpot(offer);
  if (spec.market === "on-demand" && spot) return drop("market", `it is ${offer.market}, and market is "on-demand"`);
  if (spec.market === "spot" && !spot) return drop("market", `it is ${offer.market}, and market is "spot"`);
  if (spec.market === "auto" && spot && spec.checkpoints === false) {
    return drop("no-checkpoints", 'it may be taken back, and market "auto" takes such machines only for runs with checkpoints');
  }
  return undefined;
}

function tooSmall(offer: Offer, { resources }: ResolvedSpec): Dropped | undefined {
  if (wishPlace(offer, resources.gpus) === undefined) {
    const has = offer.accelerators.map((gpu) => `${gpu.count} × ${gpu.name}`).join(", ");
    return drop("gpu", `it has ${has === "" ? "no accelerator" : has}`);
  }
  // What the provider does not tell is not held against it: it was asked for it.
  if (resources.cpus !== undefined && (offer.cpus ?? Number.POSITIVE_INFINITY) < resources.cpus)
    return drop("cpus", `it has ${offer.cpus} CPUs`);
  if (resources.memoryBytes !== undefined && (offer.memoryBytes ?? Number.POSITIVE_INFINITY) < resources.memoryBytes) {
    return drop("memory", `it has ${formatSize(offer.memoryBytes ?? 0)} of memory`);
  }
  return undefined;
}

function lacking(offer: Offer, spec: ResolvedSpec, history: RankHistory): Dropped | undefined {
  const stops = spec.onEnd === "stop" || (typeof spec.onEnd === "object" && spec.onEnd.then === "stop");
  if (stops && !offer.can.stop) return drop("no-stop", 'it cannot be stopped, and onEnd is "stop"');
  const abilities = history.abilities?.[offer.provider];
  if (abilities === undefined) return undefined;
  if (typeof spec.container === "object" && abilities.containers === "none")
    return drop("no-containers", `${offer.provider} runs no containers`);
  if (spec.volumes.length > 0 && !abilities.volumes) return drop("no-volumes", `${offer.provider} has no volumes`);
  if (spec.resources.nodes > 1 && !abilities.gang)
    return drop("no-gang", `${offer.provider} cannot start ${spec.resources.nodes} machines together`);
  return undefined;
}

function wrongPrice(offer: Offer, spec: ResolvedSpec): Dropped | undefined {
  const price = offer.pricePerHour;
  if (spec.maxPricePerHour !== undefined) {
    if (price === undefined) return drop("price-unknown", "its price is unknown, and maxPricePerHour is set");
    if (price.amount > spec.maxPricePerHour)
      return drop("price-limit", `it costs ${price.amount} ${price.currency}/h, above maxPricePerHour ${spec.maxPricePerHour}`);
  }
  if (price === undefined && spec.budget !== undefined && !spec.allow.includes("budget-unpriced")) {
    return drop("budget-unpriced", "its price is unknown, so that a budget cannot be kept");
  }
  return undefined;
}

function cooling(offer: Offer, history: RankHistory): Dropped | undefined {
  return history.coolDown?.includes(offer.id) === true
    ? drop("cooling-down", "it was refused a moment ago and is left alone for a while")
    : undefined;
}

function drop(id: DropId, why: string): Dropped {
  return { id, why };
}
