import { describe, expect, it } from "vitest";
import { MemoryCloud, memoryProvider } from "../../test/support/memory-provider.ts";
import { usd } from "../../test/support/records.ts";
import { testClock } from "../../test/support/test-clock.ts";
import { CleanupSafety } from "../cleanup/cleanup-safety.ts";
import {
  AmbiguousOutcomeError,
  CleanupRefusedError,
  ConflictError,
  NoCapacityError,
  NotFoundError,
  QuotaError,
  TimeoutError,
  UnsupportedCapabilityError,
  ValidationError,
} from "../errors/kinds.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import { TAGS } from "../provider/tags.ts";
import { memoryState } from "../state/memory-state.ts";
import type { StateStore } from "../state/state-store.ts";
import { ResourceTracker } from "../tracker/resource-tracker.ts";
import { systemRandom } from "../util/random.ts";
import { Machines } from "./machines.ts";
import type { MachinesDeps } from "./machines-deps.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function setup(over: Partial<MachinesDeps> = {}, shape: Parameters<typeof memoryProvider>[1] = {}) {
  const clock = testClock({ auto: true });
  const cloud = new MemoryCloud(clock);
  const state = memoryState();
  const active = new Set<string>();
  let processes = 0;
  /** A process of its own: only the store and the cloud are shared. `wrap` sees every call that leaves it. */
  const process = (wrap: <T extends object>(target: T) => T = (target) => target) => {
    const provider = wrap(memoryProvider(cloud, shape));
    const store: StateStore = wrap(state);
    const providers = {
      find: (name: string): TrainingProvider | undefined => (name === "mem" ? provider : undefined),
      all: () => [provider],
    };
    const session = `p${++processes}`;
    const tracker = new ResourceTracker({ state: store, clock, providers, project: "digits", user: "ann", session });
    const cleanup = new CleanupSafety({
      providers,
      state: store,
      clock,
      session,
      isRunActive: async (runId) => ({ active: active.has(runId), why: "test" }),
    });
    const machines = new Machines({
      providers,
      state: store,
      tracker,
      cleanup,
      clock,
      random: systemRandom,
      project: "digits",
      user: "ann",
      session,
      isSessionAlive: async () => false,
      ...over,
    });
    return { machines, tracker, cleanup };
  };
  return { clock, cloud, state, active, process, ...process() };
}
const aliveIds = (cloud: MemoryCloud): string[] => cloud.alive().map((machine) => machine.ref.id);

