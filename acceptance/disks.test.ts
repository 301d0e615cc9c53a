import { execFile } from "node:child_process";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { fileState, Runctl, RunctlError, type RunSummary } from "@runctl/core";
import { local } from "@runctl/provider-local";
import { describe, expect, it } from "vitest";
import { type Bed, COUNTING, eventually, printed, WAITING, withBed } from "./support/bed.ts";

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;

/** A small file system of its own, mounted where the test says; taken away afterwards. */
async function withSmallDisk(sizeMiB: number, test: (disk: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "runctl-disk-"));
  const disk = join(dir, "disk");
  await mkdir(disk);
  await run("mount", ["-t", "tmpfs", "-o", `size=${sizeMiB}m`, "runctl-test", disk]);
  try {
    await test(disk);
  } finally {
    await run("umount", ["-l", disk]);
    await rm(dir, { recursive: true, force: true });
  }
}

async function all(bed: Pick<Bed, "runctl">): Promise<RunSummary[]> {
  const found: RunSummary[] = [];
  for await (const summary of bed.runctl.runs.list()) found.push(summary);
  return found;
}

describe("full disks", () => {
  it.skipIf(!isRoot)("a full store: train() says so and leaves nothing; with room again it works", () =>
    withBed((bed) =>
      withSmallDisk(4, async (disk) => {
        const runctl = bed.open({ store: join(disk, "store") });
        await writeFile(join(disk, "filler"), Buffer.alloc(4 * 1024 * 1024 - 64 * 1024));
        await bed.file("big.bin", Buffer.alloc(1024 * 1024, 7));
        const spec = await bed.script(["print('ok')"]);
        const error = await runctl.train(spec).catch((reason: unknown) => reason);
        expect(RunctlError.is(error) && error.code).toBe("RUNCTL_STORAGE");
        expect(String(error)).toMatch(/full|space/i);
        expect(await bed.machines()).toEqual([]);
        await rm(join(disk, "filler"));
        expect((await (await runctl.train(spec)).result()).status).toBe("succeeded");
        await bed.mustBeEmpty();
        await runctl.close();
      }),
    ),
  );

  it.skipIf(!isRoot)("a full store in the middle of training: what could not be saved is told, what was saved before stays good", () =>
    withBed((bed) =>
      withSmallDisk(8, async (disk) => {
        const runctl = bed.open({ store: join(disk, "store") });
        const spec = await bed.script([
          "import os, sys, time",
          "d = os.environ['RUNCTL_CHECKPOINT_DIR']",
          "def save(name, size):",
          "    open(d + '/' + name + '.tmp', 'wb').write(b'x' * size); os.rename(d + '/' + name + '.tmp', d + '/' + name)",
          "save('small.bin', 1000)",
          "print('small', flush=True)",
          "while not os.path.exists(os.environ['GO']): time.sleep(0.05)",
          "save('large.bin', 30000000)",
        ]);
        const training = await runctl.train({ ...spec, env: { GO: join(bed.dir, "go") } });
        for await (const event of training.events()) if (event.type === "checkpoint-published") break;
        await writeFile(join(bed.dir, "go"), "");
        const result = await training.result();
        expect(result.checkpoints.map((checkpoint) => checkpoint.path)).toEqual(["small.bin"]);
        expect(result.lost.join()).toContain("large.bin");
        await bed.mustBeEmpty();
        await runctl.close();
      }),
    ),
  );

  it.skipIf(!isRoot)("a full machine: the run ends with a clear error, in bounded time, and leaves no process", () =>
    withBed((bed) =>
      withSmallDisk(40, async (disk) => {
        const state = fileState(join(bed.dir, "state-full"));
        const runctl = new Runctl({ project: "test", user: "t", providers: [local({ home: join(disk, "home") })], state });
        const spec = await bed.script(["import os", "f = open('big', 'wb')", "while True: f.write(b'x' * 1000000); f.flush()"]);
        const training = await runctl.train(spec);
        const result = await training.result();
        expect(result.status).toBe("failed");
        expect(`${JSON.stringify(result.error)} ${result.logTail.join(" ")}`).toMatch(/space|full|disk/i);
        await runctl.close();
        await state.close?.();
        expect(await readdir(join(disk, "home", "machines"))).toEqual([]);
      }),
    ),
  );

  it.skipIf(!isRoot)("a state folder that became read-only: a typed error; with the folder writable again the run is finished", () =>
    withBed(async (bed) => {
      const training = await bed.runctl.train(await bed.script(COUNTING, { args: ["20", "0.1"] }), { until: "running" });
      await bed.runctl.close({ handOver: false });
      await run("mount", ["--bind", join(bed.dir, "state"), join(bed.dir, "state")]);
      try {
        // Refused while the training's machine has a file of the store open.
        await eventually(() => run("mount", ["-o", "remount,bind,ro", join(bed.dir, "state")]));
        const reader = bed.open();
        const error = await reader.attach(training.id).catch((reason: unknown) => reason);
        expect(RunctlError.is(error) && error.code).toMatch(/STORAGE|PERMISSION/);
        const refused = await reader.train(await bed.script(["print(1)"], {}, "other.py")).catch((reason: unknown) => reason);
        expect(RunctlError.is(refused) && refused.fix.length).toBeGreaterThan(0);
        await reader.close();
      } finally {
        await run("umount", ["-l", join(bed.dir, "state")]);
      }
      const result = await (await bed.open().attach(training.id)).result();
      expect([result.status, result.attempts.length]).toEqual(["succeeded", 1]);
      await bed.mustBeEmpty();
    }),
  );
});

