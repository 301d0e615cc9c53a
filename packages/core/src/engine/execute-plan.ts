import { selectResume } from "../checkpoint/published.ts";
import { randomId } from "../util/random.ts";
import { openIntent } from "./decide-train.ts";
import type { DriverPort } from "./driver-port.ts";
import type { MachineRecord, RunState } from "./run-state.ts";
import { spentAtMostUsd, trainedMs } from "./spent.ts";
import { runUri } from "./store-keys.ts";

/** The guardian's longest leash when nothing else limits a run (host-and-state.md §1). */
const DEFAULT_HARD_SECONDS = 7 * 24 * 3600;
/** Kept back from a budget so that the last save and upload are inside it: the grace and half a minute, at most a tenth of a large budget. */
const SAVE_RESERVE_SECONDS = 30;
/** Besides the grace: telling the training, a small checkpoint, ending the machine. */
const STOP_SECONDS = 3;

/** Decides with what the next attempt starts: checkpoint candidates, nonce, allowance. */
export async function planAttempt(driver: DriverPort, machineId: string, attempt: number): Promise<void> {
  const { state } = driver;
  const machine = state.machines[machineId];
  if (machine === undefined || openIntent(state) !== undefined) return;
  const madeAt = state.version;
  const secrets = await driver.context.secrets(driver.runId, state.spec);
  if (secrets.missing.length > 0) {
    await driver.decided([{ type: "secrets-missing", names: secrets.missing }], madeAt);
    return;
  }
  const { resume, rejected } = await resumeCandidates(driver, attempt);
  const limits = limitsOf(state, machine, driver.context.clock.now());
  await driver.decided(
    [
      { type: "attempt-planned", attempt, machineId, nonce: randomId(driver.context.random, 24), resume, ...limits },
      ...rejected.map(({ path, reason }) => ({ type: "checkpoint-rejected" as const, attempt, path, reason })),
    ],
    madeAt,
  );
}

/** Manifests to resume from, best first, and why others are passed over. */
async function resumeCandidates(
  driver: DriverPort,
  attempt: number,
): Promise<{ resume: string[]; rejected: Array<{ path: string; reason: string }> }> {
  const { state } = driver;
  const { checkpoints } = state.spec;
  if (checkpoints === false || checkpoints.resume === "never") return { resume: [], rejected: [] };
  const given = state.resumedFrom === undefined ? [] : [state.resumedFrom.manifestKey];
  if (attempt === 1 && state.checkpoints.length === 0) return { resume: given, rejected: state.resumedFrom?.rejected ?? [] };
  const store = driver.context.store(state.storeUri);
  const selected = await selectResume(store, runUri(state.storeUri, driver.runId), {});
  const own = selected.candidates.map(
    (checkpoint) => `runs/${driver.runId}/ckpt/${checkpoint.attempt}/${String(checkpoint.seq).padStart(6, "0")}/manifest.json`,
  );
  return { resume: [...own, ...given], rejected: selected.rejected };
}

/** Seconds the host may train and may live, from budget, deadline and maxDuration. The price used is its upper bound. */
export function limitsOf(
  state: RunState,
  machine: MachineRecord,
  now: number,
): { allowance: { seconds: number | null; hardSeconds: number }; maxDurationSeconds: number | null } {
  const { spec } = state;
  let hard = DEFAULT_HARD_SECONDS;
  let allowed: number | null = null;
  const intent = machine.intentId === undefined ? undefined : state.intents[machine.intentId];
  const price = intent?.offer.maxPricePerHour?.amount ?? machine.pricePerHour?.amount;
  const rooms: number[] = [];
  if (spec.budget?.onExceeded === "stop") rooms.push(spec.budget.maxCost - spentAtMostUsd(state, now));
  if (intent?.allowanceUsd != null) rooms.push(intent.allowanceUsd - spentAtMostUsd(state, now));
  if (rooms.length > 0 && price !== undefined && price > 0) {
    const seconds = Math.max(0, (Math.min(...rooms) / price) * 3600);
    const grace = spec.checkpoints === false ? 30 : spec.checkpoints.graceMs / 1000;
    // A tenth, but never less than a stop needs (up to half): a small budget would be passed while its checkpoint is saved.
    const least = Math.min(grace + STOP_SECONDS, seconds * 0.5);
    allowed = Math.max(0, seconds - Math.min(grace + SAVE_RESERVE_SECONDS, Math.max(least, seconds * 0.1)));
    hard = Math.min(hard, seconds);
  }
  const rest: number[] = [];
  if (spec.maxDurationMs !== undefined) {
    rest.push((spec.maxDurationMs - state.attempts.reduce((sum, attempt) => sum + trainedMs(attempt), 0)) / 1000);
  }
  if (spec.deadline !== undefined) {
    const left = (Date.parse(spec.deadline) - now) / 1000;
    rest.push(left);
    hard = Math.min(hard, left + SAVE_RESERVE_SECONDS);
  }
  const maxDuration = rest.length === 0 ? null : Math.max(0, Math.min(...rest));
  return { allowance: { seconds: allowed, hardSeconds: Math.max(1, hard) }, maxDurationSeconds: maxDuration };
}
