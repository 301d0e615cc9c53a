import { describe, expect, it } from "vitest";
import { EngineBed } from "../../test/support/engine-bed.ts";
import { ManualClock, settle } from "../../test/support/manual-clock.ts";
import { MemoryCloud, memoryProvider } from "../../test/support/memory-provider.ts";
import { AmbiguousOutcomeError, PermissionError, StorageError } from "../errors/kinds.ts";
import { TAGS } from "../provider/tags.ts";
import { setAside } from "./project-budget.ts";
import { ProviderPoller } from "./provider-poller.ts";
import { reconcile } from "./reconcile.ts";
import { asJson, runStream } from "./run-log.ts";
import { readStoreEvents } from "./store-events.ts";

describe("the engine, at the edges", () => {
  it("events() of a whole store sleeps between changes", async () => {
    const bed = new EngineBed();
    const engine = await bed.engine();
    await bed.start(engine);
    let lists = 0;
    const { list } = bed.state;
    bed.state.list = (prefix) => {
      lists += 1;
      // A spinning reader never lets anything else run: it has to be stopped from inside.
      if (lists > 500) throw new Error("spins");
      return list.call(bed.state, prefix);
    };
    const stop = new AbortController();
    const reader = (async () => {
      for await (const _ of readStoreEvents(engine.context, engine.view(""), { signal: stop.signal })) void _;
    })();
    reader.catch(() => undefined);
    await bed.clock.advance(20_000);
    stop.abort();
    await bed.clock.advance(2_000);
    await reader;
    expect(lists).toBeLessThan(200);
    await engine.close(0);
  });

  it("a state that cannot be written any more is told to listeners, once, and works again afterwards", async () => {
    const bed = new EngineBed();
    const engine = await bed.engine();
    const alarms: string[] = [];
    engine.context.bus.on("alarm", (event) => void alarms.push(event.id));
    const { append } = bed.state;
    const runId = await bed.start(engine);
    bed.state.append = () => Promise.reject(new StorageError({ what: "The folder is gone." }));
    await bed.clock.advance(120_000);
    expect(alarms).toEqual(["state-unwritable"]);
    bed.state.append = append;
    const state = await bed.until(runId, (each) => each.ended !== undefined);
    expect(state.ended?.status).toBe("succeeded");
    await engine.close(0);
  });

  it("what fails again and again is made known, and the alarm goes when it works", async () => {
    const bed = new EngineBed();
    bed.host.faults.start = 14;
    const engine = await bed.engine();
    const runId = await bed.start(engine);
    const state = await bed.until(runId, (each) => each.ended !== undefined);
    expect(state.ended?.status).toBe("succeeded");
    const types = await bed.eventTypes(runId);
    expect(types.filter((type) => type === "alarm" || type === "alarm-cleared")).toEqual(["alarm", "alarm-cleared"]);
    expect(types.indexOf("alarm")).toBeLessThan(types.indexOf("attempt-armed"));
    await engine.close(0);
  });

  it("a host that boots is no trouble: it does not answer for a while, and nobody is alarmed", async () => {
    const bed = new EngineBed();
    bed.host.faults.start = 7;
    const engine = await bed.engine();
    const runId = await bed.start(engine);
    await bed.until(runId, (each) => each.ended !== undefined);
    expect((await bed.eventTypes(runId)).filter((type) => type === "alarm")).toEqual([]);
    await engine.close(0);
  });

  it("S-28: an ended run that keeps its machine needs no driver: looking at it writes nothing", async () => {
    const bed = new EngineBed();
    const engine = await bed.engine();
    const runId = await bed.start(engine, { onEnd: "keep" });
    await bed.until(runId, (state) => state.ended !== undefined);
    await bed.clock.advance(60_000);
    const before = await bed.eventTypes(runId);
    expect(await engine.tryDrive(runId)).toBe("settled");
    expect(await bed.eventTypes(runId)).toEqual(before);
    expect(bed.cloud.alive()).toHaveLength(1);
    await engine.close(0);
  });

  it("P-08: nothing is driven by a Runctl that was closed meanwhile", async () => {
    const bed = new EngineBed();
    const engine = await bed.engine();
    const runId = await bed.start(engine);
    await engine.letGo(runId);
    const driving = engine.tryDrive(runId).catch(() => "refused");
    await engine.close(0);
    await driving;
    await bed.clock.advance(600_000);
    expect(engine.drivers).toEqual([]);
    expect((await bed.run(runId)).lease).toBeUndefined();
    expect(await bed.state.beats()).toEqual([]);
  });

  it("a request to a run whose lease was just taken over goes to the log", async () => {
    const bed = new EngineBed();
    const engine = await bed.engine();
    const runId = await bed.start(engine);
    const { version } = await bed.run(runId);
    await bed.state.append(runStream(runId), asJson([{ type: "lease-taken", session: "other" }]), {
      expected: version,
      session: "other",
      at: "2026-11-22T00:00:00.000Z",
    });
    await engine.request(runId, { request: "cancel" });
    expect((await bed.run(runId)).requests.cancel).toBeDefined();
    await engine.close(0);
  });

  it("a request that meets the end of the run's log does not spin", async () => {
    const bed = new EngineBed();
    const engine = await bed.engine();
    const runId = await bed.start(engine);
    await bed.state.compact(runStream(runId), {});
    let appends = 0;
    const { append } = bed.state;
    bed.state.append = (...given) => {
      appends += 1;
      if (appends > 100) throw new Error("spins");
      return append.apply(bed.state, given);
    };
    await engine
      .driverOf(runId)
      ?.fact({ type: "secrets-supplied" })
      .catch(() => undefined);
    expect(appends).toBeLessThan(20);
  });

  it("reconcile goes on when one machine cannot be ended, and says so", async () => {
    const bed = new EngineBed();
    const engine = await bed.engine();
    const runId = await bed.start(engine);
    const done = await bed.until(runId, (state) => state.ended !== undefined && engine.driverOf(runId) === undefined);
    const stateId = await bed.state.stateId();
    for (const name of ["a", "b"])
      bed.cloud.add({ [TAGS.state]: stateId, [TAGS.run]: done.runId, [TAGS.intent]: "old", [TAGS.createdBy]: "runctl" }, { name });
    bed.cloud.fault("terminate", ["permission"]);
    const report = await reconcile(engine, {});
    expect(report.ended).toHaveLength(1);
    expect(report.failures).toHaveLength(1);
    await engine.close(0);
  });

  it("P-01: one reconcile is enough, also from another computer, where a dead holder still looks alive; a living one is left alone", async () => {
    const bed = new EngineBed();
    const dead = await bed.engine();
    const runId = await bed.start(dead);
    await bed.until(runId, (state) => state.attempts[0]?.startedAt !== undefined);
    const beat = { n: 7, host: "elsewhere", bootId: "another", pid: 1, startTime: "1", at: "" };
    await bed.state.append(runStream(runId), asJson([{ type: "lease-taken", session: "far" }]), {
      expected: (await bed.run(runId)).version,
      session: "far",
      at: "2026-11-22T00:00:00.000Z",
    });
    await bed.state.beat({ session: "far", ...beat });
    const second = await bed.engine();
    const alive = reconcile(second, {});
    await settle();
    await bed.state.beat({ session: "far", ...beat, n: 8 });
    await bed.clock.advance(3_000);
    await alive;
    expect((await bed.run(runId)).lease).toBe("far");
    const third = await bed.engine();
    const done = reconcile(third, {});
    await bed.clock.advance(60_000);
    await done;
    const sessions = (await bed.state.read(runStream(runId)))
      .filter((stored) => stored.event.type === "lease-taken")
      .map((stored) => stored.session);
    expect(sessions).toContain(third.context.session.id);
    await Promise.all([dead, second, third].map((engine) => engine.close(0)));
  });

  it("P-01: reconcile goes on with an end that a closed process had asked for, until it is confirmed", async () => {
    const bed = new EngineBed();
    const first = await bed.engine();
    const runId = await bed.start(first);
    bed.cloud.fault("terminate", { always: "lie" });
    await bed.until(runId, (state) => state.ended !== undefined);
    await first.close(0);
    bed.cloud.fault("terminate", undefined);
    const second = await bed.engine();
    const done = reconcile(second, {});
    await bed.clock.advance(120_000);
    expect((await done).ended).toEqual(["mem/machine/m-1"]);
    expect(bed.cloud.alive()).toEqual([]);
    await second.close(0);
  });

  it("P-01: a machine that a purchase bought too many is in the run's log, ended at once, and paid for", async () => {
    const bed = new EngineBed();
    bed.provider = memoryProvider(bed.cloud, { capabilities: { identity: "name" } });
    const { create } = bed.provider;
    bed.provider.create = async (intent, options) => {
      await create(intent, options);
      return create(intent, options).then(() => {
        throw new AmbiguousOutcomeError({ what: "No answer." });
      });
    };
    const runId = await bed.start(await bed.engine());
    const run = await bed.until(runId, (state) => state.attempts[0]?.startedAt !== undefined);
    expect(Object.keys(run.machines)).toHaveLength(2);
    expect(bed.cloud.alive()).toHaveLength(1);
    const done = await bed.until(runId, (state) => state.ended !== undefined);
    expect(Object.values(done.machines).map((machine) => machine.bills?.length)).not.toContain(undefined);
  });

  it("P-20: new listeners do not put off the next listing", async () => {
    const clock = new ManualClock();
    const cloud = new MemoryCloud(clock);
    const poller = new ProviderPoller(memoryProvider(cloud), "s", clock);
    for (let n = 0; n < 60; n++) {
      poller.subscribe(`m${n}`, () => false);
      await clock.advance(5_000);
    }
    expect(cloud.calls.filter((call) => call === "find").length).toBeGreaterThan(20);
    poller.close();
  });

  it("P-33: a foreign error's text, which may quote a secret, is not logged", async () => {
    const bed = new EngineBed();
    const engine = await bed.engine();
    bed.cloud.fault("terminate", ["raw-error-after-effect"]);
    const { connect } = bed.provider;
    let failures = 3;
    bed.provider.connect = async (...given) => {
      if (failures-- > 0) throw new TypeError("fetch failed; Authorization: Bearer sk-secret");
      return (connect as NonNullable<typeof connect>)(...given);
    };
    const runId = await bed.start(engine);
    await bed.until(runId, (state) => state.ended !== undefined);
    expect(JSON.stringify(bed.logged)).toContain("TypeError");
    expect(JSON.stringify(bed.logged)).not.toContain("sk-secret");
    await engine.close(0);
  });

  it("what a host said is recorded once, however often the connection breaks", async () => {
    const bed = new EngineBed();
    const engine = await bed.engine();
    const runId = await bed.start(engine);
    await bed.until(runId, (state) => state.attempts[0]?.startedAt !== undefined);
    const at = new Date(bed.clock.now()).toISOString();
    bed.host
      .attempt(runId, 1)
      ?.events.push(
        { type: "notice", at, action: "rebalance", until: null, source: "test" },
        { type: "checkpoint-rejected", at, path: "a.pt", reason: "torn" },
      );
    await bed.clock.advance(20_000);
    bed.host.faults.observe = 1;
    await bed.clock.advance(20_000);
    const types = await bed.eventTypes(runId);
    expect(types.filter((type) => type === "notice-received")).toHaveLength(1);
    expect(types.filter((type) => type === "checkpoint-rejected")).toHaveLength(1);
    await engine.close(0);
  });

  it("P-09: a run's own machine does not stand in the way of its next grant, and a grant that adds nothing is not written", async () => {
    const bed = new EngineBed();
    const { context } = await bed.engine();
    context.projectBudget = { perHour: 1.5 };
    const request = { runId: "r1", spentUsd: 0, priceUsdPerHour: 1, heldUsd: 0 };
    expect(await setAside(context, request)).toBe(1);
    context.spending = async () => ({ totalUsd: 0.5, todayUsd: 0.5, perHourUsd: 1 });
    expect(await setAside(context, { ...request, spentUsd: 0.5, heldUsd: 1 })).toBe(1.5);
    context.projectBudget = { total: 1 };
    context.spending = async () => ({ totalUsd: 1, todayUsd: 1, perHourUsd: 1 });
    const before = (await bed.state.read("project")).length;
    expect(await setAside(context, { ...request, spentUsd: 1, heldUsd: 1.5 })).toBe(1.5);
    expect((await bed.state.read("project")).length).toBe(before);
  });

  it("P-09: runs that buy at the same moment do not pass the project's limit per hour together", async () => {
    const bed = new EngineBed();
    const contexts = [(await bed.engine()).context, (await bed.engine()).context];
    let perHourUsd = 0;
    for (const context of contexts) {
      context.projectBudget = { perHour: 1.5 };
      context.openRun = async (runId) => ({ spentUsd: 0, perHourUsd: ["r0", "r1"].includes(runId) ? perHourUsd : 0 });
      context.spending = async () => ({ totalUsd: 0, todayUsd: 0, perHourUsd });
    }
    const buy = (context: (typeof contexts)[0], runId: string, priceUsdPerHour: number): Promise<number> =>
      setAside(context, { runId, spentUsd: 0, priceUsdPerHour, heldUsd: 0 });
    const granted = await Promise.all(contexts.map((context, index) => buy(context, `r${index}`, 1)));
    expect(granted.sort()).toEqual([0, 1]);
    // The machine is there now: it counts in the ledger, and no longer as promised.
    perHourUsd = 1;
    const more = await Promise.all(contexts.map((context, index) => buy(context, `r${index + 2}`, 0.5)));
    expect(more.sort()).toEqual([0, 0.5]);
  });

  it("buys nothing for a run whose secrets nobody has", async () => {
    const bed = new EngineBed();
    bed.secrets = async () => ({ values: {}, missing: ["TOKEN"] });
    const engine = await bed.engine();
    const runId = await bed.start(engine);
    await bed.until(runId, (state) => state.secretsMissing.length > 0);
    expect(bed.cloud.calls).not.toContain("create");
    await engine.close(0);
  });

  it("S-22: one hung connection does not blind a run, nor one hung listing a purchase", async () => {
    const bed = new EngineBed();
    const { connect, find } = bed.provider;
    let hung = 0;
    bed.provider.connect = (machine, options) =>
      (++hung <= 3 ? new Promise(() => undefined) : connect?.(machine, options)) as ReturnType<NonNullable<typeof connect>>;
    const engine = await bed.engine();
    const runId = await bed.start(engine);
    await bed.until(runId, (state) => state.ended !== undefined, 2);
    bed.provider = memoryProvider(bed.cloud, { capabilities: { identity: "name" } });
    bed.cloud.fault("create", ["reply-lost"]);
    let asked = 0;
    bed.provider.find = (query) => (query.intentId !== undefined && ++asked <= 2 ? new Promise(() => undefined) : find(query));
    const second = await bed.engine();
    const bought = await bed.start(second);
    await bed.until(bought, (state) => Object.keys(state.machines).length > 0, 1);
    expect(asked).toBeGreaterThan(2);
    await engine.close(0);
    await second.close(0);
  });

  it("a wall clock that jumps back puts off neither a retry, nor a purchase, nor what became of one", async () => {
    const bed = new EngineBed();
    bed.provider = memoryProvider(bed.cloud, { capabilities: { identity: "name" } });
    const engine = await bed.engine();
    bed.cloud.fault("create", ["unavailable"]);
    const refused = await bed.start(engine);
    await bed.clock.advance(1_000);
    bed.clock.jump(-7_200_000);
    await bed.clock.advance(60_000);
    expect(Object.values((await bed.run(refused)).intents).map((intent) => intent.status)).toEqual(["unavailable", "created"]);
    bed.cloud.fault("create", ["lost"]);
    const unclear = await bed.start(engine);
    await bed.clock.advance(1_000);
    await engine.request(unclear, { request: "cancel" });
    bed.clock.jump(-7_200_000);
    await bed.until(unclear, (state) => state.ended !== undefined, 0.3);
    await engine.close(0);
  });

  it("a wall clock that jumps back does not put off what is tried again", async () => {
    const bed = new EngineBed();
    const engine = await bed.engine();
    bed.host.faults.start = 1;
    const runId = await bed.start(engine);
    for (let step = 0; step < 500 && bed.host.faults.start > 0; step++) await bed.clock.advance(20);
    bed.clock.jump(-1_800_000);
    await bed.clock.advance(60_000);
    await settle();
    expect((await bed.run(runId)).attempts[0]?.armedAt).toBeDefined();
    await engine.close(0);
  });

  it("P-09: the time that a machine took to boot is inside the budget", async () => {
    const bed = new EngineBed();
    bed.host.trainMs = 24 * 3_600_000;
    bed.cloud.diskPrice = 0;
    const engine = await bed.engine();
    bed.cloud.fault("connect", { always: "down" });
    const runId = await bed.start(engine, { budget: { maxCost: 1, warnAt: [], onExceeded: "stop" } });
    await bed.clock.advance(900_000);
    bed.cloud.fault("connect", undefined);
    const run = await bed.until(runId, (state) => state.ended !== undefined);
    expect(run.ended?.status).toBe("out-of-budget");
    expect(bed.cloud.invoice()).toBeLessThanOrEqual(1);
    await engine.close(0);
  });

  it("P-01: the listing of another account says nothing about our machines", async () => {
    const bed = new EngineBed();
    const engine = await bed.engine();
    bed.host.trainMs = 3_600_000;
    const runId = await bed.start(engine);
    await bed.until(runId, (state) => state.attempts[0]?.startedAt !== undefined);
    await engine.close(0);
    // The next process has other credentials: another account, with nothing in it.
    const { find, identity } = bed.provider;
    bed.provider.find = async () => ({ machines: [], others: [], complete: true });
    bed.provider.identity = async () => ({ id: "acct-2" });
    const stranger = await bed.engine();
    await stranger.tryDrive(runId);
    await bed.clock.advance(300_000);
    expect(await bed.eventTypes(runId)).not.toContain("machine-ended");
    await stranger.close(0);
    Object.assign(bed.provider, { find, identity });
  });

  it("result() of a failed purchase is not kept from its end by a refusal", async () => {
    const bed = new EngineBed();
    bed.provider.offers = async () => {
      throw new PermissionError({ what: "Not allowed." });
    };
    const engine = await bed.engine();
    const runId = await bed.start(engine, { retries: { interruptions: null, failures: 0, capacityMs: 60_000 } });
    const run = await bed.until(runId, (state) => state.ended !== undefined, 1);
    expect(run.ended?.status).toBe("failed");
    await engine.close(0);
  });
});
