import type { Run, RunResult, RunSpec } from "@runctl/core";
import { asLogged, type RunLogEvent } from "@runctl/core/seams";
import type { EmulatedCloudOptions } from "../cloud/cloud-options.ts";
import type { Controller } from "../world/controller.ts";
import { World } from "../world/world.ts";
import type { BudgetCase } from "./budget-case.ts";

/** What became of a budget. */
export interface BudgetOutcome {
  seed: number;
  status: string;
  budgetUsd: number;
  /** By the cloud's own meters. */
  billedUsd: number;
  /** Billed beyond the budget, as a share of it; 0: within. */
  overshoot: number;
  attempts: number;
  /** Steps that the last attempt did and no published checkpoint holds, though there was time to save them; undefined: there was none. */
  stepsLost?: number | undefined;
}

const HOUR_MS = 3_600_000;
/** What a budget may be passed by, as a share of it. */
export const MAX_OVERSHOOT = 0.005;
/** Nothing of a budget lasts longer: the guardian's longest leash and a week for those who come back late. */
const LIMIT_MS = 30 * 24 * HOUR_MS;
const STEP_SECONDS = 10;
/** Telling the training, sealing the file, the last records. */
const SLACK_SECONDS = 5;

/** Runs one case to the end of its last machine. Same case, same outcome. */
export async function simulateBudget(made: BudgetCase): Promise<BudgetOutcome> {
  using world = new World({
    seed: made.seed,
    clouds: [cloudOf(made)],
    job: {
      steps: made.steps,
      stepSeconds: STEP_SECONDS,
      saveEverySteps: made.saveEverySteps,
      saveSeconds: made.saveSeconds,
      uploadSeconds: made.uploadSeconds,
      setupSeconds: made.setupSeconds,
      onSignal: made.onSignal,
      silent: true,
    },
    record: "none",
    // A purchase whose buyer dies before it is armed is watched by the provider's boot hook only.
    bootGuard: true,
  });
  const result = await driveThrough(world, made);
  const [cloud] = world.clouds;
  // What a controller still ends, and what ends itself, is billed until then.
  for (let waited = 0; (cloud?.living ?? 0) > 0 && waited < LIMIT_MS; waited += 60_000) await world.clock.advance(60_000);
  const billedUsd = cloud?.invoice().total ?? 0;
  return {
    seed: made.seed,
    status: result.status,
    budgetUsd: made.budgetUsd,
    billedUsd,
    overshoot: Math.max(0, billedUsd / made.budgetUsd - 1),
    attempts: result.attempts.length,
    stepsLost: stepsLost(world, made, result.runId),
  };
}

function cloudOf(made: BudgetCase): EmulatedCloudOptions {
  return {
    regions: [{ name: "r", zones: ["r-a"] }],
    types: [
      {
        name: "gpu.1",
        cpus: 8,
        memoryBytes: 2 ** 35,
        onDemand: made.onDemandPrice,
        spot: made.spotPrices.map(([at, price]) => ({ at: at * 1000, price })),
      },
    ],
    pools: [{ market: "spot", maxPrice: made.maxPrice }],
    spot: {
      noticeMs: made.noticeSeconds * 1000,
      ...(made.meanReclaimSeconds === undefined ? {} : { meanReclaimMs: made.meanReclaimSeconds * 1000 }),
    },
    transitions: { pendingMs: made.pendingSeconds * 1000, endingMs: made.endingSeconds * 1000 },
    latencyMs: 200,
    keepEvents: 0,
  };
}

/** One controller after another, until one sees the run's end. */
async function driveThrough(world: World, made: BudgetCase): Promise<RunResult> {
  const spec = world.spec({
    market: made.market,
    budget: { maxCost: made.budgetUsd },
    checkpoints: { grace: made.graceSeconds * 1000 },
    allow: ["budget-too-small"],
    retries: { capacity: "30d" },
  });
  const began = world.clock.monotonic();
  let controller = world.controller();
  let runId = await begin(world, controller, spec);
  for (const death of made.deaths) {
    const left = death.at * 1000 - (world.clock.monotonic() - began);
    const result = runId === undefined ? undefined : await resultWithin(world, controller, runId, left);
    if (result !== undefined) return result;
    controller.kill();
    await world.clock.advance(death.goneFor * 1000);
    controller = world.controller();
    runId ??= world.state.streams.find((stream) => stream.startsWith("run/"))?.slice("run/".length);
  }
  const run = runId === undefined ? await world.run(controller.runctl.train(spec)) : await world.run(controller.runctl.attach(runId));
  return world.run(run.result(), { limitMs: LIMIT_MS });
}

async function begin(world: World, controller: Controller, spec: RunSpec): Promise<string | undefined> {
  return (await world.run(controller.runctl.train(spec))).id;
}

/** The run's result if it comes in the next `ms`; undefined otherwise. */
async function resultWithin(world: World, controller: Controller, runId: string, ms: number): Promise<RunResult | undefined> {
  if (ms <= 0) return undefined;
  const run: Run = await world.run(controller.runctl.attach(runId));
  const time = new Promise<undefined>((resolve) => void world.clock.timer(ms, () => resolve(undefined)));
  return world.run(Promise.race([run.result(), time]));
}

/** What an attempt that the budget ended left unsaved; undefined where nothing could be saved. */
function stepsLost(world: World, made: BudgetCase, runId: string): number | undefined {
  const last = world.hosts.trainings.filter((training) => training.runId === runId).at(-1);
  if (last === undefined || made.onSignal !== "save") return undefined;
  const events = world.log(runId).map((text): RunLogEvent => asLogged(JSON.parse(text)).event);
  const ended = events.findLast((event) => event.type === "attempt-ended");
  const planned = events.findLast((event) => event.type === "attempt-planned");
  if (ended?.cause !== "allowance" || ended.attempt !== last.attempt || planned?.attempt !== last.attempt) return undefined;
  const { seconds, hardSeconds } = planned.allowance;
  const reserve = hardSeconds - (seconds ?? hardSeconds);
  // One save may be under way when the signal comes, and one upload.
  const needed = 2 * (made.saveSeconds + made.uploadSeconds) + SLACK_SECONDS;
  if (needed > reserve || made.saveSeconds * 2 > made.graceSeconds) return undefined;
  return last.stepsTo - Math.max(last.stepPublished ?? 0, last.stepsFrom);
}
