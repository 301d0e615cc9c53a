import { prunePublished } from "../checkpoint/prune-published.ts";
import type { DriverPort } from "./driver-port.ts";
import { openAttempt, type RunState } from "./run-state.ts";
import { runUri } from "./store-keys.ts";

/** Is it time to apply retention: at least `every` new checkpoints, and more than the newest ones that stay anyway? */
export function wantsPruning(state: RunState, every: number): boolean {
  if (state.spec.checkpoints === false || state.spec.checkpoints.to !== undefined) return false;
  return state.unpruned >= every && state.checkpoints.length > state.spec.checkpoints.keep.last;
}

/** Removes published checkpoints that no rule keeps. Only the lease holder comes here; what an attempt resumed from stays. */
export async function prune(driver: DriverPort): Promise<void> {
  const { state } = driver;
  if (state.spec.checkpoints === false) return;
  const attempt = openAttempt(state);
  const resumable = new Set(attempt?.resume ?? []);
  const inUse = state.checkpoints.filter((known) => resumable.has(known.manifestKey)).map((known) => known.ref.location);
  // Candidates of an attempt that runs already are only kept until it has chosen.
  const used = attempt?.startedAt === undefined ? inUse : [attempt.resumedFrom?.location ?? []].flat();
  const store = driver.context.store(state.storeUri);
  const report = await prunePublished(store, runUri(state.storeUri, state.runId), state.spec.checkpoints.keep, {
    inUse: used,
    signal: driver.signal,
  });
  const gone = new Set(report.removed.map((removed) => removed.location));
  const manifestKeys = state.checkpoints.filter((known) => gone.has(known.ref.location)).map((known) => known.manifestKey);
  await driver.fact({ type: "checkpoints-pruned", manifestKeys });
}
