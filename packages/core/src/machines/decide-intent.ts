import type { Machine } from "../provider/resource.ts";
import { keepOldest } from "../purchase/perform-create.ts";
import type { ResourceState } from "../tracker/evolve-resource.ts";

/** What is known about a purchase besides its stream. */
export interface IntentSight {
  /** Machines that carry our state's id and the intent's id. */
  machines: readonly Machine[];
  /** The listing was complete, so that absence means "not visible now". */
  complete: boolean;
  /** The process that wrote the intent may still be at work on it. */
  creatorAlive: boolean;
  /** Milliseconds since the epoch; when the intent was written. */
  recordedAt: number;
  settleMs: number;
  now: number;
}

export type IntentDecision =
  | { type: "none" }
  /** Too early to say. */
  | { type: "wait" }
  | { type: "adopt"; machine: Machine; duplicates: Machine[] }
  | { type: "end"; machines: Machine[] }
  /** Absence is never a proof: the intent is void, and what appears of it is ended. */
  | { type: "void" }
  | { type: "sweep-done" };

/** So long something of a void intent may still appear (architecture.md, "Buying safely"). */
export const SWEEP_MS = 24 * 3_600_000;

/** What to do about one purchase after a crash, or any time later. Pure. */
export function decideIntent(state: ResourceState, sight: IntentSight): IntentDecision {
  const { intent, purchase } = state;
  if (intent === undefined || purchase === undefined || purchase === "closed" || purchase === "swept") return { type: "none" };
  const live = sight.machines.filter((machine) => machine.state !== "ended");
  if (purchase === "created") {
    // A late duplicate of something that is there already.
    const surplus = live.filter((machine) => machine.ref.id !== state.record?.ref.id);
    return surplus.length > 0 && !sight.creatorAlive ? { type: "end", machines: surplus } : { type: "none" };
  }
  if (purchase === "void") {
    if (live.length > 0) return { type: "end", machines: live };
    const since = sight.now - Date.parse(state.voidSince ?? "");
    return sight.complete && since >= SWEEP_MS ? { type: "sweep-done" } : { type: "wait" };
  }
  if (sight.creatorAlive) return { type: "wait" };
  if (live.length > 0) {
    if (sight.now > Date.parse(intent.endBy)) return { type: "end", machines: live };
    const { machines, duplicates } = keepOldest(live, 1);
    return { type: "adopt", machine: machines[0], duplicates };
  }
  const visible = sight.now - sight.recordedAt >= sight.settleMs;
  return sight.complete && visible && purchase === "open" ? { type: "void" } : { type: "wait" };
}
