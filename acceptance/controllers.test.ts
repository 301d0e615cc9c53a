import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { RunEvent, RunResult, RunSummary } from "@runctl/core";
import { describe, expect, it } from "vitest";
import { COUNTING, eventually, output, printed, WAITING, withBed } from "./support/bed.ts";
import { Child } from "./support/child.ts";

describe.concurrent("several controllers", () => {
  it("two processes attach to one run: exactly one drives, both see the same result", () =>
    withBed(async (bed) => {
      const run = await bed.runctl.train(await bed.script(COUNTING, { args: ["30", "0.1"] }), { until: "running" });
      await bed.runctl.close({ handOver: false });
      const [one, two] = await Promise.all([0, 1].map(() => Child.start("client.ts", { dir: bed.dir, mode: "attach", runId: run.id })));
      const drivers = await Promise.all([one, two].map((child) => child?.word<string>("driver")));
      expect(drivers[0]).toBe(drivers[1]);
      const results = await Promise.all([one, two].map((child) => child?.word<RunResult>("result")));
      expect(results[0]).toEqual(results[1]);
      expect(results[0]?.status).toBe("succeeded");
      expect(results[0]?.attempts).toHaveLength(1);
      await Promise.all([one?.ended, two?.ended]);
      await bed.mustBeEmpty();
    }));

  it("the same key twice is one run, ended or not; another spec is a conflict", () =>
    withBed(async (bed) => {
      const spec = await bed.script(["print('once')"], { key: "job" });
      const first = await bed.runctl.train(spec);
      const again = await bed.runctl.train(spec);
      expect(again.id).toBe(first.id);
      expect((await first.result()).status).toBe("succeeded");
      const later = await bed.open().train(spec);
      expect(later.id).toBe(first.id);
      expect((await later.result()).attempts).toHaveLength(1);
      await expect(bed.runctl.train({ ...spec, args: ["other"] })).rejects.toMatchObject({ code: "RUNCTL_CONFLICT" });
    }));

  it("the same key from two processes at once is one run", () =>
    withBed(async (bed) => {
      const spec = await bed.script(["import os", "open(os.environ['PROOF'], 'a').write('x')"], {
        key: "job",
        env: { PROOF: join(bed.dir, "proof") },
      });
      const children = await Promise.all([0, 1].map(() => Child.start("client.ts", { dir: bed.dir, mode: "train", spec })));
      const ids = await Promise.all(children.map((child) => child.word<string>("recorded")));
      expect(new Set(ids).size).toBe(1);
      const results = await Promise.all(children.map((child) => child.word<RunResult>("result")));
      expect(results[0]).toEqual(results[1]);
      await Promise.all(children.map((child) => child.ended));
      const { readFile } = await import("node:fs/promises");
      expect(await readFile(join(bed.dir, "proof"), "utf8")).toBe("x");
    }));

  it("close() hands over: the run goes on unattended, and the next process finishes it", () =>
    withBed(async (bed) => {
      const run = await bed.runctl.train(await bed.script(COUNTING, { args: ["20", "0.1"] }));
      await bed.runctl.close();
      const next = bed.open();
      const seen = (await next.runs.get(run.id)) as RunSummary;
      expect(seen.unattended).toBe(true);
      expect(seen.attempt).toBe(1);
      const result = await (await next.attach(run.id)).result();
      expect(result.status).toBe("succeeded");
      expect(result.attempts).toHaveLength(1);
      await bed.mustBeEmpty();
    }));

  it("drive({ once }) does what there is to do and returns, for cron", () =>
    withBed(async (bed) => {
      const run = await bed.runctl.train(await bed.script(WAITING));
      await printed(run, "ready");
      await bed.runctl.close();
      const machine = (await bed.machines())[0] ?? "";
      await bed.provider.simulateInterruption(machine);
      await eventually(async () => {
        const cron = bed.open();
        await cron.drive({ once: true });
        expect((await cron.runs.get(run.id))?.attempt).toBe(2);
        await cron.close();
      });
      const last = bed.open();
      await last.drive({ once: true });
      const seen = await last.runs.get(run.id);
      expect(["running", "recovering"]).toContain(seen?.status);
      const handle = await last.attach(run.id);
      await handle.cancel();
      expect((await handle.result()).attempts.map((attempt) => attempt.outcome)).toEqual(["interrupted", "cancelled"]);
      await bed.mustBeEmpty();
    }));

  it("drive() takes every run of the state and ends with its signal", () =>
    withBed(async (bed) => {
      const specs = await Promise.all([1, 2].map((n) => bed.script(COUNTING, { args: ["8", "0.1"] }, `train${n}.py`)));
      const ids = await Promise.all(specs.map(async (spec) => (await bed.runctl.train(spec, { until: "running" })).id));
      await bed.runctl.close();
      const box = bed.open();
      const end = new AbortController();
      const driving = box.drive({ signal: end.signal });
      for (const id of ids) {
        const run = await box.attach(id, { drive: false });
        expect((await run.result()).status).toBe("succeeded");
      }
      end.abort();
      await driving;
      await bed.mustBeEmpty();
    }));

  it("P-22: events of a run replay with cursors across processes, without gap or repeat", () =>
    withBed(async (bed) => {
      const run = await bed.runctl.train(await bed.script(COUNTING, { args: ["6", "0.1"] }), { until: "running" });
      const first = await Child.start("client.ts", { dir: bed.dir, mode: "events", runId: run.id, take: 4 });
      await first.ended;
      const head = first.all<RunEvent>("event");
      const second = await Child.start("client.ts", { dir: bed.dir, mode: "events", runId: run.id, after: head.at(-1)?.cursor });
      await second.ended;
      const parts = [...head, ...second.all<RunEvent>("event")];
      const whole: RunEvent[] = [];
      for await (const event of run.events()) whole.push(event);
      expect(parts).toEqual(JSON.parse(JSON.stringify(whole)));
      expect(new Set(parts.map((event) => event.cursor)).size).toBe(parts.length);
      expect(parts.at(-1)).toMatchObject({ type: "run-status", status: "succeeded" });
    }));

  it("events of the whole store replay with cursors, without gap or repeat", () =>
    withBed(async (bed) => {
      const spec = await bed.script(["print('x')"]);
      const runs = await Promise.all([bed.runctl.train(spec), bed.runctl.train(spec)]);
      for (const run of runs) await run.result();
      const take = async (
        after: string | undefined,
        until: (events: Array<{ cursor: string; type: string; status?: string }>) => boolean,
      ) => {
        const reader = bed.open();
        const events: Array<{ cursor: string; type: string; status?: string }> = [];
        for await (const event of reader.events({ after })) {
          events.push(event);
          if (until(events)) break;
        }
        return events;
      };
      const ends = (events: Array<{ type: string; status?: string }>): number =>
        events.filter((event) => event.status === "succeeded").length;
      const whole = await take(undefined, (events) => ends(events) === 2);
      for (const cut of [1, Math.floor(whole.length / 2), whole.length - 1]) {
        const rest = await take(whole[cut - 1]?.cursor, (events) => events.at(-1)?.cursor === whole.at(-1)?.cursor);
        expect([...whole.slice(0, cut), ...rest]).toEqual(whole);
      }
      expect(new Set(whole.map((event) => event.cursor)).size).toBe(whole.length);
    }));

  it("runs.list filters by status, name, labels, user, project, activity and limit", () =>
    withBed(async (bed) => {
      const ok = await bed.script(["print('x')"], { name: "alpha", labels: { team: "red", tier: "1" } });
      const bad = await bed.script(["raise SystemExit(1)"], { name: "beta", labels: { team: "red" } }, "bad.py");
      const live = await bed.script(WAITING, { name: "gamma", labels: { team: "blue" }, project: "second" }, "live.py");
      const [a, b, c] = await Promise.all([ok, bad, live].map((spec) => bed.runctl.train(spec)));
      if (a === undefined || b === undefined || c === undefined) throw new Error("three runs");
      await Promise.all([a.result(), b.result(), printed(c, "ready")]);
      const ids = async (filter: Parameters<typeof bed.runctl.runs.list>[0]): Promise<string[]> => {
        const found: string[] = [];
        for await (const run of bed.runctl.runs.list(filter)) found.push(run.id);
        return found.sort();
      };
      const sorted = (...runs: string[]): string[] => runs.sort();
      expect(await ids({})).toEqual(sorted(a.id, b.id, c.id));
      expect(await ids({ status: "failed" })).toEqual([b.id]);
      expect(await ids({ status: ["failed", "succeeded"] })).toEqual(sorted(a.id, b.id));
      expect(await ids({ name: "alpha" })).toEqual([a.id]);
      expect(await ids({ labels: { team: "red" } })).toEqual(sorted(a.id, b.id));
      expect(await ids({ labels: { team: "red", tier: "1" } })).toEqual([a.id]);
      expect(await ids({ active: true })).toEqual([c.id]);
      expect(await ids({ project: "second" })).toEqual([c.id]);
      expect(await ids({ user: "nobody" })).toEqual([]);
      expect(await ids({ limit: 2 })).toHaveLength(2);
      await c.cancel();
    }));

  it("resume is a new run that goes on from the old one's newest good checkpoint", () =>
    withBed(async (bed) => {
      const run = await bed.runctl.train(await bed.script(COUNTING, { args: ["3", "0.05"] }));
      const old = await run.result();
      const more = await bed.runctl.resume(run.id, { args: ["5", "0"] });
      expect(more.id).not.toBe(run.id);
      expect(await output(more)).toEqual(["from 3", "step 4", "step 5"]);
      expect((await more.result()).resumedFrom?.checkpoint.sha256).toBe(old.checkpoints.at(-1)?.sha256);
      expect(await readdir(join(bed.storeOf(run.id), "ckpt", "1"))).not.toEqual([]);
      const none = await bed.runctl.train(await bed.script(["print('x')"], {}, "none.py"));
      await none.result();
      await expect(bed.runctl.resume(none.id)).rejects.toMatchObject({ code: "RUNCTL_CHECKPOINT_INVALID" });
    }));
});
