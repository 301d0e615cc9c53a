import { type Capabilities, type HostHooks, type Intent, type MachineUsage, TAGS, ValidationError } from "@runctl/core/provider";
import { z } from "zod";
import type { BillingRules } from "./billing-rules.ts";
import type { CloudEvent } from "./cloud-events.ts";
import type { CloudOp } from "./faults.ts";
import type { MachineHostFactory } from "./machine-host.ts";
import type { QuotaOptions } from "./quota.ts";
import type { CapacitySchedule, PriceSchedule } from "./schedules.ts";
import type { BucketOptions } from "./throttle.ts";

/** How a purchase can be recognised again (cleanup-and-state.md §3.3). A: token and tags in the create call. B: a name that carries the intent. C: neither. */
export type ProviderClass = "A" | "B" | "C";

/** Where tags live. "at-create": in the create call. "in-name": the cloud has none, the client writes ours into the name. "after-create": by a second call, so that a machine is bare for a moment. */
export type Tagging = "at-create" | "in-name" | "after-create";

/** A kind of machine. */
export interface MachineTypeOptions {
  name: string;
  cpus: number;
  memoryBytes: number;
  accelerators?: Array<{ name: string; count: number; memoryBytes?: number | undefined }> | undefined;
  /** Price per hour on demand. */
  onDemand: PriceSchedule;
  /** Price per hour on the spot market; absent: not sold there. */
  spot?: PriceSchedule | undefined;
  /** Zones that have it. Default all. */
  zones?: readonly string[] | undefined;
}

/** Changes what pools do; every field narrows which, all others change. */
export interface PoolOptions {
  region?: string | undefined;
  zone?: string | undefined;
  type?: string | undefined;
  market?: string | undefined;
  price?: PriceSchedule | undefined;
  capacity?: CapacitySchedule | undefined;
  /**
   * What offers name as the most an hour can cost while a machine runs. Default: the price on demand where a spot price moves below it,
   * else none. Schedules are not cut by it.
   */
  maxPrice?: number | undefined;
  /** Offers of this pool show no price. */
  hidePrice?: boolean | undefined;
}

/** What the spot market does. */
export interface SpotOptions {
  /** Between notice and end; 0: no notice at all. Default 120 000. */
  noticeMs?: number | undefined;
  /** A reclaimed machine ends, or stops with its disk kept (RunPod's EXITED). Default "terminate". */
  onReclaim?: "terminate" | "stop" | undefined;
  /** A rebalance hint this long before the capacity of a pool falls, where its schedule knows. Default: none. */
  rebalanceBeforeMs?: number | undefined;
  /** The first spot machines are reclaimed (noticed) this long after they run, one entry each; undefined spares one. */
  reclaimAfterMs?: ReadonlyArray<number | undefined> | undefined;
  /** All others: mean of an exponential time until a reclaim. Default: never. */
  meanReclaimMs?: number | undefined;
}

/** Milliseconds a change of state takes. */
export interface TransitionOptions {
  /** "pending" before "running". Default 0. */
  pendingMs?: number | undefined;
  /** "ending" before "ended". Default 0. */
  endingMs?: number | undefined;
  /** "stopping" before "stopped". Default 0. */
  stoppingMs?: number | undefined;
  /** "creating" of a volume before "available". Default 0. */
  volumeMs?: number | undefined;
}

/** How listings lag behind the truth. */
export interface ListingOptions {
  /** A new machine shows only after this long: a number or [least, most], drawn per machine. Default 0. */
  lagMs?: number | readonly [number, number] | undefined;
  /** The same for volumes and snapshots. Default 0. */
  volumeLagMs?: number | undefined;
  /** States and ends show this late. Default 0. */
  stateLagMs?: number | undefined;
  /** Ended machines are listed this long. Default one hour, as EC2 does. */
  keepEndedMs?: number | undefined;
  /** What is not listed yet cannot be spoken to either, "not found", as EC2 does for seconds. Default false. */
  hiddenIsNotFound?: boolean | undefined;
  /** Machines on a page; each page is a call of its own that can fail, and a listing without one is incomplete. Default: all on one. */
  pageSize?: number | undefined;
  /** Offers of pools without room are left out. Default false: listed but unavailable, as most clouds do. */
  hideFullOffers?: boolean | undefined;
}

