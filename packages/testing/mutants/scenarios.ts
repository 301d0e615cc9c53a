import type { Scenario } from "../src/explore/scenario.ts";
import { failing } from "../src/explore/scenarios/failing.ts";
import { onDemand } from "../src/explore/scenarios/on-demand.ts";
import { spotTwice } from "../src/explore/scenarios/spot-twice.ts";

/** Worlds that a mutant needs and the explorer has no scenario for. */
export const MORE_SCENARIOS: readonly Scenario[] = [
  {
    ...onDemand,
    name: "lagging",
    title: "listings lag 45 s",
    cloud: { ...onDemand.cloud, listing: { lagMs: 45_000 } },
    async program({ runctl, spec }) {
      // Bounded: an engine that takes its machines for gone buys for ever.
      const run = await runctl.train(spec({ key: "on-demand", retries: { interruptions: 2 } }));
      await run.result();
    },
  },
  {
    ...onDemand,
    name: "slow-cloud",
    title: "every answer of the cloud takes 3 s",
    cloud: { ...onDemand.cloud, latencyMs: 3_000 },
  },
  {
    ...onDemand,
    name: "no-tag-policy",
    title: "a cloud that takes machines without tags",
    cloud: { ...onDemand.cloud, requiredTags: [] },
  },
  {
    ...spotTwice,
    name: "budget-on-spot",
    title: "a budget over two attempts",
    cloud: {
      transitions: { pendingMs: 5_000, endingMs: 3_000 },
      types: [{ name: "dear", cpus: 4, memoryBytes: 2 ** 34, onDemand: 72, spot: 36 }],
      spot: { noticeMs: 30_000, reclaimAfterMs: [250_000] },
    },
    job: { steps: 200, stepSeconds: 10, saveEverySteps: 3 },
    async program({ runctl, spec }) {
      const run = await runctl.train(spec({ key: "spot", market: "spot", budget: { maxCost: 6, onExceeded: "stop" } }));
      await run.result();
    },
    ends: { spot: ["out-of-budget"] },
  },
  {
    ...failing,
    name: "keep-two",
    title: "two checkpoints are kept, and the script fails after five",
    job: ({ resumedStep }) => ({
      steps: 14,
      stepSeconds: 10,
      saveEverySteps: 2,
      ...(resumedStep < 10 ? { failAt: { step: 11, code: 3 } } : {}),
    }),
    async program({ runctl, spec }) {
      // Whoever begins before step 10 fails at step 11: the run gets through only from its newest checkpoint.
      const run = await runctl.train(spec({ key: "failing", retries: { failures: 1 }, checkpoints: { keep: { last: 2 } } }));
      await run.result();
    },
  },
];
