import type { Money } from "../provider/money.ts";
import type { MachineState, ResourceRef } from "../provider/resource.ts";

/** How we know an interval's bounds. "billed" is the provider's own record and beats the others. */
export type Evidence = "observed" | "told-by-host" | "inferred" | "billed";

/** One stretch of time at one price. The ledger is made of these; costs are computed from them, never stored. */
export interface PriceSegment {
  /** ISO. */
  from: string;
  /** ISO; absent while it runs. */
  to?: string | undefined;
  what: "compute" | "storage" | "transfer";
  /** Absent: unknown, which makes every total that contains it incomplete. A declared 0 is a price. */
  pricePerHour?: Money | undefined;
  evidence: Evidence;
}

/** One billable thing as the ledger knows it, whoever made it (a run, `machines.create`, `volumes.create`, `register`). */
export interface ResourceRecord {
  /** Text form of `ref`. */
  id: string;
  ref: ResourceRef;
  name: string;
  state: MachineState;
  stateId: string;
  project: string;
  user: string;
  runId?: string | undefined;
  attempt?: number | undefined;
  tags: Record<string, string>;
  type?: string | undefined;
  market?: string | undefined;
  region?: string | undefined;
  zone?: string | undefined;
  /** The provider's own time where it told one, else when the create call returned. */
  createdAt: string;
  endedAt?: string | undefined;
  segments: PriceSegment[];
}

/** Where records come from: the runs' logs (engine), the tracker's own streams. Ended runs may be cut off by `from`. */
export interface ResourceSource {
  records(options?: { from?: string | undefined }): AsyncIterable<ResourceRecord>;
}
