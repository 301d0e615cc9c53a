import type { Scenario } from "../scenario.ts";
import { SMALL_CLOUD } from "./small-cloud.ts";

/** The first two spot machines are taken away with a notice of 30 s; the third finishes. */
export const spotTwice: Scenario = {
  name: "spot-twice",
  title: "spot with two interruptions",
  cloud: { ...SMALL_CLOUD, spot: { noticeMs: 30_000, reclaimAfterMs: [70_000, 60_000] } },
  job: { steps: 16, stepSeconds: 10, saveEverySteps: 3 },
  async program({ runctl, spec }) {
    const run = await runctl.train(spec({ key: "spot", market: "spot" }));
    await run.result();
  },
  ends: { spot: ["succeeded"] },
};
