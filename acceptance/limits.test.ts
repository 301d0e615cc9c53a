import { systemClock } from "@runctl/core";
import { describe, expect, it } from "vitest";
import { COUNTING, printed, WAITING, withBed } from "./support/bed.ts";

describe.concurrent("limits end a run with its work saved", () => {
  it("a budget stops the run before it is passed, checkpoint first", () =>
    withBed(
      async (bed) => {
        // A dollar a second.
        const spec = await bed.script(COUNTING, {
          args: ["1000", "0.1"],
          budget: { maxCost: 20, warnAt: [0.5] },
          checkpoints: { grace: "1s" },
        });
        const run = await bed.runctl.train(spec);
        const fractions: number[] = [];
        for await (const event of run.events()) if (event.type === "budget-warning") fractions.push(event.fraction);
        const result = await run.result();
        expect(result.status).toBe("out-of-budget");
        expect(result.cost.total?.amount).toBeLessThanOrEqual(20);
        expect(result.checkpoints.length).toBeGreaterThan(0);
        expect(fractions).toEqual([0.5]);
        await bed.mustBeEmpty();
        // A bigger budget goes on from there.
        const more = await bed.runctl.resume(run.id, {
          budget: { maxCost: 100 },
          args: [String((result.checkpoints.at(-1)?.step ?? 0) + 2), "0"],
        });
        const after = await more.result();
        expect(after.status).toBe("succeeded");
        expect(after.resumedFrom?.runId).toBe(run.id);
        expect(after.resumedFrom?.checkpoint.path).toBe(result.checkpoints.at(-1)?.path);
        expect(after.logTail[0]).toBe(`from ${Number(/\d+/.exec(result.checkpoints.at(-1)?.path ?? "")?.[0])}`);
      },
      { local: { pricePerHour: 3600 } },
    ));

  it("a budget that only warns does not stop", () =>
    withBed(
      async (bed) => {
        const spec = await bed.script(COUNTING, { args: ["4", "0.3"], budget: { maxCost: 1.1, onExceeded: "warn" } });
        const result = await (await bed.runctl.train(spec)).result();
        expect(result.status).toBe("succeeded");
        expect(result.cost.total?.amount).toBeGreaterThan(1.1);
      },
      { local: { pricePerHour: 3600 } },
    ));

  it("maxDuration ends the run as timed out, with a checkpoint", () =>
    withBed(async (bed) => {
      const run = await bed.runctl.train(await bed.script(WAITING, { maxDuration: "2s" }));
      const result = await run.result();
      expect(result.status).toBe("timed-out");
      expect(result.checkpoints.map((checkpoint) => checkpoint.path)).toEqual(["last.json"]);
      await bed.mustBeEmpty();
    }));

  it("P-12: a deadline is a moment, also over respawns", () =>
    withBed(async (bed) => {
      const deadline = new Date(systemClock.now() + 20_000).toISOString();
      const run = await bed.runctl.train(await bed.script(COUNTING, { args: ["1000", "0.1"], deadline }));
      let kills = 0;
      for await (const event of run.events()) {
        if (event.type === "checkpoint-published" && event.attempt === kills + 1 && kills < 2) {
          kills += 1;
          await bed.provider.simulateInterruption((await run.status()).machines.at(-1)?.ref.id ?? "");
        }
      }
      const result = await run.result();
      expect(result.status).toBe("timed-out");
      expect(kills).toBe(2);
      expect(Date.parse(result.endedAt)).toBeGreaterThanOrEqual(Date.parse(deadline) - 1_500);
      expect(Date.parse(result.endedAt)).toBeLessThan(Date.parse(deadline) + 12_000);
      await bed.mustBeEmpty();
    }));

  it("a deadline that is over is refused", () =>
    withBed(async (bed) => {
      await expect(bed.runctl.train(await bed.script(["print(1)"], { deadline: "2020-01-01T00:00:00Z" }))).rejects.toThrow(/deadline/i);
    }));

  it("early stopping ends the run as stopped, with a checkpoint", () =>
    withBed(async (bed) => {
      const spec = await bed.script(
        [
          ...WAITING.slice(0, 5),
          "for epoch in range(600):",
          "    print(f'epoch {epoch} loss={1.0 if epoch > 2 else 3.0 - epoch}', flush=True); time.sleep(0.05)",
        ],
        { earlyStopping: { metric: "loss", mode: "min", patience: 5 } },
      );
      const result = await (await bed.runctl.train(spec)).result();
      expect(result.status).toBe("stopped");
      expect(result.checkpoints.map((checkpoint) => checkpoint.path)).toEqual(["last.json"]);
    }));

  it.each(["exit code", "stop"])("RUNCTL_DONE_FILE says succeeded, whatever the %s says later", (later) =>
    withBed(async (bed) => {
      const spec = await bed.script([
        "import os, sys, time",
        "open(os.environ['RUNCTL_DONE_FILE'], 'w').close()",
        "print('ready', flush=True)",
        "sys.exit(1) if sys.argv[1] == 'exit code' else time.sleep(600)",
      ]);
      const run = await bed.runctl.train({ ...spec, args: [later] });
      if (later === "stop") {
        await printed(run, "ready");
        await run.stop({ grace: "200ms" });
      }
      expect((await run.result()).status).toBe("succeeded");
      await bed.mustBeEmpty();
    }),
  );

  it("our own stop is the outcome, whatever the exit code", () =>
    withBed(async (bed) => {
      const run = await bed.runctl.train(await bed.script(WAITING));
      await printed(run, "ready");
      await run.stop({ reason: "enough" });
      const result = await run.result();
      expect(result.status).toBe("stopped");
      expect(result.attempts[0]?.outcome).toBe("stopped");
    }));

  it("a script that ignores the signal is killed after the grace, with all its children", () =>
    withBed(async (bed) => {
      const spec = await bed.script([
        "import os, signal, subprocess, sys, time",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)",
        "print('ready', flush=True)",
        "time.sleep(600)",
      ]);
      const run = await bed.runctl.train(spec);
      await printed(run, "ready");
      await run.stop({ grace: "500ms" });
      expect((await run.result()).status).toBe("stopped");
      await bed.mustBeEmpty();
    }));
});
