import type { Scenario } from "../scenario.ts";
import { SMALL_CLOUD } from "./small-cloud.ts";

/** One run on one machine, with checkpoints, to its good end. */
export const onDemand: Scenario = {
  name: "on-demand",
  title: "on-demand success",
  cloud: SMALL_CLOUD,
  job: { steps: 8, stepSeconds: 10, saveEverySteps: 3 },
  async program({ runctl, spec }) {
    const run = await runctl.train(spec({ key: "on-demand" }));
    await run.result();
  },
  ends: { "on-demand": ["succeeded"] },
};
