import type { Money, StoredEvent } from "@runctl/core";
import { parseDuration, runStream } from "@runctl/core/seams";
import { World } from "../world/world.ts";
import { checkChoices, type ReplayOptions } from "./choices.ts";
import { type RecordedRun, recordedRun } from "./recorded-run.ts";
import { jobOf, type ReplayedJob } from "./replay-job.ts";
import { figuresOf, type ReplayReport } from "./report.ts";
import { type Scenario, scenarioOf } from "./scenario.ts";
import { type PricedTrace, readTraceFile } from "./spot-trace.ts";

const DAY_MS = 86_400_000;
/** Corrections of start-up times: each replays the record's own choices once. */
const CALIBRATIONS = 2;

/**
 * Runs a recorded run again under other choices: the real engine, on an emulated cloud and hosts that follow the record, under a
 * virtual clock. Says what it would have cost and how long it would have taken. Costs nothing, buys nothing, touches no network.
 * `log`: all events of one run's stream, from any state store. @throws ValidationError for a log that is none, or wrong choices.
 */
export async function replay(log: readonly StoredEvent[], options: ReplayOptions = {}): Promise<ReplayReport> {
  checkChoices(options);
  const run = recordedRun(log);
  const trace = typeof options.market === "object" && options.market.trace !== undefined ? await traceOf(options.market.trace) : undefined;
  const { startups, fidelity } = await calibrate(run, options);
  const scenario = scenarioOf(run, options, trace);
  const job = jobOf(run, options);
  for (const [attempt, ms] of startups) job.startups.set(attempt, ms);
  const outcome = await simulate(run, scenario, job, options);
  const recorded = figuresOf(run, run.cost);
  const bought = scenario.unpriced.filter(({ market, type }) =>
    outcome.run.machines.some((machine) => machine.market === market && machine.offer?.type === type),
  );
  const replayed = figuresOf(outcome.run, bought.length === 0 ? outcome.cost : undefined);
  return {
    runId: run.runId,
    recorded,
    replayed,
    difference: { ...costDifference(recorded.cost, replayed.cost), durationMs: replayed.durationMs - recorded.durationMs },
    ...limits(run, scenario, options, replayed),
    fidelity,
    assumptions: [...scenario.assumptions, ...job.assumptions],
    unknown: [...bought.map(noPrice), ...scenario.unknown, ...job.unknown],
    log: outcome.log,
  };
}

function noPrice({ market, type }: Scenario["unpriced"][number]): string {
  return `The ${market} price of ${type} is not in the record: give market.${market === "spot" ? "spot" : "onDemand"}.`;
}

interface Outcome {
  run: RecordedRun;
  /** By the cloud's invoice. */
  cost: Money;
  log: StoredEvent[];
}

async function traceOf(given: string | PricedTrace): Promise<PricedTrace> {
  return typeof given === "string" ? readTraceFile(given) : given;
}

/**
 * Replays the record's own choices and compares: what the engine itself needs between two recorded moments is in the recorded start-up
 * times and in the replay's own, and is taken out once here.
 */
async function calibrate(
  run: RecordedRun,
  options: ReplayOptions,
): Promise<{ startups: Map<number, number>; fidelity: ReplayReport["fidelity"] }> {
  const own: ReplayOptions = { job: options.job, limit: options.limit };
  const job = jobOf(run, own);
  let fidelity: ReplayReport["fidelity"] = { durationShare: 0 };
  for (let round = 0; round <= CALIBRATIONS; round++) {
    const scenario = scenarioOf(run, own, undefined);
    const fresh = jobOf(run, own);
    for (const [attempt, ms] of job.startups) fresh.startups.set(attempt, ms);
    const outcome = await simulate(run, scenario, fresh, own);
    const before = figuresOf(run, run.cost);
    const after = figuresOf(outcome.run, outcome.cost);
    const share = (a: number, b: number): number => (b === 0 ? Math.abs(a) : Math.abs(a - b) / b);
    fidelity = {
      ...(before.cost === undefined || after.cost === undefined ? {} : { costShare: share(after.cost.amount, before.cost.amount) }),
      durationShare: share(after.durationMs, before.durationMs),
    };
    const moved = correct(run, outcome.run, job);
    if (!moved) break;
  }
  return { startups: job.startups, fidelity };
}