/** An emulated cloud. Everything has a default: one account, one region with three zones, three types, no faults, no lag. */
export interface EmulatedCloudOptions {
  /** The provider's name. Default "cloud". */
  name?: string | undefined;
  /** Default "A". */
  class?: ProviderClass | undefined;
  /** Default by class: "at-create", "in-name", "after-create". */
  tagging?: Tagging | undefined;
  /** First is the default. Default ["acct-1"]. */
  accounts?: readonly string[] | undefined;
  regions?: ReadonlyArray<{ name: string; zones: readonly string[] }> | undefined;
  types?: readonly MachineTypeOptions[] | undefined;
  /** Applied in order; later ones win. */
  pools?: readonly PoolOptions[] | undefined;
  quota?: QuotaOptions | undefined;
  /** Buckets by operation, one each account. Default: none. */
  throttle?: Partial<Record<CloudOp, BucketOptions>> | undefined;
  listing?: ListingOptions | undefined;
  spot?: SpotOptions | undefined;
  transitions?: TransitionOptions | undefined;
  billing?: Partial<BillingRules> | undefined;
  /** Time an answer takes, half of it on the way there; a number for all operations. Default 0. */
  latencyMs?: number | Partial<Record<CloudOp, number>> | undefined;
  /** What a client waits for an answer that does not come. Default 60 000. */
  clientTimeoutMs?: number | undefined;
  /** Where the same token means the same purchase. EC2's is zonal. Default "account". */
  tokenScope?: "account" | "zone" | undefined;
  /** Tries several offers in one call, at most three. Default false. */
  multiPool?: boolean | undefined;
  /** Several nodes in one purchase: not at all, all or none in one call, or one call each (a crash in between leaves some). Default "atomic". */
  gang?: "none" | "atomic" | "one-by-one" | undefined;
  /** Tag keys without which nothing is made, as a policy on request tags refuses. Default CreatedBy, runctl:state, runctl:intent; class C: none. */
  requiredTags?: readonly string[] | undefined;
  /** What a machine does that switches itself off. Default "terminate". "keeps-billing": it stays, and costs. */
  onPowerOff?: "terminate" | "stop" | "keeps-billing" | undefined;
  /** No room: the outcome is "unavailable", or the request waits in a queue that is served in order. Default "refuse". */
  whenFull?: "refuse" | "queue" | undefined;
  /** Overrides of what the class, the market and the guard imply. */
  capabilities?: Partial<Capabilities> | undefined;
  /** Methods that this cloud's client has not: an absent method is an absent capability. */
  without?: ReadonlyArray<"stop" | "start" | "tag" | "notices" | "usage" | "volumes" | "doctor"> | undefined;
  /** Hooks for real host agents. */
  hostHooks?: ((intent: Intent) => HostHooks) | undefined;
  /** What `usage` answers for a machine that runs; undefined, and the default: an idle machine of its type. */
  usage?: ((machineId: string) => MachineUsage | Error | undefined) | undefined;
  /** Default: machines with nothing inside. */
  host?: MachineHostFactory | undefined;
  /** Newest events kept. Default 10 000; 0 keeps none. */
  keepEvents?: number | undefined;
  /** Called for every event. */
  onEvent?: ((event: CloudEvent) => void) | undefined;
}

const GIB = 2 ** 30;

/** Figures of real machines, rounded: a CPU box, one small GPU, eight large ones. */
export const DEFAULT_TYPES: readonly MachineTypeOptions[] = [
  { name: "cpu.large", cpus: 2, memoryBytes: 8 * GIB, onDemand: 0.1, spot: 0.04 },
  {
    name: "l4.xlarge",
    cpus: 4,
    memoryBytes: 16 * GIB,
    accelerators: [{ name: "L4", count: 1, memoryBytes: 24 * GIB }],
    onDemand: 0.8,
    spot: 0.32,
  },
  {
    name: "a100.8x",
    cpus: 96,
    memoryBytes: 1152 * GIB,
    accelerators: [{ name: "A100", count: 8, memoryBytes: 40 * GIB }],
    onDemand: 22,
    spot: 9,
  },
];

/** Where machines are sold when nothing else is said. */
export const DEFAULT_REGIONS = [{ name: "us-test-1", zones: ["us-test-1a", "us-test-1b", "us-test-1c"] }] as const;

/** Tags without which nobody could find a machine of ours again. */
export const OUR_TAGS: readonly string[] = [TAGS.createdBy, TAGS.state, TAGS.intent];

const ms = z.number().nonnegative();
const plain = z.looseObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,31}$/)
    .optional(),
  class: z.enum(["A", "B", "C"]).optional(),
  tagging: z.enum(["at-create", "in-name", "after-create"]).optional(),
  accounts: z.array(z.string().min(1)).min(1).optional(),
  regions: z
    .array(z.object({ name: z.string().min(1), zones: z.array(z.string().min(1)).min(1) }))
    .min(1)
    .optional(),
  types: z
    .array(z.looseObject({ name: z.string().min(1), cpus: z.number().positive(), memoryBytes: z.number().positive() }))
    .min(1)
    .optional(),
  listing: z
    .strictObject({
      lagMs: z.union([ms, z.tuple([ms, ms])]).optional(),
      volumeLagMs: ms.optional(),
      stateLagMs: ms.optional(),
      keepEndedMs: ms.optional(),
      pageSize: z.number().int().positive().optional(),
      hiddenIsNotFound: z.boolean().optional(),
      hideFullOffers: z.boolean().optional(),
    })
    .optional(),
  transitions: z
    .strictObject({ pendingMs: ms.optional(), endingMs: ms.optional(), stoppingMs: ms.optional(), volumeMs: ms.optional() })
    .optional(),
  clientTimeoutMs: ms.optional(),
  keepEvents: z.number().int().nonnegative().optional(),
});

/** @throws ValidationError naming the option. */
export function checkCloudOptions(options: EmulatedCloudOptions): void {
  const parsed = plain.safeParse(options);
  if (parsed.success) {
    if (options.whenFull === "queue" && (options.class === "C" || options.tagging === "after-create"))
      throw new ValidationError({
        what: 'whenFull: "queue" does not go with tags that are set after the purchase.',
        why: "Nobody would be there to set them when the queue is served.",
        fix: ['Use class "A" or "B".'],
      });
    return;
  }
  throw new ValidationError({
    what: `The options of the emulated cloud are wrong: ${parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; ")}`,
  });
}
