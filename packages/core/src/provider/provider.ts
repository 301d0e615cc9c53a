import type { JsonObject } from "../util/json.ts";
import type { HostSession } from "./host-session.ts";
import type { CreateOutcome, Intent } from "./intent.ts";
import type { Money } from "./money.ts";
import type { ObjectStore } from "./object-store.ts";
import type { Offer, OfferRequest } from "./offer.ts";
import type { ForeignOrOtherResource, Machine, ResourceRef } from "./resource.ts";

/** What a provider can promise. A method that is absent is a capability that is absent. */
export interface Capabilities {
  /** "token": the same intent never makes two machines. "name": duplicates can be found. "none": neither. */
  identity: "token" | "name" | "none";
  boot: "user-data" | "entrypoint" | "session";
  /** What ends a machine that nobody feeds. */
  guard: "os-poweroff" | "host-calls-api" | "none";
  containers: "on-host" | "is-machine" | "none";
  spot: boolean;
  noticeSeconds?: number | undefined;
  multiPool: boolean;
  gang: boolean;
  tagsAtCreate: boolean;
  /** How long after create a listing may lack the machine. Default 60 000 (host-and-state.md §5). */
  settleMs?: number | undefined;
  /** How often the provider may be listed while something is live. Default 10 000. */
  pollMs?: number | undefined;
  /** The machine is the one the engine runs on: its end policy touches only the training's processes. */
  sharedHost?: boolean | undefined;
}

