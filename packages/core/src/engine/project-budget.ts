import { ConflictError } from "../errors/kinds.ts";
import type { ProjectBudget } from "../spec/options.ts";
import { isoNow } from "../util/clock.ts";
import type { EngineContext } from "./context.ts";
import { ESCROW, projectFacts } from "./project-log.ts";

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
    const { version, escrows } = await projectFacts(state);
    // Copied: others of this process read on meanwhile.
    const others = new Map(escrows);
    others.delete(request.runId);
    const spending = await context.spending();
    const free = freeUsd(projectBudget, spending, await openEscrow(context, others), request);
    const slice = (request.priceUsdPerHour * SLICE_MS) / 3_600_000;
    const grant = Math.max(request.heldUsd, request.spentUsd + Math.min(free, slice));
    if (grant <= request.spentUsd) return 0;
    // Nothing more: what is held already is written down.
    if (grant === request.heldUsd) return grant;
    try {
      const event = { type: ESCROW, runId: request.runId, usd: grant, perHourUsd: request.priceUsdPerHour };
      await state.append("project", [event], { expected: version, session: session.id, at: isoNow(clock) });
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
  escrow: Escrow,
  request: { priceUsdPerHour: number; heldUsd: number },
): number {
  const rooms: number[] = [];
  if (budget.total !== undefined) rooms.push(budget.total - spending.totalUsd - escrow.usd);
  if (budget.perDay !== undefined) rooms.push(budget.perDay - spending.todayUsd - escrow.usd);
  // A run that holds money already has its machine among those that run.
  const added = request.heldUsd > 0 ? 0 : request.priceUsdPerHour;
  if (budget.perHour !== undefined && spending.perHourUsd + escrow.perHourUsd + added > budget.perHour) rooms.push(0);
  return Math.max(0, Math.min(...rooms, Number.POSITIVE_INFINITY));
}

/** What was promised and is not in the ledger yet. */
interface Escrow {
  usd: number;
  perHourUsd: number;
}

/** Allowances of runs that go on, less what the ledger has of them: spent money, and machines that are there. */
async function openEscrow(context: EngineContext, held: ReadonlyMap<string, Escrow>): Promise<Escrow> {
  const open: Escrow = { usd: 0, perHourUsd: 0 };
  for (const [runId, promised] of held) {
    const run = await context.openRun(runId);
    if (run === undefined) continue;
    open.usd += Math.max(0, promised.usd - run.spentUsd);
    open.perHourUsd += Math.max(0, promised.perHourUsd - run.perHourUsd);
  }
  return open;
}
