import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConflictError, type RunctlEvent } from "@runctl/core";
import { describe, expect, it } from "vitest";
import { COUNTING, eventually, output, printed, WAITING, withBed } from "./support/bed.ts";
import { Child } from "./support/child.ts";

describe.concurrent("one call does it all", () => {
  it("S-05: create, sync, train, collect and the end policy happen, each as an event", () =>
    withBed(async (bed) => {
      const seen: RunctlEvent["type"][] = [];
      const spec = await bed.script(
        ["import os", "open(os.environ['RUNCTL_OUTPUT_DIR'] + '/model', 'w').write('w')"],
        {},
        "deep/er/train.py",
      );
      const run = await bed.runctl.train(spec);
      for await (const event of run.events()) seen.push(event.type);
      const result = (await run.result()).orThrow();
      for (const type of ["machine-created", "attempt-started", "attempt-ended", "machine-ended"] as const) expect(seen).toContain(type);
      expect(seen.indexOf("machine-created")).toBeLessThan(seen.indexOf("attempt-started"));
      expect(result.outputs.reduce((sum, output) => sum + output.files, 0)).toBe(1);
      expect(await readFile(join(bed.storeOf(run.id), "outputs", "model"), "utf8")).toBe("w");
      await bed.mustBeEmpty();
    }));

  it.each([
    { step: "sync", provider: {} },
    { step: "setup", spec: { dependencies: { file: "requirements.txt" } } },
    { step: "inputs", spec: { inputs: [{ from: "vanishes.bin", to: "data/x" }] } },
    { step: "train", spec: { args: ["fail"] } },
  ])("S-05: a failure in $step leaves nothing that runs", ({ step, spec }) =>
    withBed(async (bed) => {
      const base = await bed.script(["import sys", "sys.exit(len(sys.argv) - 1)"]);
      await bed.file("requirements.txt", "./no-such-package-here\n");
      const input = await bed.file("vanishes.bin", "x");
      if (step === "sync") {
        // The store is a file: nothing can be put below it.
        const blocked = bed.open({ store: join(input, "store") });
        await expect(blocked.train(base)).rejects.toThrow();
      } else if (step === "inputs") {
        await expect(bed.runctl.train({ ...base, inputs: [{ from: join(bed.root, "nowhere.bin"), to: "data/x" }] })).rejects.toThrow(
          /nowhere/,
        );
      } else {
        const run = await bed.runctl.train({ ...base, ...spec });
        const result = await run.result();
        expect(result.status).toBe("failed");
        expect(result.error?.what).not.toBe("");
      }
      await bed.mustBeEmpty();
    }),
  );

  it("S-05: keep and stop leave the machine, and only that", () =>
    withBed(async (bed) => {
      for (const [onEnd, state] of [
        ["keep", "running"],
        ["stop", "stopped"],
      ] as const) {
        const run = await bed.runctl.train(await bed.script(["print('x')"], { onEnd }));
        expect((await run.result()).status).toBe("succeeded");
        const [machine] = await bed.runctl.machines.list({ runId: run.id });
        expect((await bed.runctl.machines.get(machine?.id ?? ""))?.machine?.state).toBe(state);
      }
      expect(await bed.machines()).toHaveLength(2);
    }));

  it("S-06: another process follows a background run without gap or repeat, across reconnects", () =>
    withBed(async (bed) => {
      const run = await bed.runctl.train(await bed.script(COUNTING, { args: ["20", "0.05"] }), { until: "running" });
      const first = await Child.start("client.ts", { dir: bed.dir, mode: "follow", runId: run.id, take: 7 });
      await first.ended;
      const begun = first.all<{ text: string; cursor: string }>("line");
      const second = await Child.start("client.ts", { dir: bed.dir, mode: "follow", runId: run.id, after: begun.at(-1)?.cursor });
      await second.ended;
      const texts = [...begun, ...second.all<{ text: string; cursor: string }>("line")].map((line) => line.text);
      expect(texts).toEqual(["from 0", ...Array.from({ length: 20 }, (_, step) => `step ${step + 1}`)]);
      expect((await run.result()).status).toBe("succeeded");
    }));

  it("S-07: a second training on one machine is refused with the run's id, unless it may share", () =>
    withBed(async (bed) => {
      const machine = await bed.runctl.machines.create({ provider: "local", wait: true });
      const first = await bed.runctl.train(await bed.script(WAITING, { machine: machine.id }));
      await printed(first, "ready");
      const other = await bed.script(["print('other')"], { machine: machine.id }, "other.py");
      const refusal = await bed.runctl.train(other).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(ConflictError.isInstance(refusal)).toBe(true);
      expect(String(refusal)).toContain(first.id);
      expect((await bed.runctl.plan(other)).refusals).toHaveLength(1);
      const sharing = await bed.runctl.train({ ...other, share: true });
      expect(await output(sharing)).toEqual(["other"]);
      expect((await sharing.result()).status).toBe("succeeded");
      // The output may be read before the driver has looked at the host.
      await eventually(async () => expect((await first.status()).status).toBe("running"));
      await first.stop();
      // The machine is the user's: runs leave it.
      expect((await bed.runctl.machines.get(machine.id))?.machine?.state).toBe("running");
      await eventually(() => expect(bed.processes()).toEqual([]));
    }));
});
