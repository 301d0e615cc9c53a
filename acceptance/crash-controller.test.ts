import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { CrashBed, seeded } from "./support/crash-bed.ts";

const KILLS = Number(process.env.RUNCTL_CRASHES ?? 100);
const STEPS = 8;
/** From the first line of a controller to the end of an undisturbed run, a little more. */
const LIFE_MS = 3_000;

describe("the controlling process is killed", () => {
  it.concurrent.each([0, 1])(
    `P-01, P-08: at ${KILLS} random moments, every run still ends with the right result (half %i)`,
    { timeout: 1_200_000 },
    async (half) => {
      const random = seeded(20261122 + half);
      const modes = ["train", "drive", "attach"] as const;
      for (let kill = half; kill < KILLS; kill += 2) {
        const bed = await CrashBed.make();
        const spec = bed.spec(STEPS, 0.1);
        const moment = random() * LIFE_MS;
        try {
          const first = bed.start("train", spec);
          await first.said("up");
          // The moment of the kill is the test's input, not a wait for something.
          await Promise.race([delay(moment), first.ended]);
          first.child.kill("SIGKILL");
          await first.ended;
          const recorded = first.lines.some((line) => line.startsWith("recorded"));
          const result = await bed.finish(recorded ? (modes[kill % 3] ?? "train") : "train", spec);
          await bed.audit(result, STEPS);
        } catch (error) {
          throw new Error(`kill ${kill} at ${moment.toFixed(0)} ms: ${error instanceof Error ? error.message : String(error)}`);
        } finally {
          await bed.remove();
        }
      }
      expect(KILLS).toBeGreaterThan(0);
    },
  );
});
