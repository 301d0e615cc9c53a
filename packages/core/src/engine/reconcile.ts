import type { Notice } from "../provider/plan.ts";
import type { FindResult, TrainingProvider } from "../provider/provider.ts";
import { formatRef, type Machine } from "../provider/resource.ts";
import { TAGS } from "../provider/tags.ts";
import { isPinnedAccount } from "../purchase/account-pin.ts";
import { sleep } from "../util/sleep.ts";
import { within } from "../util/within.ts";
import { isSettled } from "./decide-end.ts";
import type { Engine } from "./engine.ts";
import { failureRecord } from "./failure.ts";
import { isHolderGone } from "./holder-gone.ts";
import { rebuildRuns } from "./rebuild.ts";
import { loadRun } from "./run-log.ts";
import { liveMachines, type RunState } from "./run-state.ts";

/** What reconcile did, or would do. Ids are in text form. */
export interface ReconcileReport {
  dryRun: boolean;
  /** Runs whose lost logs were written anew (`adoptState`). */
  rebuilt: string[];
  /** Machines that a run's open intent turned out to have bought, now in its log. */
  adopted: string[];
  /** Machines of ours that nobody wants: ended. */
  ended: string[];
  /** Ours, but not understood: nothing was done to them. */
  reported: Notice[];
  /** Things at the providers that are not this state's. Never touched. */
  foreign: string[];
  /** True when a provider could not be listed whole: what was not seen was not judged. */
  partial: boolean;
  failures: Notice[];
}

/** One provider that hangs must not hold the others' machines. */
const CALL_LIMIT_MS = 120_000;

/** How long an open purchase may take to become clear before reconcile leaves it to the next one. */
const SETTLE_LIMIT_MS = 180_000;

/**
 * Brings the log and the providers together: open intents are adopted or voided, unwanted machines of ours ended, the rest
 * reported. Touches only what carries this state's id. Buys nothing.
 */
export async function reconcile(
  engine: Engine,
  options: {
    dryRun?: boolean | undefined;
    rebuildFrom?: string | undefined;
    /** Ends a machine that nobody wants, and keeps the ledger of it. Default: asks its provider, once. */
    end?: (provider: TrainingProvider, machine: Machine) => Promise<void>;
  },
): Promise<ReconcileReport> {
  const { context } = engine;
  const report: ReconcileReport = {
    dryRun: options.dryRun === true,
    rebuilt: [],
    adopted: [],
    ended: [],
    reported: [],
    foreign: [],
    partial: false,
    failures: [],
  };
  if (options.rebuildFrom !== undefined && !report.dryRun) report.rebuilt.push(...(await rebuildRuns(context, options.rebuildFrom)));
  const before = await liveRuns(engine, report);
  if (!report.dryRun) await tidyRuns(engine, before, report);
  for (const provider of context.providers.all())
    await sweep(engine, provider, report, options.end ?? ((from, machine) => from.terminate(machine.ref)));
  return report;
}

async function liveRuns(engine: Engine, report: ReconcileReport): Promise<RunState[]> {
  const states: RunState[] = [];
  for await (const info of engine.context.state.list("run/")) {
    if (info.ended) continue;
    const runId = info.stream.slice("run/".length);
    try {
      const state = await loadRun(engine.context.state, runId);
      if (state !== undefined) states.push(state);
    } catch (error) {
      const { what, why, fix } = failureRecord(error);
      report.reported.push({ id: `unreadable-run/${runId}`, what, why, fix });
    }
  }
  return states;
}

/** Drives every run that nobody drives until nothing hangs in the air, without buying. */
async function tidyRuns(engine: Engine, states: RunState[], report: ReconcileReport): Promise<void> {
  const { clock } = engine.context;
  for (const state of states) {
    if (engine.driverOf(state.runId) !== undefined) continue;
    const known = new Set(Object.keys(state.machines));
    if (!(await takeOver(engine, state))) continue;
    const driver = engine.driverOf(state.runId);
    if (driver === undefined) continue;
    driver.handOver();
    const until = clock.monotonic() + SETTLE_LIMIT_MS;
    // A run that somebody cancelled is unwanted: what trains for it is ended here, not only looked after.
    // Neither is an end that was asked for and not confirmed left to somebody else.
    const isEnding = (): boolean => liveMachines(driver.state).some((machine) => machine.owned && machine.asked?.action === "terminate");
    const hangs = (): boolean => !driver.handedOver || driver.state.requests.cancel !== undefined || isEnding();
    while (hangs() && !driver.signal.aborted && clock.monotonic() < until) await sleep(clock, 25);
    for (const machine of Object.values(driver.state.machines)) {
      if (!known.has(machine.id)) report.adopted.push(machine.id);
      if (machine.endedAt !== undefined && state.machines[machine.id]?.endedAt === undefined) report.ended.push(machine.id);
    }
    await engine.letGo(state.runId);
  }
}

