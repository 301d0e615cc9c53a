import type { ResourceRecord } from "../cost/resource-record.ts";
import type { Money } from "../provider/money.ts";
import type { MachineState, ResourceRef } from "../provider/resource.ts";

/** Yes, no, or we cannot tell; what cannot be told is kept. */
export type Doubtful = boolean | "unknown";

/** Everything that is judged about one resource. Gathered fresh; the rules are pure functions of it. */
export interface CleanupFacts {
  id: string;
  ref: ResourceRef;
  name: string;
  /** Milliseconds since the epoch. */
  now: number;
  stateId: string;
  /** The provider's own words of just now; undefined: could not be read. */
  tags?: Record<string, string> | undefined;
  state?: MachineState | undefined;
  /** A complete listing did not have it. */
  absent: boolean;
  /** ISO, by the provider's record. */
  createdAt?: string | undefined;
  pricePerHour?: Money | undefined;
  record?: ResourceRecord | undefined;
  /** How our own state knows of it. */
  known: "ledger" | "intent" | "unknown";
  driver: { runId?: string | undefined; active: Doubtful; why: string };
  activity: { active: Doubtful; why: string };
  account: { pinned?: string | undefined; actual?: string | undefined };
  /** protect() was called here. */
  protectedHere: Doubtful;
  /** A purchase of ours that was given up but came to be. */
  failedCreate: boolean;
  /** Its deletion was decided before and is not confirmed. */
  deleting: boolean;
  /** ISO: its own limit. */
  endBy?: string | undefined;
  /** Ids of things that need it; it goes after them. */
  neededBy: string[];
}
