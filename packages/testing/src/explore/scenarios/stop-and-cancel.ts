import type { Scenario } from "../scenario.ts";
import { SMALL_CLOUD } from "./small-cloud.ts";

/** Two runs: one is stopped, one is cancelled, both while their machines are still being made. */
export const stopAndCancel: Scenario = {
  name: "stop-and-cancel",
  title: "stop and cancel while provisioning",
  cloud: { ...SMALL_CLOUD, transitions: { pendingMs: 40_000, endingMs: 3_000 }, latencyMs: { create: 4_000 } },
  // Longer than any recovery: neither run may be over before it is asked to end.
  job: { steps: 600, stepSeconds: 10, saveEverySteps: 3 },
  async program({ runctl, spec, sleep }) {
    const stopped = await runctl.train(spec({ key: "stopped" }));
    const cancelled = await runctl.train(spec({ key: "cancelled" }));
    // In the middle of the create calls.
    await sleep(2_000);
    await stopped.stop({ reason: "tried" });
    await sleep(5_000);
    await cancelled.cancel();
    await stopped.result();
    await cancelled.result();
  },
  ends: { stopped: ["stopped"], cancelled: ["cancelled"] },
};