describe("create", () => {
  it("S-02: with wait, an id is returned once it runs and answers a command; tags are there from launch", async () => {
    const { machines, cloud, tracker } = setup();
    const made = await machines.create({
      provider: "mem",
      instanceType: "spot-small",
      market: "spot",
      tags: { team: "x", [TAGS.state]: "forged" },
      wait: true,
    });
    expect(cloud.calls).toContain("exec true");
    const machine = cloud.mustHave(made.ref.id).machine;
    expect(machine.tags).toMatchObject({ [TAGS.createdBy]: "runctl", [TAGS.project]: "digits", [TAGS.user]: "ann", team: "x" });
    expect(machine.tags[TAGS.state]).not.toBe("forged");
    expect(machine.name).toMatch(/^runctl-ann-digits-/);
    expect((await tracker.get(made.id))?.hourly.total).toEqual(usd(0.3));
    expect(made).toMatchObject({ market: "spot", state: "running", machine: { state: "running" } });
  });

  it("the whole intent is durable before the provider is asked", async () => {
    const { machines, state, cloud, process } = setup();
    const seen: unknown[] = [];
    const watched = process((target) =>
      "create" in target
        ? {
            ...target,
            create: async (...args: Parameters<TrainingProvider["create"]>) => {
              seen.push(
                (await state.read(`resource/${args[0].id}`)).map((stored) => [stored.event.type, stored.event.intent]),
                JSON.parse(JSON.stringify(args[0])),
              );
              return (target as unknown as TrainingProvider).create(...args);
            },
          }
        : target,
    );
    await watched.machines.create({ provider: "mem" });
    expect(seen[0]).toEqual([["intent-recorded", seen[1]]]);
    expect(aliveIds(cloud)).toHaveLength(1);
    expect(await machines.list()).toHaveLength(1);
  });

  it("takes the cheapest that fits, the next when there is no capacity, and says so when there is none", async () => {
    const { machines, cloud, state } = setup();
    expect((await machines.create({ provider: "mem" })).type).toBe("small");
    cloud.fault("create", ["unavailable"]);
    expect((await machines.create({ provider: "mem" })).type).toBe("big");
    cloud.fault("create", { always: "unavailable" });
    await expect(machines.create({ provider: "mem" })).rejects.toSatisfy(NoCapacityError.isInstance);
    await expect(machines.create({ provider: "mem", maxPricePerHour: 0.5 })).rejects.toSatisfy(NoCapacityError.isInstance);
    for await (const info of state.list("resource/"))
      if (!info.ended) expect((await state.read(info.stream)).at(-1)?.event.type).toBe("purchase-created");
  });

  it("bad requests are named before anything is asked", async () => {
    const { machines, cloud } = setup();
    for (const wrong of [
      { provider: "mem", gpus: 1 },
      { provider: "mem", maxLifetime: "soon" },
      { provider: "mem", name: "a b" },
      { provider: "mem", env: { "A B": "x" } },
    ]) {
      await expect(machines.create(wrong as never)).rejects.toSatisfy(ValidationError.isInstance);
    }
    await expect(machines.create({ provider: "nope" })).rejects.toSatisfy(NotFoundError.isInstance);
    expect(cloud.calls).toEqual([]);
  });

  it("stops a loop that buys: 50 machines of the project by default, or the limit", async () => {
    const { machines, cloud } = setup({ limits: { maxRunning: 2 } });
    await machines.create({ provider: "mem" });
    await machines.create({ provider: "mem" });
    await expect(machines.create({ provider: "mem" })).rejects.toSatisfy(QuotaError.isInstance);
    expect(aliveIds(cloud)).toHaveLength(2);
  });

  it("a machine that never answers is ended again", async () => {
    const { machines, cloud, tracker } = setup();
    cloud.answers = false;
    await expect(machines.create({ provider: "mem" }, { wait: true, waitFor: "1m" })).rejects.toSatisfy(TimeoutError.isInstance);
    expect(aliveIds(cloud)).toEqual([]);
    expect((await tracker.list({ showEnded: true })).map((resource) => resource.state)).toEqual(["ended"]);
  });

  it("in another account than the first purchase nothing is bought", async () => {
    const { machines, cloud } = setup();
    await machines.create({ provider: "mem" });
    cloud.account = "acct-2";
    await expect(machines.create({ provider: "mem" })).rejects.toThrow(/belongs to account acct-1/);
    expect(aliveIds(cloud)).toHaveLength(1);
  });

  it("an unknown outcome is void, swept for 24 h, and a machine that appears late is ended", async () => {
    const { machines, cloud, process, clock, state } = setup({}, { capabilities: { identity: "name" } });
    cloud.fault("create", ["reply-lost"]);
    cloud.lagMs = 3 * HOUR;
    await expect(machines.create({ provider: "mem" })).rejects.toSatisfy(AmbiguousOutcomeError.isInstance);
    await machines.settled();
    expect(await process().machines.reconcileIntents()).toMatchObject({ ended: [], waiting: [expect.any(String)] });
    expect(aliveIds(cloud)).toHaveLength(1);
    clock.advance(3 * HOUR);
    expect((await process().machines.reconcileIntents()).ended).toHaveLength(1);
    expect(aliveIds(cloud)).toEqual([]);
    clock.advance(24 * HOUR);
    await process().machines.reconcileIntents();
    for await (const info of state.list("resource/")) expect(info.ended).toBe(true);
  });

  it("P-02: a young open intent is not voided while the listing may lag", async () => {
    const { machines, cloud, process, clock } = setup();
    await killedAt(process, "create", "after", machines);
    cloud.lagMs = 0;
    for (const held of cloud.held.values()) held.visibleAt = clock.now() + 40_000;
    expect(await process().machines.reconcileIntents()).toMatchObject({ adopted: [], voided: [], waiting: [expect.any(String)] });
    clock.advance(41_000);
    const report = await process().machines.reconcileIntents();
    expect(report.adopted).toHaveLength(1);
    expect((await process().machines.list()).map((machine) => machine.state)).toEqual(["running"]);
  });

  it("leaves an intent alone while its creator is alive", async () => {
    const { process, machines, cloud } = setup({ isSessionAlive: async () => true });
    await killedAt(process, "create", "after", machines);
    expect((await process().machines.reconcileIntents()).adopted).toEqual([]);
    expect(aliveIds(cloud)).toHaveLength(1);
  });

  it("P-01: killed at any call, before or after its effect, one reconcile leaves every machine in the ledger or ended", async () => {
    let boundaries = 0;
    for (const identity of ["token", "name"] as const) {
      for (const mode of ["before", "after"] as const) {
        for (let at = 1; ; at++) {
          const { process, clock, cloud } = setup({}, { capabilities: { identity } });
          const gate = dieAt(at, mode);
          const victim = process(gate.wrap);
          const done = victim.machines.create({ provider: "mem" }, { wait: true }).then(() => "done");
          if ((await Promise.race([done, gate.dead])) === "done") break;
          boundaries++;
          clock.advance(20 * MINUTE);
          const after = process();
          await after.machines.reconcileIntents();
          const known = new Set((await after.tracker.list()).map((resource) => resource.ref.id));
          expect(
            aliveIds(cloud).filter((id) => !known.has(id)),
            `${identity} ${mode} call ${at}`,
          ).toEqual([]);
          expect(aliveIds(cloud).length).toBeLessThanOrEqual(1);
        }
      }
    }
    expect(boundaries).toBeGreaterThan(30);
  });

  it("P-07: aborted while the purchase is being written down, it is ended and not handed out", async () => {
    const { process, cloud } = setup();
    const controller = new AbortController();
    const one = process((target) =>
      "append" in target
        ? {
            ...target,
            append: async (...args: Parameters<StateStore["append"]>) => {
              if (args[1][0]?.type === "purchase-created") controller.abort(new Error("enough"));
              return (target as unknown as StateStore).append(...args);
            },
          }
        : target,
    );
    await expect(one.machines.create({ provider: "mem" }, { signal: controller.signal })).rejects.toThrow("enough");
    expect(aliveIds(cloud)).toEqual([]);
    expect((await one.tracker.list({ showEnded: true })).map((resource) => resource.state)).toEqual(["ended"]);
  });

  it("P-07: aborted at any call, it rejects with the caller's reason and converges to nothing", async () => {
    let boundaries = 0;
    for (const [identity, wait] of [
      ["token", true],
      ["name", true],
      ["token", false],
    ] as const) {
      for (let at = 1; ; at++) {
        const { process, clock, cloud } = setup({}, { capabilities: { identity } });
        const controller = new AbortController();
        const reason = new Error("enough");
        let calls = 0;
        const one = process((target) =>
          intercept(target, async (call) => {
            if (++calls === at) controller.abort(reason);
            return call();
          }),
        );
        const result = await one.machines.create({ provider: "mem" }, { wait, signal: controller.signal }).then(
          () => "made",
          (error: unknown) => error,
        );
        if (!controller.signal.aborted) break;
        boundaries++;
        await one.machines.settled();
        clock.advance(20 * MINUTE);
        await process().machines.reconcileIntents();
        // Aborted after the last await that looks: it is made, and in the ledger.
        if (result === "made") expect((await one.machines.list()).map((machine) => machine.ref.id)).toEqual(aliveIds(cloud));
        else {
          expect(result, `${identity} call ${at}`).toBe(reason);
          expect(aliveIds(cloud), `${identity} call ${at}`).toEqual([]);
        }
      }
    }
    expect(boundaries).toBeGreaterThan(20);
  });
});

