import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileState, Runctl, type RunResult } from "@runctl/core";
import { local } from "@runctl/provider-local";
import { describe, expect, it } from "vitest";
import { CrashBed, moments, seeded } from "./support/crash-bed.ts";

const KILLS = Number(process.env.RUNCTL_HOST_CRASHES ?? 20);
const STEPS = 8;
const TRAINING_MS = 900;
/** Runs at a time: more of them than processors, for each mostly waits. */
const WIDTH = 3;

interface Pids {
  supervisor: number[];
  guardian: number[];
  runner: number[];
  training: number[];
}

/** Pids that the host agent wrote down for the newest attempt; empty where it wrote none yet, or has taken it away again. */
async function pidsOf(bed: CrashBed): Promise<Pids> {
  const newest = async (folder: string): Promise<string> => join(folder, (await readdir(folder).catch(() => [])).sort().at(-1) ?? "none");
  const dir = await newest(await newest(join(await newest(join(bed.dir, "home", "machines")), "runs")));
  const pids = async (file: string, field: RegExp): Promise<number[]> => {
    const found = field.exec(await readFile(join(dir, file), "utf8").catch(() => ""))?.[1];
    return found === undefined ? [] : [Number(found)];
  };
  return {
    supervisor: await pids("supervisor.pid", /^(\d+)/),
    guardian: await pids("guardian.pid", /^(\d+)/),
    // The training's pid, start time and boot come first in it.
    runner: await pids("runner.pid", /^\d+ \S+ \S+ (\d+)/),
    training: await pids("runner.json", /"pid":\s*(\d+)/),
  };
}

async function killOnce(seed: number, who: (pids: Pids) => number[]): Promise<RunResult> {
  const bed = await CrashBed.make();
  const state = fileState(join(bed.dir, "state"));
  const runctl = new Runctl({
    project: "crash",
    user: "tester",
    providers: [local({ home: join(bed.dir, "home"), pricePerHour: 1 })],
    state,
  });
  try {
    const run = await runctl.train(bed.spec(STEPS, 0.1), { until: "running" });
    // The moment is the test's input.
    await delay(seeded(seed)() * TRAINING_MS);
    for (const pid of who(await pidsOf(bed))) {
      try {
        process.kill(pid, "SIGKILL");
      } catch (error) {
        // That one ended before: the run was faster than the kill.
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
    const result = await run.result();
    await bed.audit(result, STEPS);
    return result;
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await runctl.close();
    await state.close();
    await bed.remove();
  }
}

describe("processes of the training machine are killed", () => {
  it(`P-09: the supervisor, ${KILLS} times: the training goes on and nothing is repeated`, { timeout: 600_000 }, async () => {
    await moments(KILLS, WIDTH, async (kill) => {
      const result = await killOnce(1000 + kill, (pids) => pids.supervisor);
      expect(result.attempts.map((attempt) => attempt.outcome)).toEqual(["succeeded"]);
    });
  });

  it(`P-24: the training, ${KILLS} times: it is retried from its newest good checkpoint`, { timeout: 600_000 }, async () => {
    await moments(KILLS, WIDTH, async (kill) => {
      const result = await killOnce(2000 + kill, (pids) => pids.training);
      const outcomes = result.attempts.map((attempt) => attempt.outcome);
      expect([["succeeded"], ["failed", "succeeded"]]).toContainEqual(outcomes);
      if (outcomes.length > 1 && result.checkpoints.some((checkpoint) => checkpoint.attempt === 1))
        expect(result.attempts[1]?.resumedFrom).toBeDefined();
    });
  });

  it("the whole group at once looks like a machine that vanished", { timeout: 600_000 }, async () => {
    await moments(Math.ceil(KILLS / 4), WIDTH, async (kill) => {
      const result = await killOnce(3000 + kill, (pids) => [pids.guardian, pids.supervisor, pids.runner, pids.training].flat());
      expect(result.attempts.at(-1)?.outcome).toBe("succeeded");
    });
  });
});
