import { existsSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { HostSession } from "@runctl/core/provider";
import type { AttemptFile, HostFinal } from "@runctl/core/seams";
import { describe, expect } from "vitest";
import { type AttemptFixture, kill, until } from "../../core/src/host/testing/attempt-fixture.ts";
import { it } from "../../core/src/host/testing/host-test.ts";
import { HostBed } from "../src/hosts/host-bed.test-support.ts";
import type { JobModel } from "../src/hosts/job-model.ts";
import { JOB, noticeOf, objectsIn, type Trace, traceOf } from "./support/differential.ts";

// The same small job on the real agent (real processes, real time) and on the model (virtual time): what both leave in the store and tell a
// controller must be the same, but for times.

/** What happens to both at the same place of the training: step 3 is done, and the checkpoint of step 2 is published. */
interface Action {
  real(host: AttemptFixture, file: AttemptFile): Promise<void>;
  model(bed: HostBed, session: HostSession, file: AttemptFile): Promise<void>;
}

interface Scenario {
  name: string;
  env?: Record<string, string>;
  job?: JobModel;
  change?: Partial<AttemptFile>;
  action?: Action;
  /** What is in the store before, by key. */
  before?: Record<string, string>;
  cause: HostFinal["cause"];
}

/** LATEST as attempt 2 claims it. */
const NEWER = {
  key: "runs/run1/ckpt/LATEST.0000000003",
  text: JSON.stringify({ v: 1, n: 3, claimedBy: 2, attempt: 1, seq: 1, manifest: null, base: null, nonce: "newer", at: "" }),
};

const NOTICE = "notice.sh-out";

/** Seconds from now, to the whole second, as a provider tells it. */
const isoIn = (now: number, seconds: number): number => Math.floor(now / 1000 + seconds) * 1000;

const told = (command: Parameters<HostBed["control"]>[2]): Action => ({
  real: (host, file) => host.client.control(host.session, file.runId, file.attempt, command),
  model: (bed, session, file) => bed.control(session, file, command),
});

const scenarios: Scenario[] = [
  { name: "exit 0", cause: "exit" },
  { name: "exit by itself with another code", env: { FAIL_AT: "3" }, job: { failAt: { step: 3, code: 3 } }, cause: "exit" },
  { name: "done file", env: { DONE: "1" }, job: { doneFile: true }, cause: "done-file" },
  { name: "stop", action: told({ op: "stop", cause: "stop" }), cause: "stop" },
  { name: "suspend", action: told({ op: "stop", cause: "suspend", graceSeconds: 20 }), cause: "suspend" },
  {
    name: "stop of a job that ignores it",
    env: { ON_SIGNAL: "ignore" },
    job: { onSignal: "ignore" },
    action: told({ op: "stop", cause: "stop", graceSeconds: 0.5 }),
    cause: "stop",
  },
  { name: "cancel", action: told({ op: "cancel" }), cause: "cancel" },
  { name: "allowance", action: told({ op: "allowance", seq: 2, seconds: 0, hardSeconds: 500 }), cause: "allowance" },
  {
    name: "max duration",
    change: { maxDurationSeconds: 3.1 },
    env: { STEPS: "1000" },
    job: { steps: 1000 },
    cause: "max-duration",
  },
  { name: "guard", action: told({ op: "allowance", seq: 2, seconds: null, hardSeconds: 0 }), cause: "guard" },
  {
    name: "notice",
    change: { hooks: { notice: `cat ${NOTICE} 2>/dev/null`, noticeBuiltin: null, stop: null, terminate: null } },
    action: {
      real: async (host, file) => {
        const at = new Date(isoIn(Date.now(), 30)).toISOString();
        writeFileSync(join(host.dir(file), NOTICE), `${JSON.stringify({ action: "terminate", at })}\n`);
      },
      model: async (bed) => bed.hosts.hosts.get("machine1")?.notice({ action: "terminate", atMs: isoIn(bed.clock.now(), 30) }),
    },
    cause: "notice",
  },
  {
    name: "a supervisor that was killed, then a stop",
    action: {
      real: async (host, file) => {
        const events = (): string => host.text(file, "events.jsonl");
        kill(await host.pid(file, "supervisor"), "SIGKILL");
        await until("another one works", () => events().includes("the supervisor was restarted"));
        await host.client.control(host.session, file.runId, file.attempt, { op: "stop", cause: "stop" });
      },
      model: async (bed, session, file) => {
        bed.hosts.hosts.get("machine1")?.attempt(file.runId, file.attempt)?.killSupervisor();
        await bed.clock.pass(3);
        await bed.control(session, file, { op: "stop", cause: "stop" });
      },
    },
    cause: "stop",
  },
  {
    name: "a newer attempt has claimed the run, then a stop",
    action: {
      real: async (host, file) => {
        writeFileSync(join(host.store, NEWER.key), NEWER.text);
        await host.client.control(host.session, file.runId, file.attempt, { op: "stop", cause: "stop" });
      },
      model: async (bed, session, file) => {
        await bed.objects.put(`memory://world/${NEWER.key}`, NEWER.text);
        await bed.control(session, file, { op: "stop", cause: "stop" });
      },
    },
    cause: "stop",
  },
  { name: "without checkpoints", env: { NO_SAVES: "1" }, change: { checkpoints: null }, cause: "exit" },
  {
    name: "claim lost",
    before: { "runs/run1/attempts/1/claim": JSON.stringify({ machine: "another", nonce: "other" }) },
    cause: "claim-lost",
  },
];

function order(scenario: Scenario, base: AttemptFile, attempt = 1): AttemptFile {
  return {
    ...base,
    attempt,
    nonce: `${"0".repeat(10)}nonce${attempt}${base.nonce.slice(0, 8)}`,
    machineId: "machine1",
    argv: ["python3", "-c", JOB],
    env: {
      STEPS: "6",
      STEP_SECONDS: "0.5",
      ...(scenario.action === undefined ? {} : { HOLD_AFTER: "3" }),
      ...scenario.env,
    },
    checkpoints: {
      dir: "checkpoints",
      store: 0,
      prefix: "runs/run1/ckpt/",
      resume: { mode: "auto", manifests: [] },
      resumeArgs: [],
      stopSignal: "SIGTERM",
      graceSeconds: 20,
      suggestedSaveSeconds: null,
      metricPatterns: [],
    },
    stop: { signal: "SIGTERM", graceSeconds: 20 },
    allowance: { seq: 1, seconds: null, hardSeconds: 600 },
    hooks: { notice: null, noticeBuiltin: null, stop: null, terminate: null },
    ...scenario.change,
  };
}

async function onRealAgent(host: AttemptFixture, scenario: Scenario, file: AttemptFile): Promise<{ trace: Trace; notice: unknown }> {
  for (const [key, text] of Object.entries(scenario.before ?? {})) {
    mkdirSync(dirname(join(host.store, key)), { recursive: true });
    writeFileSync(join(host.store, key), text);
  }
  await host.start(file);
  if (scenario.action !== undefined) {
    await until("step 3", () => existsSync(join(host.dir(file), "work/held")));
    await until(
      "a published checkpoint",
      async () => (await host.client.observe(host.session, "run1", file.attempt)).status?.published === 1,
    );
    await scenario.action.real(host, file);
  }
  const final = await host.final(file);
  const { notice } = await host.client.observe(host.session, "run1", file.attempt);
  return { trace: traceOf(objectsIn(host.store), file, final), notice: notice && noticeOf(notice) };
}

function bedFor(scenario: Scenario): HostBed {
  return new HostBed({
    steps: 6,
    stepSeconds: 0.5,
    saveEverySteps: 2,
    saveSeconds: 0,
    uploadSeconds: 0.2,
    setupSeconds: 0.1,
    outputs: { "output/model.txt": "done" },
    ...(scenario.action === undefined ? {} : { waitAt: 3 }),
    ...scenario.job,
  });
}

async function onModel(bed: HostBed, scenario: Scenario, file: AttemptFile): Promise<{ trace: Trace; notice: unknown }> {
  for (const [key, text] of Object.entries(scenario.before ?? {})) await bed.objects.put(`memory://world/${key}`, text);
  const session = await bed.start(bed.hosts.hosts.get("machine1") ?? bed.machine("machine1"), file);
  if (scenario.action !== undefined) {
    await bed.clock.pass(0.1 + 1.5 + 0.01);
    await scenario.action.model(bed, session, file);
  }
  await bed.clock.pass(60);
  const seen = await bed.observe(session, file);
  if (seen.final === undefined) throw new Error("the model has not ended");
  return { trace: traceOf(await objectsOf(bed), file, seen.final), notice: seen.notice && noticeOf(seen.notice) };
}

async function objectsOf(bed: HostBed): Promise<Map<string, Uint8Array>> {
  const objects = new Map<string, Uint8Array>();
  for (const key of await bed.keys()) objects.set(key, await bed.objects.get(`memory://world/${key}`));
  return objects;
}

const inWorld = (file: AttemptFile): AttemptFile => ({
  ...file,
  stores: [{ prefix: "", access: { kind: "command", command: "world", settings: { uri: "memory://world/" } } }],
});

describe.concurrent("the model leaves and tells what the real agent does", () => {
  for (const scenario of scenarios) {
    it(`S-14 ${scenario.name}`, async ({ host }) => {
      const file = order(scenario, host.attempt());
      const [real, model] = [await onRealAgent(host, scenario, file), await onModel(bedFor(scenario), scenario, inWorld(file))];
      expect((real.trace.final as HostFinal).cause).toBe(scenario.cause);
      expect(model).toEqual(real);
    });
  }

  it("P-25 going on from a torn checkpoint: both fall back to the one before, for the same reason", async ({ host }) => {
    const scenario: Scenario = { name: "torn", cause: "exit" };
    const [one, two] = [order(scenario, host.attempt()), order(scenario, host.attempt(), 2)];
    await onRealAgent(host, scenario, one);
    truncateSync(join(host.store, "runs/run1/ckpt/1/000003/files/step-6.json"), 10);
    const real = await onRealAgent(host, scenario, two);
    const bed = bedFor(scenario);
    await onModel(bed, scenario, inWorld(one));
    const torn = "memory://world/runs/run1/ckpt/1/000003/files/step-6.json";
    await bed.objects.put(torn, (await bed.objects.get(torn)).subarray(0, 10));
    const model = await onModel(bed, scenario, inWorld(two));
    expect(real.trace.events[0]).toMatch(/^rejected .*000003.*: step-6\.json has 10 bytes/);
    expect(model).toEqual(real);
  });
});