describe("a machine's life", () => {
  it("S-18: stop freezes the cost, start goes on", async () => {
    const { machines, clock, cloud } = setup();
    const { id } = await machines.create({ provider: "mem" });
    clock.advance(HOUR);
    expect((await machines.stop(id)).state).toBe("stopped");
    clock.advance(10 * HOUR);
    expect((await machines.start(id)).state).toBe("running");
    clock.advance(HOUR);
    expect((await machines.get(id))?.cost.total).toEqual(usd(2));
    expect((await machines.get(id))?.machine?.state).toBe("running");
    expect(cloud.calls.filter((call) => call === "stop" || call === "start")).toEqual(["stop", "start"]);
  });

  it("S-15: terminate is refused while busy, protected or young; force overrides age and activity only; in a fresh process", async () => {
    const { machines, process, clock, cloud, cleanup } = setup();
    const { id, ref } = await machines.create({ provider: "mem" });
    await expect(process().machines.terminate(id)).rejects.toThrow(/old/);
    clock.advance(5 * MINUTE);
    cloud.usage.set(ref.id, { at: "2026-01-01T00:00:00Z", cpuPercent: 97, disks: [], gpus: [], processes: [] });
    await expect(process().machines.terminate(id)).rejects.toThrow(/working/);
    await expect(process().machines.stop(id)).rejects.toSatisfy(CleanupRefusedError.isInstance);
    await cleanup.protect(id);
    await expect(process().machines.terminate(id, { force: true })).rejects.toThrow(/protected/);
    expect(aliveIds(cloud)).toHaveLength(1);
    await cleanup.unprotect(id);
    expect(await process().machines.terminate(id, { force: true })).toEqual({ gone: true, why: "" });
    expect(aliveIds(cloud)).toEqual([]);
    expect(await process().machines.terminate(id)).toEqual({ gone: true, why: "" });
    await expect(process().machines.exec(id, ["ls"])).rejects.toSatisfy(ConflictError.isInstance);
  });

  it("S-14: stopping or starting the machine of a live run suspends and resumes the run", async () => {
    const calls: string[] = [];
    const runs = {
      isActive: async () => true,
      suspend: async (runId: string) => void calls.push(`suspend ${runId}`),
      resume: async (runId: string) => void calls.push(`resume ${runId}`),
    };
    const { machines, tracker, cloud, state } = setup({ runs });
    const machine = cloud.add({ [TAGS.state]: await state.stateId(), [TAGS.run]: "r1" });
    await tracker.register({ ref: machine.ref, runId: "r1" });
    await machines.stop(machine.ref.id);
    await machines.start(machine.ref.id);
    expect(calls).toEqual(["suspend r1", "resume r1"]);
    expect(cloud.calls).not.toContain("stop");
  });

  it("never touches what does not carry our id, or is not in the ledger", async () => {
    const { machines, tracker, cloud } = setup();
    const foreign = cloud.add({ [TAGS.state]: "other" });
    await expect(machines.stop(foreign.ref.id)).rejects.toSatisfy(NotFoundError.isInstance);
    await tracker.register({ ref: foreign.ref });
    for (const call of [
      machines.stop(foreign.ref.id, { force: true }),
      machines.start(foreign.ref.id),
      machines.exec(foreign.ref.id, ["ls"]),
      machines.terminate(foreign.ref.id, { force: true }),
    ]) {
      await expect(call).rejects.toSatisfy(CleanupRefusedError.isInstance);
    }
    expect(aliveIds(cloud)).toEqual([foreign.ref.id]);
  });

  it("S-26: usage is kept, and what is above 80 % is flagged", async () => {
    const { machines, cloud, tracker } = setup();
    const { id, ref } = await machines.create({ provider: "mem" });
    cloud.usage.set(ref.id, {
      at: "2026-01-01T00:00:00Z",
      cpuPercent: 80,
      memory: { usedBytes: 81, totalBytes: 100 },
      disks: [
        { path: "/", usedBytes: 10, totalBytes: 100 },
        { path: "/data", usedBytes: 95, totalBytes: 100 },
      ],
      gpus: [
        { index: 0, name: "A10G", utilizationPercent: 99, memoryUsedBytes: 1, memoryTotalBytes: 100 },
        { index: 1, name: "A10G", utilizationPercent: 1, memoryUsedBytes: 90, memoryTotalBytes: 100 },
      ],
      processes: [{ pid: 7, cpuPercent: 99, memoryBytes: 1, command: "python train.py" }],
    });
    const usage = await machines.usage(id);
    expect(usage.flags.map((flag) => flag.what)).toEqual([
      "The memory is at 81 %.",
      "The disk at /data is at 95 %.",
      "GPU 0 (A10G) is at 99 %.",
      "The memory of GPU 1 (A10G) is at 90 %.",
    ]);
    expect(usage.processes[0]?.command).toBe("python train.py");
    expect((await tracker.get(id))?.usage).toHaveLength(1);
  });

  it("exec hands argv over as it is and refuses shell strings", async () => {
    const { machines } = setup();
    const { id } = await machines.create({ provider: "mem" });
    expect(await machines.exec(id, ["echo", "$(touch pwned)"])).toMatchObject({ exitCode: 0, stdout: "echo $(touch pwned)" });
    await expect(machines.exec(id, "ls -l" as never)).rejects.toSatisfy(ValidationError.isInstance);
    await expect(machines.exec(id, [] as never)).rejects.toSatisfy(ValidationError.isInstance);
  });

  it("a capability that is absent is named", async () => {
    const { machines } = setup({}, { without: ["stop", "start", "usage"] });
    const { id } = await machines.create({ provider: "mem" });
    for (const call of [machines.stop(id), machines.start(id), machines.usage(id)])
      await expect(call).rejects.toSatisfy(UnsupportedCapabilityError.isInstance);
  });
});

