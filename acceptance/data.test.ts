import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { COUNTING, eventually, output, printed, WAITING, withBed } from "./support/bed.ts";

describe.concurrent("data of a run", () => {
  it("S-20, S-22: locally, checkpoint folder and device are in the environment, a latest checkpoint is resumed; list, info, prune", () =>
    withBed(async (bed) => {
      const lines = [...COUNTING, "print(os.environ['RUNCTL_DEVICE'], os.path.isabs(os.environ['RUNCTL_CHECKPOINT_DIR']), flush=True)"];
      const run = await bed.runctl.train(await bed.script(lines, { args: ["6", "0.6"], checkpoints: { keep: { last: 100 } } }));
      expect((await output(run)).at(-1)).toMatch(/^(cpu|cuda|mps) True$/);
      const result = await run.result();
      const { checkpoints } = bed.runctl;
      const place = bed.storeOf(run.id);
      const listed = await checkpoints.list(place);
      expect(listed.map((each) => each.path.split("/").at(-1))).toEqual(result.checkpoints.map((each) => each.path).reverse());
      expect(listed.length).toBeGreaterThan(2);
      const newest = await checkpoints.latest(place);
      expect(newest.checkpoint?.path).toContain("step-006");
      expect((await checkpoints.inspect(result.checkpoints[0]?.location ?? "")).sizeBytes).toBe(result.checkpoints[0]?.sizeBytes);
      expect((await checkpoints.verify(result.checkpoints[0]?.location ?? "")).status).toBe("complete");
      await writeFile(join(place, "notes.txt"), "mine");
      const dry = await checkpoints.prune(place, { last: 2 }, { dryRun: true });
      expect(await checkpoints.list(place)).toHaveLength(listed.length);
      const done = await checkpoints.prune(place, { last: 2 });
      expect(dry.removed).toHaveLength(listed.length - 2);
      expect(done.removed).toEqual(dry.removed);
      expect((await checkpoints.list(place)).map((each) => each.path)).toEqual(listed.slice(0, 2).map((each) => each.path));
      expect(await readFile(join(place, "notes.txt"), "utf8")).toBe("mine");
    }));

  it("inputs are in place before the start; outputs are collected at the end, always, and every so often", () =>
    withBed(async (bed) => {
      await writeFile(join(bed.dir, "data.csv"), "1,2\n");
      const to = (name: string): string => `${join(bed.dir, "results", name)}/`;
      const spec = await bed.script(
        [
          "import os, sys, time",
          "assert open('data/in.csv').read() == '1,2\\n'",
          "for name in ('end', 'always', 'often'):",
          "    os.makedirs(name); open(name + '/file', 'w').write(name)",
          "print('written', flush=True)",
          "while not os.path.exists(os.environ['GO']): time.sleep(0.05)",
          "sys.exit(int(sys.argv[1]))",
        ],
        {
          inputs: [{ from: join(bed.dir, "data.csv"), to: "data/in.csv" }],
          outputs: [
            { from: "end", to: to("end"), when: "end" },
            { from: "always", to: to("always"), when: "always" },
            { from: "often", to: to("often"), when: { every: "1s" } },
          ],
          env: { GO: join(bed.dir, "go") },
        },
      );
      const run = await bed.runctl.train({ ...spec, args: ["3"] });
      await printed(run, "written");
      // While it still runs.
      await eventually(async () => expect(await readFile(join(to("often"), "file"), "utf8")).toBe("often"));
      await writeFile(join(bed.dir, "go"), "");
      const result = await run.result();
      expect(result.status).toBe("failed");
      expect(await readFile(join(to("always"), "file"), "utf8")).toBe("always");
      // "end": only after the training succeeded or was stopped.
      await expect(readFile(join(to("end"), "file"))).rejects.toThrow();
      const good = await bed.runctl.train({ ...spec, args: ["0"] });
      expect((await good.result()).status).toBe("succeeded");
      expect(await readFile(join(to("end"), "file"), "utf8")).toBe("end");
      // Results carry absolute locations.
      expect((await run.result()).outputs.map((each) => [each.from, each.to])).toEqual(
        ["end", "always", "often"].map((name) => [name, to(name)]),
      );
    }));

  it("outputs for the end are collected after a stop, too", () =>
    withBed(async (bed) => {
      const to = `${join(bed.dir, "results")}/`;
      const lines = [...WAITING.slice(0, 5), "os.makedirs('end'); open('end/file', 'w').write('x')", ...WAITING.slice(5)];
      const run = await bed.runctl.train(await bed.script(lines, { outputs: [{ from: "end", to, when: "end" }] }));
      await printed(run, "ready");
      await run.stop();
      expect((await run.result()).outputs).toEqual([{ from: "end", to, files: 1, sizeBytes: 1 }]);
    }));

  it("P-10: a long silent job is not idle", () =>
    withBed(async (bed) => {
      const run = await bed.runctl.train(await bed.script(["import time", "end = time.time() + 6", "while time.time() < end: pass"]));
      const result = await run.result();
      expect([result.status, result.attempts.length]).toEqual(["succeeded", 1]);
      expect(result.time.trainingMs).toBeGreaterThan(5_500);
    }));

  it("P-22: the last lines are there, also without a newline at the end, from a script that is killed", () =>
    withBed(async (bed) => {
      const spec = await bed.script([
        "import os, sys",
        "for n in range(20000): print('line', n)",
        "sys.stderr.write('last words')",
        "sys.stdout.flush(); sys.stderr.flush()",
        "os.kill(os.getpid(), 9)",
      ]);
      const run = await bed.runctl.train(spec);
      const lines = await output(run);
      expect(lines).toHaveLength(20_001);
      expect(lines.slice(0, 2)).toEqual(["line 0", "line 1"]);
      expect(lines.at(-1)).toBe("last words");
      expect((await run.result()).logTail.at(-1)).toBe("last words");
      // Resuming at any cursor loses and repeats nothing.
      const cursors: string[] = [];
      for await (const line of run.logs({ follow: false })) if (line.source !== "setup") cursors.push(line.cursor);
      for (const at of [0, 777, 19_998]) {
        const rest: string[] = [];
        for await (const line of run.logs({ follow: false, after: cursors[at] })) rest.push(line.text);
        expect(rest).toEqual(lines.slice(at + 1));
      }
    }));

  it("P-23: with one file changed, only that file moves", () =>
    withBed(async (bed) => {
      for (let n = 0; n < 300; n++) await bed.file(`data/f${n}.bin`, Buffer.alloc(4_000, n));
      const spec = await bed.script(["import os", "print(sum(len(open('data/' + f, 'rb').read()) for f in os.listdir('data')))"]);
      expect(await bed.runctl.plan(spec)).toMatchObject({ files: { count: 301, changed: 301 } });
      expect((await (await bed.runctl.train(spec)).result()).logTail).toEqual([String(300 * 4_000)]);
      await bed.file("data/f7.bin", Buffer.alloc(5_000, 99));
      expect(await bed.runctl.plan(spec)).toMatchObject({ files: { count: 301, changed: 1 } });
      const { readdir, stat } = await import("node:fs/promises");
      const packs = join(bed.dir, "state", "store", "code", "packs");
      const sizes = async (): Promise<number> => {
        let sum = 0;
        for (const name of await readdir(packs)) sum += (await stat(join(packs, name))).size;
        return sum;
      };
      const before = await sizes();
      expect((await (await bed.runctl.train(spec)).result()).logTail).toEqual([String(299 * 4_000 + 5_000)]);
      expect((await sizes()) - before).toBe(5_000);
    }));

  it("P-23: what could not be saved is listed in the result", () =>
    withBed(async (bed) => {
      const blocked = join(bed.dir, "a-file");
      await writeFile(blocked, "");
      const spec = await bed.script(["import os", "os.makedirs('out'); open('out/x', 'w').write('x')"], {
        outputs: [{ from: "out", to: `${blocked}/sub/` }],
      });
      const outcome = await bed.runctl.train(spec).then(
        (run) => run.result(),
        (error: unknown) => error as Error,
      );
      const told = outcome instanceof Error ? outcome.message : JSON.stringify(outcome.lost);
      expect(told).toContain("a-file");
    }));

  it("download brings outputs, checkpoints and logs", () =>
    withBed(async (bed) => {
      const spec = await bed.script(
        [
          ...COUNTING,
          "os.makedirs(os.environ['RUNCTL_OUTPUT_DIR'] + '/a b', exist_ok=True)",
          "open(os.environ['RUNCTL_OUTPUT_DIR'] + '/a b/ü.txt', 'w').write('x')",
        ],
        { args: ["1", "0"] },
      );
      const run = await bed.runctl.train(spec);
      await run.result();
      for (const what of ["outputs", "checkpoints", "logs"] as const) await run.download(what, join(bed.dir, "got", what));
      expect(await readFile(join(bed.dir, "got", "outputs", "a b", "ü.txt"), "utf8")).toBe("x");
      expect(await readFile(join(bed.dir, "got", "checkpoints", "step-001.json"), "utf8")).toBe('{"step": 1}');
      expect(await readFile(join(bed.dir, "got", "logs", "attempt-1.log"), "utf8")).toContain("step 1\n");
    }));

  it("progress and metrics are read from what the script prints", () =>
    withBed(async (bed) => {
      const spec = await bed.script([
        ...WAITING.slice(0, 5),
        "for n in range(1, 6): print(f'epoch {n}/10 loss={1 / n:.3f}', flush=True)",
        "time.sleep(600)",
      ]);
      const run = await bed.runctl.train(spec);
      const seen: number[] = [];
      for await (const point of run.metrics()) {
        if (point.name === "loss") seen.push(point.value);
        if (seen.length === 5) break;
      }
      expect(seen).toEqual([1, 0.5, 0.333, 0.25, 0.2]);
      await eventually(async () => expect((await run.progress()).fraction).toBeCloseTo(0.5));
      await run.cancel();
    }));
});
