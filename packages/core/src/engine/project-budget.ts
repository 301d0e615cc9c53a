import { ConflictError } from "../errors/kinds.ts";
import type { ProjectBudget } from "../spec/options.ts";
import { isoNow } from "../util/clock.ts";
import type { EngineContext } from "./context.ts";

const TYPE = "escrow-set";
/** One grant lasts this long at the machine's highest price; the driver renews it at half time, so that runs share what is left. */
const SLICE_MS = 3_600_000;

/** What a project has spent so far, by its ledger. */
export interface ProjectSpending {
  totalUsd: number;
  todayUsd: number;
  perHourUsd: number;
}

/** True when the project limits money at all. */
export function hasProjectBudget(budget: ProjectBudget): boolean {
  return budget.perDay !== undefined || budget.total !== undefined || budget.perHour !== undefined;
}

/**
 * Sets aside money for a run before it is spent, so that the sum of what all runs may spend never passes a limit: the project's
 * stream is the lock. Returns the run's whole allowance in USD (what it holds already included), or 0 when nothing is left.
 */
export async function setAside(
  context: EngineContext,
  request: { runId: string; spentUsd: number; priceUsdPerHour: number; heldUsd: number },
): Promise<number> {
  const { state, clock, session, projectBudget } = context;
  for (;;) {
    const events = await state.read("project");
    const spending = await context.spending();
    const others = escrows(events.map((stored) => stored.event));
    others.delete(request.runId);
    const free = freeUsd(projectBudget, spending, await openEscrow(context, others), request);
    const slice = (request.priceUsdPerHour * SLICE_MS) / 3_600_000;
    const grant = Math.max(request.heldUsd, request.spentUsd + Math.min(free, slice));
    if (grant <= request.spentUsd) return 0;
    // Nothing more: what is held already is written down.
    if (grant === request.heldUsd) return grant;
    try {
      const event = { type: TYPE, runId: request.runId, usd: grant };
      await state.append("project", [event], { expected: events.length, session: session.id, at: isoNow(clock) });
      return grant;
    } catch (error) {
      if (!ConflictError.isInstance(error)) throw error;
    }
  }
}

/** What could still be given to this run without passing any limit. */
function freeUsd(
  budget: ProjectBudget,
  spending: ProjectSpending,
  escrowUsd: number,
  request: { priceUsdPerHour: number; heldUsd: number },
): number {
  const rooms: number[] = [];
  if (budget.total !== undefined) rooms.push(budget.total - spending.totalUsd - escrowUsd);
  if (budget.perDay !== undefined) rooms.push(budget.perDay - spending.todayUsd - escrowUsd);
  // A run that holds money already has its machine among those that run.
  const added = request.heldUsd > 0 ? 0 : request.priceUsdPerHour;
  if (budget.perHour !== undefined && spending.perHourUsd + added > budget.perHour) rooms.push(0);
  return Math.max(0, Math.min(...rooms, Number.POSITIVE_INFINITY));
}

/** Newest allowance by run. */
function escrows(events: ReadonlyArray<Record<string, unknown>>): Map<string, number> {
  const held = new Map<string, number>();
  for (const event of events) {
    if (event.type === TYPE && typeof event.runId === "string" && typeof event.usd === "number") held.set(event.runId, event.usd);
  }
  return held;
}

/** Allowances of runs that go on, less what they have spent of them: that part is in the ledger already. */
async function openEscrow(context: EngineContext, held: Map<string, number>): Promise<number> {
  let open = 0;
  for (const [runId, usd] of held) {
    const spent = await context.openRunSpent(runId);
    if (spent !== undefined) open += Math.max(0, usd - spent);
  }
  return open;
}
