import type { Evidence, PriceSegment, ResourceRecord } from "../cost/resource-record.ts";
import type { Intent } from "../provider/intent.ts";
import type { Money } from "../provider/money.ts";
import type { MachineState } from "../provider/resource.ts";

/** A usage sample as the ledger keeps it: no command lines, for these can hold secrets. */
export interface UsageSample {
  /** ISO. */
  at: string;
  cpuPercent?: number | undefined;
  memoryUsedBytes?: number | undefined;
  memoryTotalBytes?: number | undefined;
  gpus: Array<{ utilizationPercent?: number | undefined; memoryUsedBytes?: number | undefined; memoryTotalBytes?: number | undefined }>;
  receivedBytes?: number | undefined;
  sentBytes?: number | undefined;
}

/**
 * What happens to one resource, the events of its stream `resource/<id>`. A purchase begins with "intent-recorded" (before the
 * create call); something that exists already begins with "registered". Readers skip types they do not know.
 */
export type ResourceEvent =
  | { type: "intent-recorded"; intent: Intent; project: string; user: string }
  | { type: "purchase-created"; record: ResourceRecord }
  | { type: "purchase-queued"; ref: string }
  /** Certainly nothing was bought. */
  | { type: "purchase-closed"; outcome: "unavailable" | "failed"; why: string }
  /** Something may exist: swept for 24 h, and what appears is ended. */
  | { type: "purchase-void"; at: string; why: string }
  | { type: "purchase-swept"; at: string }
  /** `mirror`: a run's log leads this record; only usage, bills and deletion are kept here. */
  | { type: "registered"; record: ResourceRecord; mirror?: boolean | undefined }
  | {
      type: "observed";
      state: MachineState;
      at: string;
      evidence: Evidence;
      pricePerHour?: Money | undefined;
      storagePricePerHour?: Money | undefined;
      tags?: Record<string, string> | undefined;
    }
  | { type: "usage"; sample: UsageSample }
  | { type: "billed"; segments: PriceSegment[] }
  /** Deletion was decided; written before the call. */
  | { type: "tombstone"; at: string; why: string }
  /** The provider said twice that it is gone. */
  | { type: "gone"; at: string; evidence?: Evidence | undefined };