/** Moves each start-up by what the replay's attempt began too late or too early on its machine. False: nothing to move. */
function correct(run: RecordedRun, again: RecordedRun, job: ReplayedJob): boolean {
  let moved = false;
  for (const attempt of run.attempts) {
    const twin = again.attempts.find(({ number }) => number === attempt.number);
    if (twin?.startedAtMs === undefined || attempt.startedAtMs === undefined) continue;
    const late = twin.startedAtMs - twin.plannedAtMs - (attempt.startedAtMs - attempt.plannedAtMs);
    if (late === 0) continue;
    const known = job.startups.get(attempt.number) ?? 0;
    const corrected = Math.max(0, known - late);
    moved ||= corrected !== known;
    job.startups.set(attempt.number, corrected);
  }
  return moved;
}

async function simulate(run: RecordedRun, scenario: Scenario, job: ReplayedJob, options: ReplayOptions): Promise<Outcome> {
  const limitMs = options.limit === undefined ? 90 * DAY_MS : parseDuration(options.limit, "limit");
  const world = new World({
    seed: run.runId,
    clouds: [scenario.cloud],
    job: (circumstances) => job.job(circumstances),
    start: run.createdAt,
    record: "none",
  });
  try {
    const { runctl } = world.controller();
    const began = world.clock.now();
    const spec = world.spec(scenario.spec);
    runctl.on("attempt-ended", (event) => {
      if (event.outcome === "failed") job.failed();
    });
    arrange(world, scenario, began);
    const handle = await world.run(runctl.train(spec));
    for (const { atMs, request, graceMs } of run.requests) {
      world.clock.timer(atMs, () => {
        const asked = request === "stop" ? handle.stop({ grace: graceMs }) : request === "cancel" ? handle.cancel() : undefined;
        asked?.catch(() => undefined);
      });
    }
    const over = Symbol("over");
    const limit = new Promise<typeof over>((resolve) => void world.clock.timer(limitMs, () => resolve(over)));
    await world.run(Promise.race([handle.result(), limit]));
    const log = await world.state.read(runStream(handle.id));
    const [cloud] = world.clouds;
    const invoice = cloud?.invoice();
    return { run: recordedRun(log), cost: { amount: round(invoice?.compute ?? 0), currency: invoice?.currency ?? "USD" }, log };
  } finally {
    world.dispose();
  }
}

/** Takes machines away at the scenario's moments. */
function arrange(world: World, scenario: Scenario, began: number): void {
  const [cloud] = world.clouds;
  if (cloud === undefined) return;
  for (const { market, noticeAtMs, atMs, action } of scenario.reclaims) {
    world.clock.timer(began + noticeAtMs - world.clock.now(), () => {
      for (const machine of cloud.machines()) {
        if (machine.market !== market || machine.endedAt !== undefined) continue;
        cloud.reclaim(machine.id, { noticeMs: Math.max(0, atMs - noticeAtMs), action: action === "stop" ? "stop" : "terminate" });
      }
    });
  }
}

function limits(
  run: RecordedRun,
  scenario: Scenario,
  options: ReplayOptions,
  replayed: ReplayReport["replayed"],
): Pick<ReplayReport, "budget" | "deadline"> {
  const { policy = {} } = options;
  const maxCost = policy.budget === undefined ? run.spec.budget?.maxCost : policy.budget?.maxCost;
  const isDone = replayed.status === "succeeded";
  const met = replayed.cost === undefined || maxCost === undefined ? undefined : isDone && replayed.cost.amount <= maxCost;
  const { deadline } = scenario.spec;
  const at = deadline === undefined ? undefined : new Date(deadline).toISOString();
  const ends = Date.parse(run.createdAt) + replayed.durationMs;
  return {
    ...(maxCost === undefined ? {} : { budget: { maxCost, met } }),
    ...(at === undefined ? {} : { deadline: { at, met: isDone && ends <= Date.parse(at) } }),
  };
}

function costDifference(before: Money | undefined, after: Money | undefined): { cost?: Money } {
  if (before === undefined || after === undefined || before.currency !== after.currency) return {};
  return { cost: { amount: round(after.amount - before.amount), currency: after.currency } };
}

function round(amount: number): number {
  return Math.round(amount * 1e6) / 1e6;
}