describe("planStop", () => {
  it("S-17: only own running machines, savings shown, plan first", async () => {
    const { machines, cloud, clock, tracker, cleanup } = setup();
    const [a, b, off, kept] = [
      await machines.create({ provider: "mem" }),
      await machines.create({ provider: "mem", instanceType: "big" }),
      await machines.create({ provider: "mem" }),
      await machines.create({ provider: "mem" }),
    ];
    await machines.stop(off.id);
    await cleanup.protect(kept.id);
    const foreign = cloud.add({ [TAGS.state]: "other" });
    await tracker.register({ ref: foreign.ref, pricePerHour: usd(7) });
    const plan = await machines.planStop();
    expect(plan.items.map((item) => item.id).sort()).toEqual([a.id, b.id].sort());
    expect(plan.kept.map((one) => one.id).sort()).toEqual([kept.id, `mem/machine/${foreign.ref.id}`].sort());
    expect(plan.savings.hour.total).toEqual(usd(5));
    expect(plan.savings.eightHours.total).toEqual(usd(40));
    expect(plan.savings.day.total).toEqual(usd(120));
    expect(cloud.calls.filter((call) => call === "stop")).toHaveLength(1);
    const copy = JSON.parse(JSON.stringify(plan));
    expect(await machines.applyStop(copy)).toEqual({ stopped: plan.items.map((item) => item.id), refused: [] });
    expect(cloud.alive().map((machine) => machine.state)).toEqual(["stopped", "stopped", "stopped", "running", "running"]);
    clock.advance(11 * MINUTE);
    await expect(machines.applyStop(copy)).rejects.toThrow(/stale/);
    expect((await machines.planStop({ type: "big" })).items).toEqual([]);
  });
});

