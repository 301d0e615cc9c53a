import type { CheckpointRef } from "../checkpoint/checkpoint-ref.ts";
import type { PriceSegment } from "../cost/resource-record.ts";
import type { AttemptOutcome, EndStatus } from "../events/event-types.ts";
import type { HostFinal } from "../host/records.ts";
import type { Intent, UnavailablePool } from "../provider/intent.ts";
import type { Money } from "../provider/money.ts";
import type { Offer } from "../provider/offer.ts";
import type { VolumeInfo, VolumeRequest } from "../provider/provider.ts";
import type { Machine, MachineState } from "../provider/resource.ts";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";

/** A failure as plain data, as it stands in the log and in results. */
export interface FailureRecord {
  code: string;
  what: string;
  why: string;
  fix: string[];
}

/** How we came to know something. */
export type Evidence = "observed" | "told-by-host" | "inferred";

/** What somebody asked of a run. The newest of each kind counts; cancel beats stop beats suspend. */
export type UserRequest =
  | { request: "stop"; graceMs?: number | undefined; reason?: string | undefined }
  | { request: "cancel"; reason?: string | undefined }
  | { request: "suspend"; reason?: string | undefined }
  | { request: "start" };

/**
 * The events of a run's log: everything the engine ever knows about a run. Decisions are made from these alone, so a run can be
 * replayed from its log. Members are only ever added; readers ignore types they do not know.
 */
export type RunLogEvent =
  | {
      type: "run-created";
      v: 1;
      runId: string;
      /** Whose run it is: several states may share one store. */
      stateId: string;
      spec: ResolvedSpec;
      /** SHA-256 of the canonical spec: what an idempotency key is compared by. */
      specHash: string;
      /** Base URI of the store; everything of the run is below `<storeUri>runs/<runId>/`. Ends with "/". */
      storeUri: string;
      code: { manifestKey: string; sha256: string; files: number; bytes: number } | null;
      /** Names of secrets whose values only the first driver has. */
      literalSecrets: string[];
      resumedFrom?:
        | { runId: string; manifestKey: string; checkpoint: CheckpointRef; rejected?: Array<{ path: string; reason: string }> | undefined }
        | undefined;
    }
  | { type: "lease-taken"; session: string }
  | { type: "lease-released"; session: string }
  | ({ type: "user-request" } & UserRequest)
  | { type: "intent-recorded"; intent: Intent; offer: Offer; allowanceUsd: number | null; settleMs: number }
  | { type: "intent-created"; intentId: string; machine: Machine; pricePerHour?: Money | undefined }
  | { type: "intent-unavailable"; intentId: string; pools: UnavailablePool[] }
  | { type: "intent-failed"; intentId: string; error: FailureRecord; retryable: boolean }
  | { type: "intent-ambiguous"; intentId: string; error: FailureRecord }
  | { type: "intent-void"; intentId: string; reason: string }
  /** A volume of the spec (by its place there) is about to be made: durable before the call, with everything the call needs. */
  | { type: "volume-wanted"; index: number; provider: string; intentId: string; request: VolumeRequest; tags: Record<string, string> }
  /** It was found, or it is made. `owned`: made by this run. */
  | { type: "volume-held"; index: number; volume: VolumeInfo; owned: boolean }
  /** Certainly never made. */
  | { type: "volume-void"; index: number }
  | { type: "volume-deleted"; index: number }
  /** An existing machine (`machine:`): used, never ended. */
  | { type: "machine-used"; machine: Machine; pricePerHour?: Money | undefined }
  | {
      type: "attempt-planned";
      attempt: number;
      machineId: string;
      nonce: string;
      /** Keys of manifests, best first. */
      resume: string[];
      allowance: { seconds: number | null; hardSeconds: number };
      maxDurationSeconds: number | null;
    }
  | { type: "attempt-armed"; attempt: number }
  | { type: "attempt-phase"; attempt: number; phase: string }
  | { type: "attempt-started"; attempt: number; startedAt: string; resumedFrom?: CheckpointRef | undefined }
  | { type: "attempt-told"; attempt: number; op: string }
  | {
      type: "attempt-ended";
      attempt: number;
      outcome: AttemptOutcome;
      cause: string;
      endedAt: string;
      evidence: Evidence;
      final?: HostFinal | undefined;
      error?: FailureRecord | undefined;
    }
  /** More of the project's money for an attempt under way. */
  | { type: "allowance-granted"; attempt: number; seq: number; seconds: number; hardSeconds: number; usd: number }
  | { type: "checkpoint-published"; attempt: number; manifestKey: string; checkpoint: CheckpointRef }
  | { type: "checkpoint-rejected"; attempt: number; path: string; reason: string }
  | { type: "checkpoints-pruned"; manifestKeys: string[] }
  | { type: "notice-received"; attempt: number; action: string; until: string | null; source: string }
  /** The run waited for `limits.maxRunning` and may buy now: looking for a machine begins here. */
  | { type: "slot-taken" }
  | { type: "machine-state"; machineId: string; state: MachineState; reason?: string | undefined }
  | { type: "machine-end-asked"; machineId: string; action: "terminate" | "stop" | "start" }
  | { type: "machine-ended"; machineId: string; endedAt: string; evidence: Evidence; reason?: string | undefined }
  /** The provider's own record of a machine that ended: minimum billing, rounding, changed prices. Empty: it told none. */
  | { type: "machine-billed"; machineId: string; segments: PriceSegment[] }
  | { type: "fallback"; from: string; to: string; fromPricePerHour?: Money | undefined; toPricePerHour?: Money | undefined; reason: string }
  | { type: "budget-warning"; fraction: number; spentUsd: number; budgetUsd: number }
  | { type: "cost-threshold"; threshold: string; limitUsd: number; actualUsd: number }
  | { type: "secrets-missing"; names: string[] }
  | { type: "secrets-supplied" }
  | { type: "alarm"; id: string; what: string; why: string; fix: string[] }
  | { type: "alarm-cleared"; id: string }
  | { type: "run-ended"; status: EndStatus; error?: FailureRecord | undefined };

/** A log event with its place. */
export interface LoggedEvent {
  seq: number;
  at: string;
  session: string;
  event: RunLogEvent;
}
