import type { CheckpointRef } from "../checkpoint/checkpoint-ref.ts";
import type { Money } from "../provider/money.ts";
import type { Machine } from "../provider/resource.ts";

/** Opaque place in a stream of events or logs; survives processes. */
export type Cursor = string;

export type EndStatus = "succeeded" | "failed" | "cancelled" | "stopped" | "timed-out" | "out-of-budget" | "lost";
export type RunStatus =
  | "queued"
  | "provisioning"
  | "preparing"
  | "running"
  | "recovering"
  | "needs-secrets"
  | "suspended"
  | "stopping"
  | EndStatus;

/** How one attempt ended. */
export type AttemptOutcome =
  | "succeeded"
  | "failed"
  | "interrupted"
  | "stopped"
  | "cancelled"
  | "timed-out"
  | "out-of-budget"
  | "suspended"
  | "lost"
  | "never-started";

interface EventBase {
  v: 1;
  cursor: Cursor;
  /** ISO. */
  at: string;
  runId?: string | undefined;
  attempt?: number | undefined;
}

/** Everything that happens, one discriminated union, noun-verb. New members are minor changes: have a default branch. */
export type RunctlEvent = EventBase &
  (
    | { type: "run-status"; status: RunStatus; previous?: RunStatus | undefined; reason?: string | undefined }
    | { type: "attempt-started"; machineId: string; provider: string; market: string; resumedFrom?: CheckpointRef | undefined }
    | { type: "attempt-interrupted"; cause: string; newestCheckpoint?: CheckpointRef | undefined }
    | { type: "attempt-ended"; outcome: AttemptOutcome; exitCode?: number | undefined; signal?: string | undefined; cause: string }
    | { type: "machine-created"; machine: Machine; pricePerHour?: Money | undefined }
    | { type: "machine-ended"; machineId: string; evidence: "observed" | "told-by-host" | "inferred"; cost?: Money | undefined }
    | {
        type: "operation-progress";
        operation: "staging" | "dependencies" | "image" | "volume" | "transfer";
        done: number;
        total?: number | undefined;
        unit: "bytes" | "files" | "steps" | "lines";
        detail?: string | undefined;
      }
    | { type: "checkpoint-published"; checkpoint: CheckpointRef }
    | { type: "checkpoint-rejected"; path: string; reason: string }
    | { type: "notice-received"; action: string; endsAt?: string | undefined; source: string }
    | {
        type: "fallback";
        from: string;
        to: string;
        fromPricePerHour?: Money | undefined;
        toPricePerHour?: Money | undefined;
        reason: string;
      }
    | { type: "cost-threshold"; threshold: string; limit: Money; actual: Money }
    | { type: "budget-warning"; fraction: number; spent: Money; budget: Money }
    | { type: "work-lost"; what: string[] }
    | { type: "alarm"; id: string; what: string; why: string; fix: string[] }
  );

/** An event of one run. */
export type RunEvent = RunctlEvent & { runId: string };