/** Every call of an object goes through `around`. */
function intercept<T extends object>(target: T, around: <R>(call: () => Promise<R>) => Promise<R>): T {
  return new Proxy(target, {
    get(object, key, receiver) {
      const value = Reflect.get(object, key, receiver) as unknown;
      if (typeof value !== "function") return value;
      if (key === "list") {
        return async function* (...args: unknown[]) {
          await around(async () => undefined);
          yield* (value as (...all: unknown[]) => AsyncIterable<unknown>).apply(object, args);
        };
      }
      return (...args: unknown[]) => around(async () => (value as (...all: unknown[]) => unknown).apply(object, args));
    },
  });
}

/** A process that is gone at its `at`-th call, before or after the call's effect: nothing it awaits ever comes back. */
function dieAt(at: number, mode: "before" | "after") {
  let calls = 0;
  let die: (value: string) => void = () => undefined;
  const dead = new Promise<string>((resolve) => {
    die = resolve;
  });
  const never = new Promise<never>(() => undefined);
  const wrap = <T extends object>(target: T): T =>
    intercept(target, async (call) => {
      calls++;
      if (calls < at) return call();
      if (calls === at && mode === "after") await call().catch(() => undefined);
      die("dead");
      return never;
    });
  return { wrap, dead };
}

/** Runs a create in a process that is killed around the provider's create call. */
async function killedAt(
  process: (wrap: <T extends object>(target: T) => T) => { machines: Machines },
  method: "create",
  mode: "before" | "after",
  _others: Machines,
): Promise<void> {
  let die: (value: unknown) => void = () => undefined;
  const dead = new Promise((resolve) => {
    die = resolve;
  });
  let gone = false;
  const victim = process(
    (target) =>
      new Proxy(target, {
        get(object, key, receiver) {
          const value = Reflect.get(object, key, receiver) as unknown;
          if (typeof value !== "function") return value;
          return (...args: unknown[]) => {
            const call = (): unknown => (value as (...all: unknown[]) => unknown).apply(object, args);
            if (gone) return new Promise(() => undefined);
            if (key !== method) return call();
            gone = true;
            if (mode === "after") void call();
            die(undefined);
            return new Promise(() => undefined);
          };
        },
      }),
  );
  void victim.machines.create({ provider: "mem" });
  await dead;
}
