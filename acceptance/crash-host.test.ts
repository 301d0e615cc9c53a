import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileState, Runctl, type RunResult } from "@runctl/core";
import { local } from "@runctl/provider-local";
import { describe, expect, it } from "vitest";
import { CrashBed, seeded } from "./support/crash-bed.ts";

const KILLS = Number(process.env.RUNCTL_HOST_CRASHES ?? 20);
const STEPS = 8;
const TRAINING_MS = 900;

/** Pids that the host agent wrote down for the newest attempt. */
async function pidsOf(bed: CrashBed): Promise<{ supervisor: number; guardian: number; runner: number; training: number }> {
  const machines = join(bed.dir, "home", "machines");
  const [machine = ""] = await readdir(machines);
  const [run = ""] = await readdir(join(machines, machine, "runs"));
  const attempts = await readdir(join(machines, machine, "runs", run));
  const dir = join(machines, machine, "runs", run, attempts.sort().at(-1) ?? "");
  const pid = async (file: string): Promise<number> => Number(/\d+/.exec(await readFile(join(dir, file), "utf8"))?.[0]);
  const runner = JSON.parse(await readFile(join(dir, "runner.json"), "utf8")) as { pid: number };
  return {
    supervisor: await pid("supervisor.pid"),
    guardian: await pid("guardian.pid"),
    runner: await pid("runner.pid"),
    training: runner.pid,
  };
}

async function killOnce(seed: number, who: (pids: Awaited<ReturnType<typeof pidsOf>>) => number[]): Promise<RunResult> {
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
    try {
      for (const pid of who(await pidsOf(bed))) process.kill(pid, "SIGKILL");
    } catch (error) {
      // The run was faster than the kill: that moment is after the end.
      if (!["ESRCH", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
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
    for (let kill = 0; kill < KILLS; kill++) {
      const result = await killOnce(1000 + kill, (pids) => [pids.supervisor]);
      expect(result.attempts.map((attempt) => attempt.outcome)).toEqual(["succeeded"]);
    }
  });

  it(`P-24: the training, ${KILLS} times: it is retried from its newest good checkpoint`, { timeout: 600_000 }, async () => {
    for (let kill = 0; kill < KILLS; kill++) {
      const result = await killOnce(2000 + kill, (pids) => [pids.training]);
      const outcomes = result.attempts.map((attempt) => attempt.outcome);
      expect([["succeeded"], ["failed", "succeeded"]]).toContainEqual(outcomes);
      if (outcomes.length > 1 && result.checkpoints.some((checkpoint) => checkpoint.attempt === 1))
        expect(result.attempts[1]?.resumedFrom).toBeDefined();
    }
  });

  it("the whole group at once looks like a machine that vanished", { timeout: 600_000 }, async () => {
    for (let kill = 0; kill < Math.ceil(KILLS / 4); kill++) {
      const result = await killOnce(3000 + kill, (pids) => [pids.guardian, pids.supervisor, pids.runner, pids.training]);
      expect(result.attempts.at(-1)?.outcome).toBe("succeeded");
    }
  });
});
