import type { PriceSegment, ResourceRecord } from "../cost/resource-record.ts";
import { transition } from "../cost/transition.ts";
import type { Intent } from "../provider/intent.ts";
import type { ResourceEvent, UsageSample } from "./resource-events.ts";

/** How far a purchase has come; "open" may have been sent and needs reconciling. */
export type PurchaseStatus = "open" | "queued" | "created" | "closed" | "void" | "swept";

/** One resource stream, folded. */
export interface ResourceState {
  intent?: Intent | undefined;
  project?: string | undefined;
  user?: string | undefined;
  purchase?: PurchaseStatus | undefined;
  /** ISO: since when a purchase is void. */
  voidSince?: string | undefined;
  record?: ResourceRecord | undefined;
  /** A run's log leads the record. */
  mirror: boolean;
  usage: UsageSample[];
  /** Deletion is under way since then. */
  tombstone?: { at: string; why: string } | undefined;
}

/** As many usage samples are kept as the old tool kept (original.md §1.4). */
export const USAGE_KEPT = 1_000;

export const NEW_RESOURCE: ResourceState = { mirror: false, usage: [] };

/** Folds one event. Pure; unknown types change nothing. */
export function evolveResource(state: ResourceState, event: ResourceEvent): ResourceState {
  switch (event.type) {
    case "intent-recorded":
      return { ...state, intent: event.intent, project: event.project, user: event.user, purchase: "open" };
    case "purchase-created":
      return { ...state, purchase: "created", record: event.record };
    case "purchase-queued":
      return { ...state, purchase: "queued" };
    case "purchase-closed":
      return { ...state, purchase: "closed" };
    case "purchase-void":
      return { ...state, purchase: "void", voidSince: state.voidSince ?? event.at };
    case "purchase-swept":
      return { ...state, purchase: "swept" };
    case "registered":
      return { ...state, record: event.record, mirror: event.mirror ?? false };
    case "observed": {
      if (state.record === undefined) return state;
      const seen = transition(state.record, event);
      // Until the provider has said twice that it is gone, something under deletion stays "ending" in the ledger and goes on costing (P-05).
      const record = state.tombstone !== undefined && seen.state !== "ended" ? { ...seen, state: "ending" as const } : seen;
      return { ...state, record: event.tags === undefined ? record : { ...record, tags: event.tags } };
    }
    case "usage":
      return { ...state, usage: [...state.usage, event.sample].slice(-USAGE_KEPT) };
    case "billed":
      return state.record === undefined
        ? state
        : { ...state, record: { ...state.record, segments: withBills(state.record.segments, event.segments) } };
    case "tombstone": {
      const tombstone = state.tombstone ?? { at: event.at, why: event.why };
      if (state.record === undefined || state.record.state === "ended") return { ...state, tombstone };
      return { ...state, tombstone, record: { ...state.record, state: "ending" } };
    }
    case "gone":
      return state.record === undefined
        ? state
        : { ...state, record: transition(state.record, { state: "ended", at: event.at, evidence: event.evidence ?? "observed" }) };
    default:
      return state;
  }
}

/** The newer bill of the same stretch replaces the older one: a stretch that grows keeps its beginning. */
function withBills(segments: readonly PriceSegment[], bills: readonly PriceSegment[]): PriceSegment[] {
  const key = (segment: PriceSegment): string => `${segment.what} ${segment.from}`;
  const again = new Set(bills.map(key));
  return [...segments.filter((segment) => segment.evidence !== "billed" || !again.has(key(segment))), ...bills];
}
