import type { RunSpec } from "@runctl/core";
import type { EmulatedCloudOptions } from "../cloud/cloud-options.ts";
import type { Job } from "../hosts/job-model.ts";
import type { FuzzMarket, FuzzSpec } from "./program.ts";

/** The cloud of a program. */
export function fuzzCloud(market: FuzzMarket): EmulatedCloudOptions {
  return {
    class: market.providerClass,
    regions: [{ name: "r", zones: ["r-a", "r-b"] }],
    types: [
      {
        name: "gpu.1",
        cpus: 8,
        memoryBytes: 2 ** 35,
        onDemand: market.onDemandPrice,
        spot: market.spotPrices.map(([at, price]) => ({ at: at * 1000, price })),
      },
    ],
    pools: [
      {
        market: "spot",
        maxPrice: market.onDemandPrice,
        capacity: market.spotCapacity.map(([at, machines]) => ({ at: at * 1000, machines })),
      },
    ],
    spot: { noticeMs: market.noticeSeconds * 1000 },
    listing: { lagMs: market.lagSeconds * 1000 },
    transitions: { pendingMs: 20_000, endingMs: 5_000, stoppingMs: 5_000 },
    latencyMs: 100,
    // A stopped machine's bill is asked for only when it ends: until then rounding and minimum are the provider's alone to know.
    billing: { granularitySeconds: 0, minimumSeconds: 0 },
  };
}

/** The job of a program. A crash comes once: the next attempt gets past it. */
export function fuzzJob(spec: FuzzSpec): Job {
  return ({ attempt }) => ({
    steps: spec.steps,
    stepSeconds: spec.stepSeconds,
    saveEverySteps: spec.saveEverySteps,
    saveSeconds: spec.saveSeconds,
    uploadSeconds: spec.uploadSeconds,
    setupSeconds: spec.setupSeconds,
    onSignal: spec.onSignal,
    ...(spec.failAtStep === null || spec.failAtStep > spec.steps || attempt % 2 === 0
      ? {}
      : { failAt: { step: spec.failAtStep, code: 3 } }),
  });
}

/** The spec of a program for a run made at `now`. */
export function fuzzRunSpec(spec: FuzzSpec, now: number): RunSpec {
  return {
    market: spec.market,
    ...(spec.market === "spot-then-on-demand" ? { fallbackAfter: "2m" } : {}),
    checkpoints: spec.checkpoints ? { grace: "20s" } : false,
    retries: { failures: spec.failures, capacity: "1h", ...(spec.interruptions === null ? {} : { interruptions: spec.interruptions }) },
    ...(spec.budgetUsd === null ? {} : { budget: { maxCost: spec.budgetUsd } }),
    ...(spec.deadlineMinutes === null ? {} : { deadline: new Date(now + spec.deadlineMinutes * 60_000).toISOString() }),
    ...(spec.maxDurationMinutes === null ? {} : { maxDuration: `${spec.maxDurationMinutes}m` }),
    onEnd: spec.onEnd,
    allow: ["budget-too-small", "spot-costs-more"],
  };
}
