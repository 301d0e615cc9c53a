import type { Money } from "./money.ts";

/** What a machine must be able to do; every field narrows. */
export interface OfferRequest {
  /** Accelerator wishes, first is preferred: "A100:2", "L4". Empty: none needed. */
  gpus?: Array<{ name: string; count: number }> | undefined;
  cpus?: number | undefined;
  memoryBytes?: number | undefined;
  diskBytes?: number | undefined;
  instanceTypes?: string[] | undefined;
  regions?: string[] | undefined;
  zones?: string[] | undefined;
  /** "on-demand", "spot", or a provider's own market. */
  markets?: string[] | undefined;
  maxPricePerHour?: number | undefined;
}

/** A priced machine shape that can be asked for. */
export interface Offer {
  /** Stable within the provider: the pool, for cool-downs and history. */
  id: string;
  provider: string;
  type: string;
  accelerators: Array<{ name: string; count: number; memoryBytes?: number | undefined }>;
  cpus?: number | undefined;
  memoryBytes?: number | undefined;
  region?: string | undefined;
  zone?: string | undefined;
  market: string;
  /** Absent: unknown, never 0. A free machine says 0. */
  pricePerHour?: Money | undefined;
  /** An upper bound the price can reach while the machine runs; default: pricePerHour. */
  maxPricePerHour?: Money | undefined;
  price?: { source: string; at: string } | undefined;
  /** A machine that its provider takes back so soon after its start costs nothing, unless we end it first (EC2's spot market: 3600). */
  freeIfReclaimedWithinSeconds?: number | undefined;
  can: { stop: boolean; notice: boolean; endItself: boolean };
}
