import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Runctl, type RunSpec, type RunSummary } from "@runctl/core";
import { describe, expect, it } from "vitest";
import { COUNTING, eventually, printed, WAITING, withBed } from "./support/bed.ts";
import { bundled, Child } from "./support/child.ts";

describe.concurrent("embedding", () => {
  it("S-30, P-31: nothing is printed, no global state, and the process ends by itself after readers that stopped in the middle", () =>
    withBed(async (bed) => {
      const spec = await bed.script(["print('one', flush=True)", "print('two')"]);
      const child = new Child(
        spawn(process.execPath, [await bundled("embedded.ts"), bed.dir, spec.script ?? ""], { stdio: ["ignore", "pipe", "pipe"] }),
      );
      expect(await child.ended).toEqual({ code: 0, signal: null });
      expect([child.stdout, child.stderr]).toEqual(["", ""]);
      const seen = JSON.parse(await readFile(join(bed.dir, "seen.json"), "utf8")) as Record<string, unknown>;
      expect(seen.after).toEqual(seen.before);
      expect(seen.status).toBe("succeeded");
      expect(seen.refused).toMatch(/^RUNCTL_/);
      await bed.mustBeEmpty();
    }));

  it("S-30: the constructor touches neither network nor disk, and two Runctls do not know of each other", () =>
    withBed(async (bed) => {
      const { readdir } = await import("node:fs/promises");
      new Runctl({ providers: [bed.provider] });
      expect(await readdir(bed.dir)).toEqual(["project"]);
    }));

  it("S-30, P-30: every long call can be aborted, with the caller's own reason; the run goes on", () =>
    withBed(async (bed) => {
      const run = await bed.runctl.train(await bed.script(WAITING), { until: "running" });
      await printed(run, "ready");
      const reason = new Error("my own reason");
      const aborted = async (call: (signal: AbortSignal) => Promise<unknown>): Promise<unknown> => {
        const controller = new AbortController();
        const outcome = call(controller.signal).then(
          () => "resolved",
          (error: unknown) => error,
        );
        controller.abort(reason);
        return outcome;
      };
      const drain = async (items: AsyncIterable<unknown>): Promise<void> => {
        for await (const _ of items);
      };
      expect(await aborted((signal) => run.result({ signal }))).toBe(reason);
      expect(await aborted((signal) => drain(run.logs({ signal })))).toBe(reason);
      expect(await aborted((signal) => drain(run.events({ signal })))).toBe(reason);
      expect(await aborted((signal) => bed.runctl.offers({}, { signal }))).toBe(reason);
      await eventually(async () => expect((await run.status()).status).toBe("running"));
      // Asked to stop: giving up the wait does not take it back.
      expect(await aborted((signal) => run.stop({ signal }))).toBe(reason);
      expect((await run.result()).status).toBe("stopped");
      await bed.mustBeEmpty();
    }));

  it(
    "P-07: train() aborted at each of its awaits leaves nothing, or a run that is cancelled",
    () =>
      withBed(async (bed) => {
        const spec = await bed.script(WAITING);
        const reason = new Error("enough");
        let finished = false;
        for (let at = 0; !finished && at < 400; at = at < 40 ? at + 4 : Math.ceil(at * 1.6)) {
          const controller = new AbortController();
          const training = bed.runctl.train({ ...spec, name: `at-${at}` }, { until: "running", signal: controller.signal }).then(
            () => "running",
            (error: unknown) => error,
          );
          // `at` turns of the event loop: the moment is the input.
          for (let turn = 0; turn < at; turn++) await new Promise((resolve) => setImmediate(resolve));
          controller.abort(reason);
          const outcome = await training;
          if (outcome === "running") finished = true;
          else expect(outcome).toBe(reason);
        }
        const runs: RunSummary[] = [];
        for await (const run of bed.runctl.runs.list()) runs.push(run);
        for (const summary of runs) {
          const run = await bed.runctl.attach(summary.id);
          if (finished && summary.name === runs.at(-1)?.name && summary.status === "running") await run.cancel();
          expect((await run.result()).status).toBe("cancelled");
        }
        await bed.mustBeEmpty();
      }),
    60_000,
  );

  it("P-07: aborted while the provider creates: the machine that comes late is ended", () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let called: () => void = () => undefined;
    const creating = new Promise<void>((resolve) => {
      called = resolve;
    });
    return withBed(
      async (bed) => {
        const controller = new AbortController();
        const reason = new Error("changed my mind");
        const training = bed.runctl
          .train(await bed.script(WAITING), { until: "running", signal: controller.signal })
          .catch((error: unknown) => error);
        await creating;
        controller.abort(reason);
        expect(await training).toBe(reason);
        release();
        const [run] = await (async () => {
          const all: RunSummary[] = [];
          for await (const each of bed.runctl.runs.list()) all.push(each);
          return all;
        })();
        expect((await (await bed.runctl.attach(run?.id ?? "")).result()).status).toBe("cancelled");
        await bed.mustBeEmpty();
      },
      {
        wrap: (provider) => ({
          ...provider,
          create: async (intent) => {
            called();
            await held;
            return provider.create(intent);
          },
        }),
      },
    );
  });

  it.each([1, 2])("P-08: SIGINT %i time(s): once drains, twice exits; the next process finishes", (times) =>
    withBed(async (bed) => {
      const spec: RunSpec = await bed.script(COUNTING, { args: ["15", "0.1"], key: "job" });
      const child = await Child.start("client.ts", { dir: bed.dir, mode: "train", spec, signals: true });
      const runId = await child.word<string>("recorded");
      for (let time = 0; time < times; time++) child.process.kill("SIGINT");
      const { code } = await child.ended;
      expect(code).toBe(130);
      expect(child.stderr).toBe("");
      const next = bed.open();
      if (times === 1) {
        // Drained: the supervisor is armed, nobody drives.
        const seen = await next.runs.get(runId);
        expect([seen?.attempt, seen?.unattended]).toEqual([1, true]);
      }
      const result = await (await next.attach(runId)).result();
      expect(result.status).toBe("succeeded");
      expect(result.logTail.at(-1)).toBe("step 15");
      await bed.mustBeEmpty();
    }),
  );

  it("a throwing listener breaks nothing, and errors are typed with what, why and fix", () =>
    withBed(async (bed) => {
      let calls = 0;
      const off = bed.runctl.on("run-status", () => {
        calls += 1;
        throw new Error("listener");
      });
      const result = await (await bed.runctl.train(await bed.script(["print(1)"]))).result();
      expect(result.status).toBe("succeeded");
      await eventually(() => expect(calls).toBeGreaterThan(1));
      off();
      const error = (await bed.runctl.attach("nothing").catch((reason: unknown) => reason)) as {
        code: string;
        what: string;
        fix: string[];
      };
      expect(error).toMatchObject({ code: "RUNCTL_NOT_FOUND" });
      await bed.runctl.close();
      await expect(bed.runctl.train({ command: ["true"] })).rejects.toMatchObject({ code: expect.stringMatching(/^RUNCTL_/) });
    }));
});
