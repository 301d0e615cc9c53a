import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryState, Runctl } from "@runctl/core";
import type { HostSession, Intent } from "@runctl/core/provider";
import type { AttemptFile } from "@runctl/core/seams";
import { describe, expect, test } from "vitest";
import { createHostClient } from "../../core/src/host/create-host-client.ts";
import { until } from "../../core/src/host/testing/attempt-fixture.ts";
import { EmulatedCloud } from "../src/cloud/emulated-cloud.ts";
import { type ProcessHost, type ProcessHosts, processHooks, processHost } from "../src/hosts/process-host.ts";

// Real processes under the real clock: the emulated cloud's machines, with the real host agent inside.

/** Saves each step, at a signal too. The first attempt never ends by itself. */
const TRAIN = `import json, os, signal, subprocess, sys, time
folder, source = os.environ["RUNCTL_CHECKPOINT_DIR"], os.environ["RUNCTL_RESUME_FROM"]
step = json.load(open(source))["step"] if source else 0
end = step + 3 if source else 10**6
print("from step", step, flush=True)
subprocess.Popen(["sleep", "600"], start_new_session=True)
def save():
    with open(folder + "/.tmp", "w") as f: json.dump({"step": step}, f)
    os.rename(folder + "/.tmp", folder + "/step-%d.json" % step)
    print("step", step, flush=True)
def stop(*_):
    save()
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
while step < end:
    time.sleep(0.2)
    step += 1
    if step % 3 == 0 or step == end: save()
`;

interface Machine {
  host: ProcessHost;
  session: HostSession;
  ended: string[];
}

/** A folder with machines in it, and everything gone after the test. */
class Bed {
  readonly folder = mkdtempSync(join(tmpdir(), "runctl processes 'q "));
  readonly machines: ProcessHosts = processHost({ root: join(this.folder, "machines") });

  running(): number[] {
    return [...this.machines.hosts.values()].flatMap((host) => host.processes());
  }

  async machine(options: { apiFails?: number } = {}): Promise<Machine> {
    const ended: string[] = [];
    let failures = options.apiFails ?? 0;
    const host = this.machines({
      id: `m/${this.machines.hosts.size}`,
      intent: { boot: "" } as Intent,
      zone: "zone-a",
      powerOff: () => {
        ended.push("off");
        host.halt("gone");
      },
      endItself: async () => {
        if (failures-- > 0) throw new Error("no route to host");
        ended.push("ended itself");
        host.halt("gone");
      },
      isOnline: () => true,
    });
    host.boot();
    return { host, session: await host.connect(), ended };
  }

  order(change: Partial<AttemptFile> = {}): AttemptFile {
    return {
      v: 1,
      runId: "run1",
      attempt: 1,
      nonce: `nonce${change.attempt ?? 1}${this.folder.slice(-6)}`,
      machineId: "m0",
      stateId: "s",
      stores: [{ prefix: "", access: { kind: "file", settings: { root: join(this.folder, "store") } } }],
      runPrefix: "runs/run1/",
      code: null,
      argv: ["python3", "-c", TRAIN],
      env: {},
      secretNames: [],
      dependencies: { kind: "none" },
      script: null,
      inputs: [],
      outputs: [],
      checkpoints: {
        dir: "checkpoints",
        store: 0,
        prefix: "runs/run1/ckpt/",
        resume: { mode: "auto", manifests: [] },
        resumeArgs: [],
        stopSignal: "SIGTERM",
        graceSeconds: 5,
        suggestedSaveSeconds: null,
        metricPatterns: [],
      },
      stop: { signal: "SIGTERM", graceSeconds: 5 },
      allowance: { seq: 1, seconds: null, hardSeconds: 600 },
      deadlineAt: null,
      maxDurationSeconds: null,
      guard: { feedSeconds: 60, firstFeedSeconds: 60 },
      hooks: hooksOf("os-poweroff"),
      endPolicy: { action: "none", afterSeconds: 0 },
      exclusive: true,
      distributed: null,
      container: null,
      traceparent: null,
      ...change,
    };
  }

  dispose(): void {
    this.machines.dispose();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function hooksOf(guard: "os-poweroff" | "host-calls-api"): AttemptFile["hooks"] {
  const { notice = null, stop = null, terminate = null } = processHooks(guard);
  return { notice, noticeBuiltin: null, stop, terminate };
}

const it = test.extend<{ bed: Bed }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the needed fixtures out of this pattern.
  bed: async ({}, use) => {
    const bed = new Bed();
    try {
      await use(bed);
    } finally {
      bed.dispose();
    }
  },
});