export interface FindQuery {
  stateId?: string | undefined;
  intentId?: string | undefined;
  /** Native ids. */
  ids?: string[] | undefined;
  kinds?: string[] | undefined;
  /** Things without our state id, too. Only reported, never touched. */
  includeForeign?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** One complete listing: `complete` false means that a page, region or account could not be read. */
export interface FindResult {
  machines: Machine[];
  others: ForeignOrOtherResource[];
  complete: boolean;
}

export interface HostHooks {
  /** sh text; prints {"action","at"} or nothing. */
  notice?: string | undefined;
  /** A built-in notice source of the host agent, where speed matters. */
  noticeBuiltin?: "ec2-imds" | undefined;
  stop?: string | undefined;
  terminate?: string | undefined;
}

export interface HostNotice {
  action: "terminate" | "stop" | "hibernate" | "rebalance" | "maintenance";
  at?: string | undefined;
}

export interface MachineUsage {
  at: string;
  cpuPercent?: number | undefined;
  memory?: { usedBytes: number; totalBytes: number } | undefined;
  disks: Array<{ path: string; usedBytes: number; totalBytes: number }>;
  gpus: Array<{
    index: number;
    name: string;
    utilizationPercent?: number | undefined;
    memoryUsedBytes?: number | undefined;
    memoryTotalBytes?: number | undefined;
    temperatureCelsius?: number | undefined;
    powerWatts?: number | undefined;
  }>;
  processes: Array<{ pid: number; user?: string | undefined; cpuPercent: number; memoryBytes: number; command: string }>;
  network?: { receivedBytes: number; sentBytes: number } | undefined;
}

/** A billed stretch of one resource. */
export interface BilledInterval {
  from: string;
  to: string;
  what: "compute" | "storage" | "transfer";
  pricePerHour: Money;
  evidence: "observed" | "told-by-host" | "inferred" | "billed";
}

export interface AccountIdentity {
  /** Account, project or user id at the provider; cleanup refuses when it changed. */
  id: string;
  name?: string | undefined;
}

export interface DoctorFinding {
  id: string;
  severity: "ok" | "warning" | "error";
  what: string;
  fix: string[];
}

/**
 * What a provider package implements. Methods are called by the engine only. All are safe to repeat.
 * Errors are RunctlErrors; an unknown outcome of `create` is AmbiguousOutcomeError, never "failed".
 */
export interface TrainingProvider {
  readonly specVersion: "v1";
  readonly name: string;
  readonly capabilities: Capabilities;
  offers(request: OfferRequest, options?: { signal?: AbortSignal | undefined }): Promise<Offer[]>;
  create(intent: Intent, options?: { signal?: AbortSignal | undefined }): Promise<CreateOutcome>;
  find(query: FindQuery): Promise<FindResult>;
  terminate(ref: ResourceRef): Promise<void>;
  remove(ref: ResourceRef): Promise<void>;
  stop?(ref: ResourceRef): Promise<void>;
  start?(ref: ResourceRef): Promise<void>;
  connect?(machine: Machine, options?: { signal?: AbortSignal | undefined }): Promise<HostSession>;
  hostHooks?(intent: Intent): HostHooks;
  notices?(machine: Machine): Promise<HostNotice | undefined>;
  usage?(machine: Machine): Promise<MachineUsage>;
  /** What was billed. A stretch that cost nothing (stopped, free until it ran) is an interval at price 0: silence leaves the engine its own guess. */
  costs(machine: Machine, from: string, to: string): Promise<BilledInterval[]>;
  identity(): Promise<AccountIdentity>;
  /** Writes a tag on a live resource (protect). */
  tag?(ref: ResourceRef, tags: Record<string, string>): Promise<void>;
  /** Checks `providerOptions[name]` at plan time; throws ValidationError. */
  validateOptions?(options: JsonObject): void;
  stores?: ObjectStore[] | undefined;
  defaultStore?: string | undefined;
  volumes?: ProviderVolumes | undefined;
  images?: ProviderImages | undefined;
  doctor?(): Promise<DoctorFinding[]>;
  close?(): Promise<void>;
}

export interface VolumeInfo extends ForeignOrOtherResource {
  sizeBytes: number;
  zone?: string | undefined;
  state: "creating" | "available" | "in-use" | "deleting" | "unknown";
  attachedTo?: ResourceRef | undefined;
}

export interface VolumeRequest {
  name?: string | undefined;
  sizeBytes: number;
  zone?: string | undefined;
  type?: string | undefined;
  encrypted?: boolean | undefined;
  iops?: number | undefined;
  throughputMiBps?: number | undefined;
  persistent?: boolean | undefined;
  fromSnapshot?: string | undefined;
}

export interface ProviderVolumes {
  create(request: VolumeRequest & { intentId: string; tags: Record<string, string> }): Promise<VolumeInfo>;
  list(query: FindQuery): Promise<VolumeInfo[]>;
  attach(volume: ResourceRef, machine: ResourceRef): Promise<void>;
  detach(volume: ResourceRef, options?: { force?: boolean | undefined }): Promise<void>;
  delete(volume: ResourceRef): Promise<void>;
  snapshot?(volume: ResourceRef, options: { name?: string | undefined; tags: Record<string, string> }): Promise<ResourceRef>;
  snapshots?(query: FindQuery): Promise<ForeignOrOtherResource[]>;
  /** Copies data from an object store onto a volume before a machine needs it; repeating goes on where it stopped. */
  prewarm?(volume: ResourceRef, from: string): Promise<void>;
  /** Type and figures for a workload, with reasons. Pure; costs nothing. */
  recommend?(workload: VolumeWorkload): VolumeRecommendation;
}

/** What a volume is to be used for. */
export interface VolumeWorkload {
  purpose: "data" | "checkpoints" | "archive" | "general";
  sizeBytes: number;
  /** How often an hour the whole is read. Default: once. */
  readsPerHour?: number | undefined;
}

export interface VolumeRecommendation {
  request: VolumeRequest;
  pricePerMonth?: Money | undefined;
  reasons: string[];
}

export interface ImageBuildRequest {
  contextDir: string;
  dockerfile: string;
  tag: string;
  buildArgs: Record<string, string>;
  signal?: AbortSignal | undefined;
  onOutput?: ((line: string) => void) | undefined;
}

export interface ProviderImages {
  /** Builds an image and returns its reference and digest. */
  build(request: ImageBuildRequest): Promise<{ image: string; digest?: string | undefined }>;
  push?(image: string): Promise<{ image: string; digest: string }>;
  resolve?(image: string): Promise<{ image: string; digest: string }>;
}
