import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileState, Runctl, type RunSpec, type StateStore } from "@runctl/core";
import { type LocalProvider, local } from "@runctl/provider-local";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

// One real provider, real processes, real Python: what users do.
let dir: string;
let provider: LocalProvider;
let state: StateStore;
let runctl: Runctl;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "runctl-train-"));
  provider = local({ home: join(dir, "home"), pricePerHour: 1 });
  state = fileState(join(dir, "state"));
  runctl = new Runctl({ project: "test", user: "tester", providers: [provider], state });
});

afterEach(async () => {
  await runctl.close({ handOver: false });
  await state.close();
  await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
});

async function script(lines: string[], name = "train.py"): Promise<RunSpec> {
  await writeFile(join(dir, name), `${lines.join("\n")}\n`);
  return { script: join(dir, name), root: dir, exclude: ["home", "state"] };
}

describe("train on this machine", () => {
  it("S-03: a script runs, and the result has exit code, duration, cost and checkpoints", async () => {
    const spec = await script([
      "import os, json",
      "d = os.environ['RUNCTL_CHECKPOINT_DIR']",
      "json.dump({'epoch': 1}, open(os.path.join(d, 'epoch-1.json'), 'w'))",
      "open(os.path.join(os.environ['RUNCTL_OUTPUT_DIR'], 'model.txt'), 'w').write('weights')",
      "print('done')",
    ]);
    const run = await runctl.train(spec);
    const lines: string[] = [];
    for await (const line of run.logs()) if (line.source !== "setup") lines.push(line.text);
    const result = await run.result();
    expect(result.error).toBeUndefined();
    expect(result.status).toBe("succeeded");
    expect(result.exitCode).toBe(0);
    expect(lines).toEqual(["done"]);
    expect(result.logTail).toEqual(["done"]);
    expect(result.durationMs).toBeGreaterThan(0);
    expect(result.cost.complete).toBe(true);
    expect(result.cost.total?.amount).toBeGreaterThan(0);
    expect(result.checkpoints.map((checkpoint) => checkpoint.path)).toEqual(["epoch-1.json"]);
    await run.download("outputs", join(dir, "out"));
    expect(await readFile(join(dir, "out", "model.txt"), "utf8")).toBe("weights");
    expect(await readdir(join(dir, "home", "machines"))).toEqual([]);
  });

  it("S-04: a script that exits 3 fails the run, with its last lines", async () => {
    const run = await runctl.train(await script(["print('before')", "raise SystemExit(3)"]));
    const result = await run.result();
    expect(result.status).toBe("failed");
    expect(result.exitCode).toBe(3);
    expect(result.logTail).toContain("before");
    expect(() => result.orThrow()).toThrow(/exit code 3/);
  });

  it("passes arguments literally", async () => {
    const args = ["$(touch pwned)", "`id`", "a b", "--x='y'", "ü\n😀", "-n", ""];
    const spec = await script(["import sys, json", "print(json.dumps(sys.argv[1:]))"]);
    const run = await runctl.train({ ...spec, args });
    const result = await run.result();
    expect(JSON.parse(result.logTail[0] ?? "")).toEqual(args);
  });

  it("resumes on another machine after the first was taken away", async () => {
    const spec = await script([
      "import os, json, time",
      "d, r = os.environ['RUNCTL_CHECKPOINT_DIR'], os.environ['RUNCTL_RESUME_FROM']",
      "e = json.load(open(r))['epoch'] if r else 0",
      "print('from', e, flush=True)",
      "p = os.path.join(d, f'epoch-{e + 1}.json')",
      "json.dump({'epoch': e + 1}, open(p + '.tmp', 'w')); os.rename(p + '.tmp', p)",
      "time.sleep(0 if r else 600)",
    ]);
    const run = await runctl.train(spec);
    for await (const event of run.events()) {
      if (event.type === "checkpoint-published" && event.attempt === 1) {
        await provider.simulateInterruption((await run.status()).machines[0]?.ref.id ?? "");
      }
    }
    const result = await run.result();
    expect(result.status).toBe("succeeded");
    expect(result.attempts.map((attempt) => attempt.outcome)).toEqual(["interrupted", "succeeded"]);
    expect(result.attempts[1]?.resumedFrom?.path).toBe("epoch-1.json");
    expect(result.logTail).toEqual(["from 1"]);
    expect(await readdir(join(dir, "home", "machines"))).toEqual([]);
  });

  it("stop saves a checkpoint and ends as stopped; cancel ends now", async () => {
    const saving = await script([
      "import os, json, time, signal, sys",
      "def stop(*_):",
      "    json.dump({'epoch': 7}, open(os.path.join(os.environ['RUNCTL_CHECKPOINT_DIR'], 'last.json'), 'w')); sys.exit(0)",
      "signal.signal(signal.SIGTERM, stop)",
      "print('ready', flush=True)",
      "time.sleep(600)",
    ]);
    const run = await runctl.train(saving);
    for await (const line of run.logs()) if (line.text === "ready") break;
    await run.stop();
    const stopped = await run.result();
    expect(stopped.status).toBe("stopped");
    expect(stopped.checkpoints.map((checkpoint) => checkpoint.path)).toEqual(["last.json"]);

    const other = await runctl.train(saving, { until: "running" });
    await other.cancel();
    expect((await other.result()).status).toBe("cancelled");
    expect(await readdir(join(dir, "home", "machines"))).toEqual([]);
  });
});
