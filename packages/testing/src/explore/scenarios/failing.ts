import type { Scenario } from "../scenario.ts";
import { SMALL_CLOUD } from "./small-cloud.ts";

/** The script dies twice of its own and gets through the third time, from its checkpoint. */
export const failing: Scenario = {
  name: "failing",
  title: "failure with retries",
  cloud: SMALL_CLOUD,
  job: ({ resumedStep }) => ({
    steps: 10,
    stepSeconds: 10,
    saveEverySteps: 2,
    // It gets further each time, whoever plans the attempts and however often a machine is lost.
    ...(resumedStep < 6 ? { failAt: { step: resumedStep + 3, code: 3 } } : {}),
  }),
  async program({ runctl, spec }) {
    const run = await runctl.train(spec({ key: "failing", retries: { failures: 4 } }));
    await run.result();
  },
  ends: { failing: ["succeeded"] },
};
