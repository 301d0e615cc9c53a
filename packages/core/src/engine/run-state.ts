import type { CheckpointRef } from "../checkpoint/checkpoint-ref.ts";
import type { PriceSegment } from "../cost/resource-record.ts";
import type { AttemptOutcome, EndStatus } from "../events/event-types.ts";
import type { HostFinal } from "../host/records.ts";
import type { Intent } from "../provider/intent.ts";
import type { Money } from "../provider/money.ts";
import type { Offer } from "../provider/offer.ts";
import type { VolumeInfo, VolumeRequest } from "../provider/provider.ts";
import type { Machine, MachineState } from "../provider/resource.ts";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";
import type { Evidence, FailureRecord, RunLogEvent, UserRequest } from "./log-events.ts";

export interface IntentState {
  intent: Intent;
  offer: Offer;
  status: "recorded" | "created" | "unavailable" | "failed" | "ambiguous" | "void";
  recordedAt: string;
  /** When the status last changed, and how often a create was tried without a clear answer. */
  changedAt: string;
  unclear: number;
  settleMs: number;
  /** What the machine may cost in all by the project's budget; null: no such limit. */
  allowanceUsd: number | null;
  retryAfterMs?: number | undefined;
  error?: FailureRecord | undefined;
  retryable?: boolean | undefined;
}

export interface MachineRecord {
  id: string;
  machine: Machine;
  /** False for `machine:`: never ended by us. */
  owned: boolean;
  intentId?: string | undefined;
  pricePerHour?: Money | undefined;
  state: MachineState;
  createdAt: string;
  endedAt?: string | undefined;
  endEvidence?: Evidence | undefined;
  endReason?: string | undefined;
  /** The last thing asked of the provider, and when first. */
  asked?: { action: "terminate" | "stop" | "start"; at: string } | undefined;
  /** The provider's own record, asked for once when it had ended; empty: it told none. */
  bills?: PriceSegment[] | undefined;
  /** Times it was stopped and started: [from, to?]. */
  stopped: Array<{ from: string; to?: string | undefined }>;
}

export interface AttemptRecord {
  number: number;
  machineId: string;
  nonce: string;
  resume: string[];
  allowance: { seconds: number | null; hardSeconds: number };
  /** Grants so far; the first is in the plan. */
  allowanceSeq: number;
  maxDurationSeconds: number | null;
  plannedAt: string;
  armedAt?: string | undefined;
  startedAt?: string | undefined;
  endedAt?: string | undefined;
  phase?: string | undefined;
  resumedFrom?: CheckpointRef | undefined;
  /** Controls sent: "stop", "cancel", "suspend". */
  told: string[];
  notice?: { action: string; until: string | null } | undefined;
  /** What its host told once and would tell again to a new connection. */
  heard: string[];
  outcome?: AttemptOutcome | undefined;
  cause?: string | undefined;
  evidence?: Evidence | undefined;
  final?: HostFinal | undefined;
  error?: FailureRecord | undefined;
}

/** One of the spec's volumes, as far as it is known. */
export interface RunVolume {
  /** Its place in the spec. */
  index: number;
  /** Made by this run: only such a volume is ever deleted by it. */
  owned: boolean;
  wanted?: { at: string; provider: string; intentId: string; request: VolumeRequest; tags: Record<string, string> } | undefined;
  volume?: VolumeInfo | undefined;
  /** When it became known. */
  heldAt?: string | undefined;
  deletedAt?: string | undefined;
}

export interface PublishedCheckpoint {
  manifestKey: string;
  ref: CheckpointRef;
}

/** All the engine knows about a run, folded from its log. Plain data: never mutated, always replaced. */
export interface RunState {
  /** Seq of the next event: what an append must expect. */
  version: number;
  runId: string;
  createdAt: string;
  spec: ResolvedSpec;
  specHash: string;
  storeUri: string;
  code: { manifestKey: string; sha256: string; files: number; bytes: number } | null;
  literalSecrets: string[];
  resumedFrom?:
    | { runId: string; manifestKey: string; checkpoint: CheckpointRef; rejected?: Array<{ path: string; reason: string }> | undefined }
    | undefined;
  /** The session that may drive. */
  lease?: string | undefined;
  /** When it was last taken, also by a process that woke and took it again: nobody looked or tried before. */
  leaseAt?: string | undefined;
  requests: { stop?: StampedRequest | undefined; cancel?: StampedRequest | undefined; suspend?: StampedRequest | undefined };
  intents: Record<string, IntentState>;
  machines: Record<string, MachineRecord>;
  volumes: RunVolume[];
  attempts: AttemptRecord[];
  checkpoints: PublishedCheckpoint[];
  /** Checkpoints published since retention was last applied. */
  unpruned: number;
  /** Since when a machine is wanted and not had: the capacity budget runs from here. */
  wantingSince?: string | undefined;
  secretsMissing: string[];
  alarms: string[];
  warnedBudget: number[];
  warnedThresholds: string[];
  ended?: { status: EndStatus; at: string; error?: FailureRecord | undefined } | undefined;
  lastEventAt: string;
}

export interface StampedRequest {
  at: string;
  request: UserRequest;
}

/** Names what a host told, for AttemptRecord.heard. */
export function heardKey(event: Extract<RunLogEvent, { type: "notice-received" | "checkpoint-rejected" }>): string {
  return event.type === "notice-received"
    ? `notice ${event.action} ${event.until ?? ""} ${event.source}`
    : `rejected ${event.path} ${event.reason}`;
}

/** The attempt that is planned and not over, if any. */
export function openAttempt(state: RunState): AttemptRecord | undefined {
  const last = state.attempts.at(-1);
  return last !== undefined && last.outcome === undefined ? last : undefined;
}

/** Machines that may still cost something because of this run. */
export function liveMachines(state: RunState): MachineRecord[] {
  return Object.values(state.machines).filter((machine) => machine.endedAt === undefined);
}

/** The machine an attempt runs on. Planning an attempt requires the machine, so it is always there. */
export function machineOf(state: RunState, attempt: AttemptRecord): MachineRecord {
  const machine = state.machines[attempt.machineId];
  if (machine === undefined)
    throw new TypeError(`Run ${state.runId}: attempt ${attempt.number} names the unknown machine ${attempt.machineId}.`);
  return machine;
}
