import type { Money } from "../provider/money.ts";
import type { Offer } from "../provider/offer.ts";
import type { Notice } from "../provider/plan.ts";

/** What is known of a quantity. A missing member is unknown, never 0. */
export interface Range<T> {
  low?: T | undefined;
  expected?: T | undefined;
  high?: T | undefined;
}

/** An offer with its place in the plan. */
export interface RankedOffer {
  offer: Offer;
  /** Price of one machine now. Absent: unknown. */
  pricePerHour?: Money | undefined;
  /** Of the whole work on all nodes, interruptions included. Absent: the duration or the price is unknown. */
  expectedCost?: Money | undefined;
  /** What an hour of useful work costs on all nodes: the price plus what interruptions repeat. Absent: the price is unknown. */
  costPerUsefulHour?: Money | undefined;
  /** Why it stands where it stands, for people. */
  why: string;
  /** Was refused several times lately, so others come first (P-17). */
  stale?: true | undefined;
  /** Why it is not used; `id` for programs. */
  dropped?: { id: DropId; why: string } | undefined;
}

/** Why an offer is left out. */
export type DropId =
  | "cooling-down"
  | "provider"
  | "instance-type"
  | "region"
  | "zone"
  | "market"
  | "no-checkpoints"
  | "gpu"
  | "cpus"
  | "memory"
  | "price-limit"
  | "price-unknown"
  | "budget-unpriced"
  | "no-stop"
  | "no-containers"
  | "no-volumes"
  | "no-gang";

/** One thing train() would do, in order. */
export interface PlanStep {
  do:
    | "upload"
    | "create"
    | "use"
    | "guard"
    | "stage"
    | "image"
    | "volume"
    | "input"
    | "dependencies"
    | "train"
    | "publish"
    | "collect"
    | "end";
  what: string;
  sizeBytes?: number | undefined;
}

/** What ends the machine when nobody is left. */
export interface PlanGuard {
  kind: "os-poweroff" | "host-calls-api" | "none";
  /** How long a machine can live without anybody, at most. */
  hardLimitMs: number;
  /** Upper bound of the price, all nodes together. Absent: unknown. */
  pricePerHour?: Money | undefined;
  /** Price × hard limit: the most that can be lost. Absent: unknown. */
  exposure?: Money | undefined;
  /** The same in words. */
  statement: string;
}

/** What train() would do, and what it would refuse. Nothing was bought, written or uploaded for it. */
export interface RunPlan {
  /** Chosen first; dropped ones last, with why not. */
  offers: RankedOffer[];
  estimate: { cost: Range<Money>; duration?: Range<number> | undefined; assumptions: string[] };
  guard: PlanGuard;
  steps: PlanStep[];
  files: { count: number; bytes: number; changed: number };
  warnings: Notice[];
  /** Exactly what train() would throw. */
  refusals: Notice[];
}
