import type { StateStore } from "../state/state-store.ts";
import type { JsonObject } from "../util/json.ts";

/** What the project's stream says, as far as this process has read it. */
export interface ProjectFacts {
  /** Where the next event goes: the version that a decision was made on. */
  version: number;
  /** Newest allowance by run: the whole of what it may spend, and its machine's highest price per hour. */
  escrows: Map<string, { usd: number; perHourUsd: number }>;
  /** When a run took one of the project's slots, epoch milliseconds. */
  slots: Map<string, number>;
}

const KNOWN = new WeakMap<StateStore, ProjectFacts>();

/** The project's stream, read on from where this process was: it only grows, and every purchase under a budget asks for it. */
export async function projectFacts(state: StateStore): Promise<ProjectFacts> {
  const facts = KNOWN.get(state) ?? { version: 0, escrows: new Map(), slots: new Map() };
  for (const { seq, at, event } of await state.read("project", facts.version)) {
    // Two readers at once read the same.
    if (seq < facts.version) continue;
    take(facts, event, Date.parse(at));
    facts.version = seq + 1;
  }
  KNOWN.set(state, facts);
  return facts;
}

function take(facts: ProjectFacts, event: JsonObject, at: number): void {
  const { type, runId, usd, perHourUsd } = event;
  if (typeof runId !== "string") return;
  if (type === ESCROW && typeof usd === "number")
    facts.escrows.set(runId, { usd, perHourUsd: typeof perHourUsd === "number" ? perHourUsd : 0 });
  if (type === SLOT) facts.slots.set(runId, at);
}

/** Types of the events in the project's stream that this module reads. */
export const ESCROW = "escrow-set";
export const SLOT = "slot-taken";
