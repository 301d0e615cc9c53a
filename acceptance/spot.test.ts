import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Bed, COUNTING, eventually, output, withBed } from "./support/bed.ts";
import { Child } from "./support/child.ts";

const SPOT = { local: { spot: { pricePerHour: 0.4 } } };

/** Takes the machine away after each attempt's first checkpoint, `times` times. */
async function interrupt(bed: Bed, run: Awaited<ReturnType<Bed["runctl"]["train"]>>, times: number): Promise<void> {
  let done = 0;
  for await (const event of run.events()) {
    if (event.type !== "checkpoint-published" || event.attempt !== done + 1 || done === times) continue;
    done += 1;
    await bed.provider.simulateInterruption((await run.status()).machines.at(-1)?.ref.id ?? "");
  }
}

describe.concurrent("interruptions", () => {
  it("S-12: a spot machine taken away with no controller alive; the next one goes on from the newest checkpoint, with the same arguments", () =>
    withBed(async (bed) => {
      // The first attempt stays at a step: the machine is taken away in the middle, however slow this computer is.
      const stays = COUNTING.map((line) =>
        line.replace("sleep(pause)", "sleep(600 if (step, os.environ['RUNCTL_ATTEMPT']) == (6, '1') else pause)"),
      );
      const spec = await bed.script([...stays, "print(sys.argv[1:], flush=True)"], { args: ["12", "0.1", "a b"], market: "spot" });
      const child = await Child.start("client.ts", { dir: bed.dir, mode: "train", spec, spot: true });
      const runId = await child.word<string>("recorded");
      const ckpt = join(bed.storeOf(runId), "ckpt", "1");
      await eventually(async () => expect((await readdir(ckpt)).length).toBeGreaterThan(1));
      child.process.kill("SIGKILL");
      await child.ended;
      await bed.provider.simulateInterruption((await bed.machines())[0] ?? "");
      const next = bed.open();
      expect(await next.runs.get(runId)).toMatchObject({ unattended: true, attempt: 1 });
      const run = await next.attach(runId);
      const result = await run.result();
      expect(result.status).toBe("succeeded");
      expect(result.attempts.map((attempt) => [attempt.outcome, attempt.market])).toEqual([
        ["interrupted", "spot"],
        ["succeeded", "spot"],
      ]);
      const from = Number(/\d+/.exec(result.attempts[1]?.resumedFrom?.path ?? "")?.[0]);
      expect(from).toBeGreaterThan(0);
      expect(result.logTail[0]).toBe(`from ${from}`);
      expect(result.logTail.at(-1)).toBe("['12', '0.1', 'a b']");
      await bed.mustBeEmpty();
    }, SPOT));

  it("S-12: up to N times, then the run is lost, and says so", () =>
    withBed(async (bed) => {
      const spec = await bed.script(COUNTING, { args: ["1000", "0.1"], market: "spot", retries: { interruptions: 1 } });
      const run = await bed.runctl.train(spec);
      await interrupt(bed, run, 2);
      const result = await run.result();
      expect(result.status).toBe("lost");
      expect(result.attempts).toHaveLength(2);
      expect(result.error?.what).toMatch(/2 times.*allows 1/);
      expect(result.checkpoints.length).toBeGreaterThan(1);
      await bed.mustBeEmpty();
    }, SPOT));

  it("P-15: interruptions consume no crash retries; a crash after one is a crash", () =>
    withBed(async (bed) => {
      const spec = await bed.script(["import os, sys", "if os.environ['RUNCTL_ATTEMPT'] == '4': sys.exit(5)", ...COUNTING], {
        args: ["1000", "0.1"],
        market: "spot",
        retries: { failures: 0 },
      });
      const run = await bed.runctl.train(spec);
      await interrupt(bed, run, 3);
      const result = await run.result();
      expect(result.attempts.map((attempt) => attempt.outcome)).toEqual(["interrupted", "interrupted", "interrupted", "failed"]);
      expect(result.status).toBe("failed");
      expect(result.exitCode).toBe(5);
      expect(result.time.repeatedMs).toBeGreaterThanOrEqual(0);
      await bed.mustBeEmpty();
    }, SPOT));

  it("P-13: a script that always fails is retried as often as allowed, with growing pauses and its cost shown", () =>
    withBed(async (bed) => {
      const run = await bed.runctl.train(await bed.script(["raise SystemExit(3)"], { retries: { failures: 2 } }));
      const result = await run.result();
      expect(result.status).toBe("failed");
      expect(result.attempts.map((attempt) => attempt.outcome)).toEqual(["failed", "failed", "failed"]);
      const gaps = result.attempts
        .slice(1)
        .map((attempt, at) => Date.parse(attempt.startedAt ?? "") - Date.parse(result.attempts[at]?.endedAt ?? ""));
      expect(gaps[0]).toBeGreaterThanOrEqual(1_000);
      expect(gaps[1]).toBeGreaterThanOrEqual(2_000);
      expect(result.cost.total?.amount).toBeGreaterThan(0);
      await bed.mustBeEmpty();
    }));

  it("P-24: what the script deletes or half-writes on the machine never harms what was published", () =>
    withBed(async (bed) => {
      const spec = await bed.script([
        "import glob, json, os, time",
        "d = os.environ['RUNCTL_CHECKPOINT_DIR']",
        "json.dump({'step': 1}, open(d + '/step-001.json.tmp', 'w')); os.rename(d + '/step-001.json.tmp', d + '/step-001.json')",
        "print('saved', flush=True)",
        "store = os.environ['STORE'].replace('RUN', os.environ['RUNCTL_RUN_ID'])",
        "while not glob.glob(store + '/ckpt/1/*/manifest.json'): time.sleep(0.05)",
        "os.remove(d + '/step-001.json')",
        "half = open(d + '/step-002.json', 'w'); half.write('{\"step\": '); half.flush()",
        "print('half', flush=True)",
        "os.kill(os.getpid(), 9)",
      ]);
      const run = await bed.runctl.train({ ...spec, env: { STORE: bed.storeOf("RUN") } });
      const result = await run.result();
      expect(result.status).toBe("failed");
      expect(result.checkpoints.map((checkpoint) => checkpoint.path)).toEqual(["step-001.json"]);
      await run.download("checkpoints", join(bed.dir, "got"));
      const { readFile } = await import("node:fs/promises");
      expect(JSON.parse(await readFile(join(bed.dir, "got", "step-001.json"), "utf8"))).toEqual({ step: 1 });
    }));

  it("P-25: a torn newest checkpoint is passed over for the one before, with the reason", () =>
    withBed(async (bed) => {
      const run = await bed.runctl.train(await bed.script(COUNTING, { args: ["4", "0.7"] }));
      const result = await run.result();
      const [older, newest] = result.checkpoints.slice(-2);
      const { truncate } = await import("node:fs/promises");
      const { fileURLToPath } = await import("node:url");
      const location = newest?.location ?? "";
      await truncate(join(location.startsWith("file:") ? fileURLToPath(location) : location, newest?.path ?? ""), 3);
      const more = await bed.runctl.resume(run.id, { args: ["5", "0"] });
      const rejected: string[] = [];
      for await (const event of more.events()) if (event.type === "checkpoint-rejected") rejected.push(`${event.path}: ${event.reason}`);
      const after = await more.result();
      expect(after.status).toBe("succeeded");
      expect(after.logTail[0]).toBe(`from ${Number(/\d+/.exec(older?.path ?? "")?.[0])}`);
      expect(rejected.join()).toContain(newest?.path);
    }));

  it("P-27: an attempt that comes back as a zombie cannot replace what its successor published", () =>
    withBed(async (bed) => {
      const run = await bed.runctl.train(await bed.script(COUNTING, { args: ["200", "0.1"] }), { until: "running" });
      await eventually(async () => expect((await readdir(join(bed.storeOf(run.id), "ckpt", "1"))).length).toBeGreaterThan(1));
      // The whole machine is frozen: it looks dead to nobody's API, then vanishes from the listing, and comes back later.
      const frozen = bed.processes().filter(({ command }) => !command.startsWith("sleep"));
      bed.signal(frozen, "SIGSTOP");
      const machine = (await bed.machines())[0] ?? "";
      const { rename } = await import("node:fs/promises");
      await rename(join(bed.home, "machines", machine), join(bed.dir, "away"));
      await eventually(async () => expect((await run.status()).attempt).toBe(2));
      await eventually(async () => expect((await readdir(join(bed.storeOf(run.id), "ckpt", "2"))).length).toBeGreaterThan(1));
      await rename(join(bed.dir, "away"), join(bed.home, "machines", machine));
      bed.signal(frozen, "SIGCONT");
      const before = (await readdir(join(bed.storeOf(run.id), "ckpt", "2"))).length;
      await eventually(async () => expect((await readdir(join(bed.storeOf(run.id), "ckpt", "2"))).length).toBeGreaterThan(before + 3));
      const latest = await bed.runctl.checkpoints.latest(bed.storeOf(run.id));
      expect(latest.checkpoint?.published?.attempt).toBe(2);
      await run.cancel();
      expect((await run.result()).attempts.map((attempt) => attempt.outcome)).toEqual(["interrupted", "cancelled"]);
      // The machine was written off on absence; reconcile sees that it is there after all, and that nobody wants it.
      const report = await bed.runctl.reconcile();
      expect(report.ended.join()).toContain(machine);
      await bed.mustBeEmpty();
    }));

  it("P-25: checkpoints: { resume } starts from a file of the user's, and from a published one", () =>
    withBed(async (bed) => {
      await bed.file("start/step-005.json", '{"step": 5}');
      const spec = await bed.script(COUNTING, { args: ["6", "0"], checkpoints: { resume: "start/step-005.json" } });
      const run = await bed.runctl.train(spec);
      expect(await output(run)).toEqual(["from 5", "step 6"]);
      const published = (await run.result()).checkpoints.at(-1)?.location ?? "";
      const more = await bed.runctl.train({ ...spec, args: ["7", "0"], checkpoints: { resume: published } });
      expect(await output(more)).toEqual(["from 6", "step 7"]);
    }));
});
