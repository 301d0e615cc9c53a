import { fileState, type ManagedMachine, Runctl } from "@runctl/core";
import { describe, expect, it } from "vitest";
import { type Bed, COUNTING, eventually, printed, WAITING, withBed } from "./support/bed.ts";
import { Child } from "./support/child.ts";
import { HOUR, JumpingClock } from "./support/jumping-clock.ts";

/** Another state of the same project and user on the same home. */
function neighbour(bed: Bed, clock?: JumpingClock): { runctl: Runctl; close(): Promise<void> } {
  const state = fileState(`${bed.dir}/state2`);
  const runctl = new Runctl({
    project: "test",
    user: "tester",
    providers: [bed.provider],
    state,
    ...(clock === undefined ? {} : { clock }),
  });
  return {
    runctl,
    close: async () => {
      await runctl.close({ handOver: false });
      await state.close?.();
    },
  };
}

describe.concurrent("cleanup", () => {
  it("S-16, P-28, P-29: only own old unprotected orphans are planned, with reasons; dry run changes nothing; apply deletes just those", () => {
    const clock = new JumpingClock();
    return withBed(
      async (bed) => {
        const other = neighbour(bed, clock);
        const make = (runctl: Runctl, tags: Record<string, string> = {}): Promise<ManagedMachine> =>
          runctl.machines.create({ provider: "local", tags });
        const [orphan, kept, foreign] = [await make(bed.runctl), await make(bed.runctl), await make(other.runctl)];
        const strange = await make(bed.runctl);
        await bed.provider.tag?.(strange.ref, { "runctl:protected": "perhaps" });
        await bed.runctl.cleanup.protect(kept.id);
        const busy = await bed.runctl.train(await bed.script(WAITING));
        await printed(busy, "ready");
        clock.jump(48 * HOUR);
        const young = await make(bed.runctl);
        const { cleanup } = bed.open({ clock });
        const plan = await cleanup.plan({ grace: 0, minAge: "1h" });
        expect(plan.items.map((item) => item.id)).toEqual([orphan.id]);
        expect(plan.items[0]?.reason).not.toBe("");
        const why = new Map(plan.kept.map((each) => [each.id, each.reasons.map((reason) => reason.id)]));
        expect(why.get(kept.id)?.join()).toMatch(/protect/);
        expect(why.get(strange.id)?.join()).toMatch(/protect/);
        expect(why.get(young.id)).toContain("too-young");
        expect([...why.keys()].join()).not.toContain(foreign.id);
        expect((await cleanup.plan({ scope: "project", grace: 0 })).reported.map((each) => each.id)).toEqual([foreign.id]);
        const before = await bed.machines();
        expect((await cleanup.apply(plan, { dryRun: true })).would.map((each) => each.id)).toEqual([orphan.id]);
        expect(await bed.machines()).toEqual(before);
        expect((await cleanup.apply(plan)).deleted).toEqual([orphan.id]);
        expect(await bed.machines()).toHaveLength(before.length - 1);
        clock.jump(-48 * HOUR);
        await busy.cancel();
        await other.close();
      },
      { runctl: { clock }, local: { clock } },
    );
  });

  it("reconcile: a dry run tells, the real one adopts or ends what is ours and reports the rest", () =>
    withBed(async (bed) => {
      const other = neighbour(bed);
      const foreign = await other.runctl.machines.create({ provider: "local" });
      const run = await bed.runctl.train(await bed.script(COUNTING, { args: ["1", "0"], onEnd: "keep" }));
      await run.result();
      const mine = (await bed.runctl.machines.list({ runId: run.id }))[0]?.id ?? "";
      // A machine of ours that the log knows nothing of: a copy of the kept one under a run that never was.
      const { cp, readdir, readFile, writeFile } = await import("node:fs/promises");
      const name = mine.split("/").at(-1) ?? "";
      const folder = `${bed.home}/machines/runctl-unknown`;
      await cp(`${bed.home}/machines/${name}`, folder, { recursive: true });
      for (const file of await readdir(folder)) {
        if (!file.endsWith(".json")) continue;
        const text = await readFile(`${folder}/${file}`, "utf8");
        await writeFile(`${folder}/${file}`, text.replaceAll(name, "runctl-unknown").replaceAll(run.id, "zzzzzzzzzzzzzzzz"));
      }
      const fresh = bed.open();
      const dry = await fresh.reconcile({ dryRun: true });
      expect(dry).toMatchObject({ dryRun: true, ended: [], adopted: [], partial: false, foreign: [foreign.id] });
      expect(dry.reported.map((notice) => notice.what).join()).toContain("runctl-unknown");
      const report = await fresh.reconcile();
      expect(report.reported.map((notice) => notice.id).join()).toContain("runctl-unknown");
      expect(await bed.machines()).toHaveLength(3);
      await other.close();
    }));

  it("reconcile ends what a run bought and no longer wants", () =>
    withBed(async (bed) => {
      const spec = await bed.script(WAITING);
      const child = await Child.start("client.ts", { dir: bed.dir, mode: "train", spec });
      const runId = await child.word<string>("recorded");
      const watcher = bed.open();
      const run = await watcher.attach(runId, { drive: false });
      await printed(run, "ready");
      child.process.kill("SIGKILL");
      await child.ended;
      // Cancelled by somebody who drives nothing; then only reconcile comes by.
      await run.cancel({ signal: AbortSignal.abort() }).catch(() => undefined);
      await watcher.close({ handOver: false });
      const report = await bed.runctl.reconcile();
      expect(report.failures).toEqual([]);
      await bed.mustBeEmpty();
      expect((await bed.runctl.runs.get(runId))?.status).toBe("cancelled");
    }));

  it("P-03: two states of one project and user on one home never touch each other's things", () => {
    const clock = new JumpingClock();
    return withBed(
      async (bed) => {
        const other = neighbour(bed, clock);
        const theirs = await other.runctl.train(await bed.script(WAITING));
        await printed(theirs, "ready");
        const kept = await other.runctl.machines.create({ provider: "local" });
        clock.jump(72 * HOUR);
        const report = await bed.runctl.reconcile();
        expect([report.adopted, report.ended]).toEqual([[], []]);
        expect(report.foreign).toHaveLength(2);
        expect((await bed.runctl.cleanup.plan({ scope: "account", grace: 0, maxShare: 1 })).items).toEqual([]);
        expect((await bed.runctl.machines.planStop()).items).toEqual([]);
        await bed.runctl.drive({ once: true });
        await expect(bed.runctl.machines.terminate(kept.id, { force: true })).rejects.toThrow();
        await expect(bed.runctl.attach(theirs.id)).rejects.toMatchObject({ code: "RUNCTL_NOT_FOUND" });
        const listed: string[] = [];
        for await (const run of bed.runctl.runs.list()) listed.push(run.id);
        expect(listed).toEqual([]);
        await eventually(async () => expect((await theirs.status()).status).toBe("running"));
        clock.jump(-72 * HOUR);
        await theirs.cancel();
        await other.close();
      },
      { runctl: { clock } },
    );
  });
});
