import { AmbiguousOutcomeError, StorageError } from "@runctl/core";
import { describe, expect, it } from "vitest";
import { COUNTING, eventually, printed, WAITING, withBed } from "./support/bed.ts";
import { HOUR, JumpingClock } from "./support/jumping-clock.ts";

describe.concurrent("machines", () => {
  it("S-14: stopping a machine during training saves first and suspends; starting it goes on from there", () =>
    withBed(async (bed) => {
      const run = await bed.runctl.train(await bed.script(WAITING, { onEnd: "terminate" }));
      await printed(run, "ready");
      const id = (await bed.runctl.machines.list({ runId: run.id }))[0]?.id ?? "";
      await bed.runctl.machines.stop(id);
      expect((await run.status()).status).toBe("suspended");
      expect((await bed.runctl.machines.get(id))?.machine?.state).toBe("stopped");
      await eventually(() => expect(bed.processes()).toEqual([]));
      expect((await bed.runctl.checkpoints.list(bed.storeOf(run.id))).map((checkpoint) => checkpoint.path)).toHaveLength(1);
      // Somebody else starts it, in another process.
      const other = bed.open();
      await bed.runctl.close();
      await other.machines.start(id);
      const again = await other.attach(run.id);
      const result = await again.result();
      expect(result.status).toBe("succeeded");
      expect(result.logTail).toEqual(["resumed last.json"]);
      expect(result.attempts.map((attempt) => [attempt.outcome, attempt.machines[0]])).toEqual([
        ["suspended", id],
        ["succeeded", id],
      ]);
      await bed.mustBeEmpty();
    }));

  it("S-15: terminate is refused while training runs, for young and for protected machines, in a fresh process; force overrides age and activity only", () =>
    withBed(async (bed) => {
      const clock = new JumpingClock();
      const run = await bed.runctl.train(await bed.script(WAITING));
      await printed(run, "ready");
      const busy = (await bed.runctl.machines.list({ runId: run.id }))[0]?.id ?? "";
      const alone = await bed.runctl.machines.create({ provider: "local", wait: true });
      const fresh = bed.open({ clock });
      const reasons = async (id: string, force = false): Promise<string[]> =>
        (await fresh.cleanup.explain(id, { force })).reasons.map(({ id: reason }) => reason);
      await expect(fresh.machines.terminate(alone.id)).rejects.toMatchObject({ code: "RUNCTL_CLEANUP_REFUSED" });
      expect(await reasons(alone.id)).toEqual(["too-young"]);
      clock.jump(HOUR);
      expect(await reasons(alone.id)).toEqual([]);
      expect(await reasons(busy)).toContain("run-active");
      await expect(fresh.machines.terminate(busy)).rejects.toThrow(run.id);
      await bed.runctl.cleanup.protect(alone.id);
      expect((await reasons(alone.id)).join()).toMatch(/protect/);
      expect((await reasons(alone.id, true)).join()).toMatch(/protect/);
      await expect(fresh.machines.terminate(alone.id, { force: true })).rejects.toMatchObject({ code: "RUNCTL_CLEANUP_REFUSED" });
      await bed.runctl.cleanup.unprotect(alone.id);
      clock.jump(-HOUR);
      expect(await fresh.machines.terminate(alone.id, { force: true })).toEqual({ gone: true, why: "" });
      await run.cancel();
      await bed.mustBeEmpty();
    }));

  it("S-17: stop all plans first, shows what it saves, and stops only our own idle machines", () =>
    withBed(async (bed) => {
      const [one, two] = [await bed.runctl.machines.create({ provider: "local" }), await bed.runctl.machines.create({ provider: "local" })];
      const run = await bed.runctl.train(await bed.script(WAITING));
      await printed(run, "ready");
      // Another state on the same home, same project and user.
      const { fileState, Runctl } = await import("@runctl/core");
      const otherState = fileState(`${bed.dir}/state2`);
      const other = new Runctl({ project: "test", user: "tester", providers: [bed.provider], state: otherState });
      const foreign = await other.machines.create({ provider: "local" });
      const plan = await bed.runctl.machines.planStop();
      expect(plan.items.map((item) => item.id).sort()).toEqual([one.id, two.id].sort());
      expect(plan.kept.map((item) => item.why).join()).toContain(run.id);
      expect(plan.items.map((item) => item.saves)).not.toContain(undefined);
      expect((await bed.runctl.machines.get(one.id))?.machine?.state).toBe("running");
      const report = await bed.runctl.machines.applyStop(plan);
      expect(report.stopped.sort()).toEqual([one.id, two.id].sort());
      expect((await other.machines.get(foreign.id))?.machine?.state).toBe("running");
      await eventually(async () => expect((await run.status()).status).toBe("running"));
      await run.cancel();
      await other.close();
      await otherState.close?.();
    }));

  it("S-26: usage reports CPU, memory, disks and top processes, and flags what is above 80 %", () =>
    withBed(
      async (bed) => {
        const machine = await bed.runctl.machines.create({ provider: "local", wait: true });
        const usage = await bed.runctl.machines.usage(machine.id);
        expect(usage.memory?.totalBytes).toBeGreaterThan(0);
        expect(usage.disks.length).toBeGreaterThan(0);
        expect(usage.processes.length).toBeGreaterThan(0);
        expect(usage.gpus).toHaveLength(1);
        expect(usage.flags.map((flag) => flag.what).join()).toMatch(/93/);
        expect((await bed.runctl.resources.get(machine.id))?.usage).toHaveLength(1);
      },
      {
        wrap: (provider) => ({
          ...provider,
          // This computer has no GPU: one that is nearly full is added to what is measured.
          usage: async (machine) => {
            const measured = await provider.usage?.(machine);
            if (measured === undefined) throw new Error("no usage");
            return { ...measured, gpus: [{ index: 0, name: "A10G", utilizationPercent: 93, memoryUsedBytes: 1, memoryTotalBytes: 100 }] };
          },
        }),
      },
    ));

  it("S-28: a machine stops some time after its run, when outputs are in the store, and not before", () =>
    withBed(async (bed) => {
      const spec = await bed.script(["import os", "open(os.environ['RUNCTL_OUTPUT_DIR'] + '/model', 'w').write('w')"], {
        onEnd: { after: "5s", then: "stop" },
      });
      const run = await bed.runctl.train(spec);
      const result = await run.result();
      expect(result.outputs.reduce((sum, each) => sum + each.files, 0)).toBe(1);
      const id = (await bed.runctl.machines.list({ runId: run.id }))[0]?.id ?? "";
      expect((await bed.runctl.machines.get(id))?.machine?.state).toBe("running");
      await eventually(async () => expect((await bed.runctl.machines.get(id))?.machine?.state).toBe("stopped"));
      const record = await eventually(async () => {
        const seen = await bed.runctl.resources.get(id);
        expect(seen?.state).toBe("stopped");
        return seen;
      });
      const stopped = record?.segments.at(-1)?.to ?? record?.segments.at(-1)?.from ?? "";
      expect(Date.parse(stopped) - Date.parse(result.endedAt)).toBeGreaterThanOrEqual(4_900);
    }));

  it("P-05: while deleting fails the run's end is told with an alarm, the machine stays in the ledger and costs, and it is deleted later", () => {
    let failing = true;
    return withBed(
      async (bed) => {
        const run = await bed.runctl.train(await bed.script(["print(1)"]));
        const alarms: string[] = [];
        const seeing = (async () => {
          for await (const event of bed.runctl.events()) if (event.type === "alarm") alarms.push(event.id);
        })();
        await eventually(() => expect(alarms.join()).toMatch(/not-terminated/));
        const [record] = await bed.runctl.resources.list({ runId: run.id });
        expect(record?.state).not.toBe("ended");
        const before = record?.cost.known.amount ?? 0;
        await eventually(async () =>
          expect((await bed.runctl.resources.list({ runId: run.id }))[0]?.cost.known.amount).toBeGreaterThan(before),
        );
        failing = false;
        expect((await run.result()).status).toBe("succeeded");
        await bed.mustBeEmpty();
        await bed.runctl.close();
        await seeing;
      },
      {
        wrap: (provider) => ({
          ...provider,
          terminate: async (ref) => {
            if (failing) throw new StorageError({ what: "The provider's API is down." });
            return provider.terminate(ref);
          },
        }),
      },
    );
  }, 60_000);

  it("P-06: a delete that lies is seen by the next listing and sent again", () => {
    let calls = 0;
    return withBed(
      async (bed) => {
        const run = await bed.runctl.train(await bed.script(["print(1)"]));
        expect((await run.result()).status).toBe("succeeded");
        await bed.mustBeEmpty();
        expect(calls).toBeGreaterThan(1);
      },
      {
        wrap: (provider) => ({
          ...provider,
          terminate: async (ref) => {
            calls += 1;
            if (calls > 1) await provider.terminate(ref);
          },
        }),
      },
    );
  });

  it("P-01: a create whose answer is lost buys one machine, not two", () => {
    let calls = 0;
    return withBed(
      async (bed) => {
        const run = await bed.runctl.train(await bed.script(COUNTING, { args: ["1", "0"] }));
        const result = await run.result();
        expect(result.status).toBe("succeeded");
        expect(calls).toBe(2);
        expect(new Set(result.attempts.flatMap((attempt) => attempt.machines)).size).toBe(1);
        await bed.mustBeEmpty();
      },
      {
        wrap: (provider) => ({
          ...provider,
          create: async (intent, options) => {
            calls += 1;
            const made = await provider.create(intent, options);
            if (calls === 1) throw new AmbiguousOutcomeError({ what: "The answer was lost." });
            return made;
          },
        }),
      },
    );
  });
});