describe.concurrent("the emulated cloud with real processes inside its machines", () => {
  it("P-14 S-12 five seconds of notice, then SIGKILL: the next machine goes on from what was saved; nothing is left running", async ({
    bed,
  }) => {
    const { folder, machines } = bed;
    const cloud = new EmulatedCloud({ host: machines, hostHooks: () => processHooks() });
    mkdirSync(join(folder, "project"));
    writeFileSync(join(folder, "project/train.py"), TRAIN);
    const runctl = new Runctl({
      project: "test",
      user: "tester",
      providers: [cloud.client()],
      state: memoryState(),
      store: join(folder, "store"),
    });
    try {
      const root = join(folder, "project");
      const run = await runctl.train({ script: join(root, "train.py"), root, dependencies: "none", market: "spot" });
      for await (const event of run.events()) {
        if (event.type === "checkpoint-published") break;
      }
      const [first] = machines.hosts.values();
      expect(first?.processes().length).toBeGreaterThan(4);
      cloud.reclaim(first?.context.id ?? "", { noticeMs: 5_000 });
      const result = await run.result();
      expect(result.status).toBe("succeeded");
      expect(result.attempts.map((attempt) => [attempt.outcome, attempt.cause])).toEqual([
        ["interrupted", "notice"],
        ["succeeded", "exit"],
      ]);
      machines.collect();
      const [one, two] = machines.records.trainings;
      expect(machines.records.trainings).toHaveLength(2);
      // It saved on the notice, so nothing was trained twice.
      expect(two).toMatchObject({ attempt: 2, stepsFrom: one?.stepsTo, stepsTo: (one?.stepsTo ?? 0) + 3 });
      expect(two?.machineId).not.toBe(one?.machineId);
      expect(one?.to).toBeLessThanOrEqual(two?.from ?? 0);
      await until("the machines have ended", () => bed.running().length === 0);
    } finally {
      await runctl.close();
    }
  });
});

describe.concurrent("one machine", () => {
  const client = createHostClient();

  const secrets = { env: {}, stores: {} };

  async function trainUntilPublished(bed: Bed, on: Machine): Promise<void> {
    await client.start(on.session, bed.order(), secrets);
    await until("a checkpoint", async () => ((await client.observe(on.session, "run1", 1)).status?.published ?? 0) > 0);
  }

  it("P-10 its guardian switches it off at the hard limit; one that ends itself through an API that fails tries again", async ({ bed }) => {
    for (const guard of ["os-poweroff", "host-calls-api"] as const) {
      const one = await bed.machine({ apiFails: 1 });
      const hooks = hooksOf(guard);
      const allowance = { seq: 1, seconds: null, hardSeconds: 1 };
      const file = bed.order({ runId: guard, runPrefix: `runs/${guard}/`, hooks, allowance, checkpoints: null, argv: ["sleep", "600"] });
      await client.start(one.session, file, secrets);
      await until("it ends itself", () => one.ended.length > 0);
      expect(one.ended).toEqual([guard === "os-poweroff" ? "off" : "ended itself"]);
      expect(one.host.processes()).toEqual([]);
      expect(existsSync(one.host.home)).toBe(false);
      await expect(one.session.exec(["true"])).rejects.toMatchObject({ kind: "host-unreachable" });
      await expect(one.host.connect()).rejects.toMatchObject({ kind: "host-unreachable" });
    }
  });

  it("stopped and started: the agent sees a new boot and does not train again; the next attempt finds the checkpoint", async ({ bed }) => {
    const { machines } = bed;
    const one = await bed.machine();
    await trainUntilPublished(bed, one);
    one.host.halt("kept");
    expect(one.host.processes()).toEqual([]);
    await expect(client.observe(one.session, "run1", 1)).rejects.toMatchObject({ kind: "host-unreachable" });
    one.host.boot();
    const session = await one.host.connect();
    expect((await client.observe(session, "run1", 1)).alive).toEqual({ guardian: false, supervisor: false, runner: false });
    await client.start(session, bed.order(), secrets);
    const final = await until("it tells its end", async () => (await client.observe(session, "run1", 1)).final);
    expect(final).toMatchObject({ cause: "reboot", code: null });
    expect(machines.records.trainings).toMatchObject([{ attempt: 1, stepsFrom: 0, resumedFrom: null }]);
    const second = bed.order({ attempt: 2 });
    await client.start(session, second, secrets);
    await until("it goes on", async () => (await client.observe(session, "run1", 2)).status?.resumedFrom !== null);
  });

  it("a session answers as a machine does: streams, codes, files, folders that appear later, an end in the middle", async ({ bed }) => {
    const { folder } = bed;
    const { host, session } = await bed.machine();
    const said = await session.exec(["sh", "-c", 'cat; echo "$0 $HERE" >&2; exit 3', "odd '\n"], { stdin: "in", env: { HERE: "x" } });
    expect(said).toEqual({ exitCode: 3, stdout: "in", stderr: "odd '\n x\n" });
    expect((await session.exec(["no-such-program"])).exitCode).toBe(127);
    await expect(session.exec(["sleep", "60"], { timeoutMs: 50 })).rejects.toMatchObject({ kind: "timeout" });
    await expect(session.exec(["sleep", "60"], { signal: AbortSignal.timeout(50) })).rejects.toThrow();
    await session.write("a b/c", "text");
    expect(Buffer.from((await session.read("a b/c", 1, 2)) ?? []).toString()).toBe("ex");
    expect(await session.read("missing", 0)).toBeUndefined();
    await session.upload(join(host.home, "a b"), "copy");
    await session.download("copy/c", join(folder, "down/c"));
    expect(readFileSync(join(folder, "down/c"), "utf8")).toBe("text");
    let changes = 0;
    const stop = session.watch?.("later", () => {
      changes += 1;
    });
    await session.write("later/file", "x");
    await until("a change", () => changes > 0);
    stop?.();
    const long = session.exec(["sleep", "600"]);
    await until("it runs", () => host.processes().length > 0);
    host.halt("gone");
    await expect(long).rejects.toMatchObject({ kind: "host-unreachable" });
  });
});