describe("damaged state", () => {
  it.each(["corrupted in the middle", "truncated"])(
    "a run's log %s is reported; other runs are unaffected, and nothing of it is cut",
    (damage) =>
      withBed(async (bed) => {
        const errors: string[] = [];
        const [hurt, fine] = [
          await bed.runctl.train(await bed.script(WAITING)),
          await bed.runctl.train(await bed.script(COUNTING, { args: ["25", "0.1"] }, "fine.py")),
        ];
        await printed(hurt, "ready");
        await bed.runctl.close({ handOver: false });
        const folder = join(bed.dir, "state", "runs", hurt.id, "events");
        const files = (await readdir(folder)).filter((name) => name.endsWith(".json")).sort();
        const file = join(folder, files[Math.floor(files.length / 2)] ?? "");
        if (damage === "truncated") await truncate(file, 20);
        else {
          const text = await readFile(file, "utf8");
          await writeFile(file, text.replace(/.{10}$/s, "##########"));
        }
        const before = await readFile(file);
        const next = bed.open({ logger: { error: (message) => void errors.push(message) } });
        expect((await (await next.attach(fine.id)).result()).status).toBe("succeeded");
        const error = await next.attach(hurt.id).catch((reason: unknown) => reason);
        expect(RunctlError.is(error) && error.message).toContain(hurt.id);
        expect((await all({ runctl: next })).map((summary) => summary.id)).toEqual([fine.id]);
        expect(errors.join()).toContain(hurt.id);
        const report = await next.reconcile();
        expect(report.reported.map((notice) => `${notice.id} ${notice.what}`).join()).toContain(hurt.id);
        // Not ended on doubt: it may hold work.
        expect(await bed.machines()).toHaveLength(1);
        expect(await eventually(async () => (await findFile(join(bed.dir, "state"), before)).length)).toBeGreaterThan(0);
      }),
  );

  it("junk beside the logs changes nothing", () =>
    withBed(async (bed) => {
      const training = await bed.runctl.train(await bed.script(["print(1)"]));
      await training.result();
      await mkdir(join(bed.dir, "state", "runs", "not-a-run"), { recursive: true });
      await writeFile(join(bed.dir, "state", "runs", ".DS_Store"), "x");
      await appendFile(join(bed.dir, "state", "notes"), "x");
      expect((await all({ runctl: bed.open() })).map((summary) => summary.id)).toEqual([training.id]);
    }));
});

/** Where the damaged bytes are kept: in place, or in quarantine. */
async function findFile(folder: string, bytes: Buffer): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    if ((await readFile(path).catch(() => Buffer.alloc(0))).equals(bytes)) found.push(path);
  }
  return found;
}
