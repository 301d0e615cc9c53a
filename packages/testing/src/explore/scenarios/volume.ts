import type { Scenario } from "../scenario.ts";
import { SMALL_CLOUD } from "./small-cloud.ts";

/** A run that makes two volumes, trains with them, loses its spot machine once, and deletes one of them at its end. */
export const volume: Scenario = {
  name: "volume",
  title: "volume attached",
  cloud: { ...SMALL_CLOUD, spot: { noticeMs: 30_000, reclaimAfterMs: [70_000] } },
  job: { steps: 10, stepSeconds: 10, saveEverySteps: 3 },
  async program({ runctl, spec }) {
    const run = await runctl.train(
      spec({
        key: "volume",
        market: "spot",
        volumes: [
          { create: { name: "data", sizeBytes: 10e9 }, mount: "/data", onEnd: "keep" },
          { create: { name: "scratch", sizeBytes: 10e9 }, mount: "/scratch", onEnd: "delete" },
        ],
      }),
    );
    await run.result();
  },
  ends: { volume: ["succeeded"] },
};
