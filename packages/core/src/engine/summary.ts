import type { CostBreakdown } from "../cost/cost.ts";
import { addCosts, costOfAll } from "../cost/cost-of.ts";
import type { RunState } from "./run-state.ts";
import type { RunSummary } from "./run-types.ts";
import { segmentsOf } from "./spent.ts";
import { statusOf } from "./status.ts";

/** The run in one row. `driver` is its lease holder if that one is alive. */
export function summaryOf(state: RunState, view: { now: number; driver: string | undefined }): RunSummary {
  const machines = Object.values(state.machines);
  const newest = machines.at(-1);
  const started = state.attempts.find((attempt) => attempt.startedAt !== undefined)?.startedAt;
  const provider = newest?.machine.ref.provider;
  const market = newest === undefined ? undefined : (marketOf(state, newest.id) ?? "on-demand");
  return {
    id: state.runId,
    ...(state.spec.name === undefined ? {} : { name: state.spec.name }),
    project: state.spec.project,
    user: state.spec.user,
    status: statusOf(state),
    unattended: state.ended === undefined && view.driver === undefined,
    ...(view.driver === undefined ? {} : { driver: view.driver }),
    machines: machines.filter((machine) => machine.endedAt === undefined).map((machine) => ({ ...machine.machine, state: machine.state })),
    attempt: state.attempts.at(-1)?.number ?? 0,
    ...(provider === undefined ? {} : { provider }),
    ...(market === undefined ? {} : { market }),
    createdAt: state.createdAt,
    ...(started === undefined ? {} : { startedAt: started }),
    ...(state.ended === undefined ? {} : { endedAt: state.ended.at }),
    cost: costOfRun(state, view.now),
    labels: state.spec.labels,
  };
}

/** What the run cost until `now`, or until its end: machines kept afterwards are the ledger's, not the run's. */
export function costOfRun(state: RunState, now: number): CostBreakdown {
  const end = Math.max(state.ended === undefined ? now : Date.parse(state.ended.at), Date.parse(state.createdAt));
  const machines = Object.values(state.machines);
  const costs = (over: boolean, until: number): CostBreakdown =>
    costOfAll(
      machines
        .filter((machine) => (machine.endedAt !== undefined && machine.bills !== undefined) === over)
        .map((machine) => ({ label: machine.id, segments: segmentsOf(machine) })),
      { now: until },
    );
  // A bill is what it is: minimum billing and rounding reach past the run's end.
  const bills = machines.flatMap((machine) => (machine.bills ?? []).map((bill) => (bill.to === undefined ? end : Date.parse(bill.to))));
  return addCosts([costs(false, end), costs(true, Math.max(end, ...bills))]);
}

/** The market a machine was bought in, by its intent's offer. */
export function marketOf(state: RunState, machineId: string): string | undefined {
  const intentId = state.machines[machineId]?.intentId;
  return intentId === undefined ? undefined : state.intents[intentId]?.offer.market;
}
