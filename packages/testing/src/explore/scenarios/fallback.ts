import type { Scenario } from "../scenario.ts";
import { SMALL_CLOUD } from "./small-cloud.ts";

/** No spot machine is to be had; after a minute the run falls back, and the first on-demand pool is full as well. */
export const fallback: Scenario = {
  name: "fallback",
  title: "no capacity then fallback",
  cloud: {
    ...SMALL_CLOUD,
    pools: [
      { market: "spot", capacity: 0 },
      { market: "on-demand", zone: "us-test-1a", capacity: 0 },
    ],
  },
  job: { steps: 6, stepSeconds: 10, saveEverySteps: 3 },
  async program({ runctl, spec }) {
    const run = await runctl.train(spec({ key: "fallback", market: "spot-then-on-demand", fallbackAfter: "1m" }));
    await run.result();
  },
  ends: { fallback: ["succeeded"] },
};
