import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "@runctl/core";
import { describe, expect, it } from "vitest";
import { CrashBed, moments, seeded } from "./support/crash-bed.ts";

const KILLS = Number(process.env.RUNCTL_CRASHES ?? 100);
const STEPS = 8;
/** Runs at a time: more of them than processors, for each mostly waits. */
const WIDTH = 3;

describe("the controlling process is killed", () => {
  it(`P-01, P-08: at ${KILLS} random moments, every run still ends with the right result`, { timeout: 1_200_000 }, async () => {
    const random = seeded(20261122);
    const life = await undisturbed();
    const at = Array.from({ length: KILLS }, () => random() * life);
    const modes = ["train", "drive", "attach"] as const;
    let killed = 0;
    await moments(KILLS, WIDTH, async (kill) => {
      const bed = await CrashBed.make();
      const spec = bed.spec(STEPS, 0.1);
      const moment = at[kill] ?? 0;
      try {
        const first = bed.start("train", spec);
        await first.said("up");
        // The moment of the kill is the test's input, not a wait for something.
        await Promise.race([delay(moment), first.ended]);
        first.child.kill("SIGKILL");
        if ((await first.ended) === null) killed += 1;
        const recorded = first.lines.some((line) => line.startsWith("recorded"));
        const result = await bed.finish(recorded ? (modes[kill % 3] ?? "train") : "train", spec);
        await bed.audit(result, STEPS);
      } catch (error) {
        throw new Error(`kill ${kill} at ${moment.toFixed(0)} ms: ${error instanceof Error ? error.message : String(error)}`);
      } finally {
        await bed.remove();
      }
    });
    // Most of the moments met a living controller: the rest came after the end.
    expect(killed).toBeGreaterThan(KILLS * 0.6);
  });
});

/** Milliseconds from a controller's first line to its end on this machine, a little more: where the moments are drawn from. */
async function undisturbed(): Promise<number> {
  const bed = await CrashBed.make();
  try {
    const controller = bed.start("train", bed.spec(STEPS, 0.1));
    await controller.said("up");
    const began = systemClock.monotonic();
    await controller.ended;
    return (systemClock.monotonic() - began) * 1.1;
  } finally {
    await bed.remove();
  }
}