/** Drives a run if its holder is gone; a dead one on another computer is waited out, so that one reconcile is enough. */
async function takeOver(engine: Engine, { runId, lease }: RunState): Promise<boolean> {
  let got = await engine.tryDrive(runId);
  if (got === "held" && (await isHolderGone(engine.context, lease))) got = await engine.tryDrive(runId);
  return got === "driving";
}

async function sweep(
  engine: Engine,
  provider: TrainingProvider,
  report: ReconcileReport,
  end: (provider: TrainingProvider, machine: Machine) => Promise<void>,
): Promise<void> {
  const { context } = engine;
  let found: FindResult;
  try {
    if (!(await within(context.clock, CALL_LIMIT_MS, `${provider.name}.identity`, isPinnedAccount(context.state, provider)))) {
      report.partial = true;
      report.failures.push(otherAccount(provider.name));
      return;
    }
    found = await within(context.clock, CALL_LIMIT_MS, `${provider.name}.find`, provider.find({ includeForeign: true }));
  } catch (error) {
    report.partial = true;
    const { what, why, fix } = failureRecord(error);
    report.failures.push({ id: `provider/${provider.name}`, what, why, fix });
    return;
  }
  if (!found.complete) report.partial = true;
  for (const machine of found.machines) {
    const id = formatRef(machine.ref);
    if (machine.tags[TAGS.state] !== context.stateId) {
      report.foreign.push(id);
      continue;
    }
    const judged = await judge(engine, machine);
    // One that ended by itself before anybody knew of it has cost money: it goes into the ledger, too.
    if (judged === "wanted" || (machine.state === "ended" && judged !== "stray")) continue;
    if (judged !== "unwanted" && judged !== "stray") {
      report.reported.push(judged);
      continue;
    }
    try {
      if (!report.dryRun) await end(provider, machine);
      if (machine.state !== "ended") report.ended.push(id);
    } catch (error) {
      const { what, why, fix } = failureRecord(error);
      report.failures.push({ id, what, why, fix });
    }
  }
}

function otherAccount(provider: string): Notice {
  return {
    id: `account/${provider}`,
    what: `The credentials of ${provider} are of another account than the one this state's machines were bought in.`,
    why: "What another account lists says nothing about our machines; nothing there was looked at or ended.",
    fix: ["Use the credentials of the account that is pinned in this state.", "Use a state store of its own for the other account."],
  };
}

/** Is a machine that carries our state id wanted? Only what our own log says is over may be ended. "stray": unwanted, and in no log. */
async function judge(engine: Engine, machine: Machine): Promise<"wanted" | "unwanted" | "stray" | Notice> {
  const id = formatRef(machine.ref);
  const runId = machine.tags[TAGS.run];
  // Standalone machines have their own ledger and their own reconcile.
  if (runId === undefined) return "wanted";
  if (engine.driverOf(runId) !== undefined) return "wanted";
  let state: RunState | undefined;
  try {
    state = await loadRun(engine.context.state, runId);
  } catch {
    return unknownRun(id, runId, "its log cannot be read");
  }
  if (state === undefined) return unknownRun(id, runId, "this state has no such run");
  const record = state.machines[id];
  // A kept machine of an ended run is the user's own wish.
  if (record !== undefined) return state.ended !== undefined && isSettled(state) ? "unwanted" : "wanted";
  const intent = state.intents[machine.tags[TAGS.intent] ?? ""];
  if (intent === undefined) return state.ended === undefined ? unknownRun(id, runId, "the run never asked for it") : "stray";
  const closed = intent.status === "void" || intent.status === "failed" || intent.status === "unavailable" || state.ended !== undefined;
  return closed ? "stray" : "wanted";
}

function unknownRun(id: string, runId: string, reason: string): Notice {
  return {
    id: `unknown-run/${id}`,
    what: `${id} carries this state's id and names run ${runId}, but ${reason}.`,
    why: "It may hold work and it costs money; it is not ended on doubt.",
    fix: ["Look at it with `runctl.machines.get(id)`.", "End it with `runctl.machines.terminate(id, { force: true })`."],
  };
}
