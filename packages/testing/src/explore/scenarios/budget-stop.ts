import type { Scenario } from "../scenario.ts";
import { SMALL_CLOUD } from "./small-cloud.ts";

/** A machine of one cent a second and three and a half dollars to spend on a training that would cost ten. */
export const budgetStop: Scenario = {
  name: "budget-stop",
  title: "budget stop",
  cloud: {
    ...SMALL_CLOUD,
    types: [{ name: "dear", cpus: 4, memoryBytes: 2 ** 34, onDemand: 36 }],
  },
  job: { steps: 100, stepSeconds: 10, saveEverySteps: 3 },
  async program({ runctl, spec }) {
    const run = await runctl.train(spec({ key: "budget", budget: { maxCost: 3.5, onExceeded: "stop" } }));
    await run.result();
  },
  ends: { budget: ["out-of-budget"] },
};
