import { describe, expect, it } from "vitest";
import { MemoryCloud, memoryProvider } from "../../test/support/memory-provider.ts";
import { testClock } from "../../test/support/test-clock.ts";
import { CleanupRefusedError, NotFoundError } from "../errors/kinds.ts";
import type { Notice } from "../provider/plan.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import { formatRef, type Machine } from "../provider/resource.ts";
import { TAGS } from "../provider/tags.ts";
import { pinAccount } from "../purchase/account-pin.ts";
import { memoryState } from "../state/memory-state.ts";
import { ResourceTracker } from "../tracker/resource-tracker.ts";
import type { CleanupDeps } from "./cleanup-deps.ts";
import { CleanupSafety } from "./cleanup-safety.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

async function setup(over: Partial<CleanupDeps> = {}, capabilities: Parameters<typeof memoryProvider>[1] = {}) {
  const clock = testClock({ auto: true });
  const cloud = new MemoryCloud(clock);
  const state = memoryState();
  const stateId = await state.stateId();
  const active = new Set<string>();
  const alarms: Notice[] = [];
  const provider = (): TrainingProvider => memoryProvider(cloud, capabilities);
  /** A new object is a new process: nothing but the store and the cloud is shared. */
  const cleanup = (more: Partial<CleanupDeps> = {}): CleanupSafety =>
    new CleanupSafety({
      providers: { find: (name) => (name === "mem" ? provider() : undefined), all: () => [provider()] },
      state,
      clock,
      project: "digits",
      isRunActive: async (runId) => ({ active: active.has(runId), why: "test" }),
      onAlarm: (alarm) => alarms.push(alarm),
      ...over,
      ...more,
    });
  await pinAccount(state, provider(), { session: "s", at: "2026-01-01T00:00:00Z" });
  const tracker = new ResourceTracker({ state, clock });
  const tags = { [TAGS.state]: stateId, [TAGS.createdBy]: "runctl", [TAGS.project]: "digits", [TAGS.run]: "old-run" };
  const own = async (more: Record<string, string> = {}, at = { ago: HOUR }): Promise<Machine> => {
    const machine = cloud.add({ ...tags, ...more }, { createdAt: new Date(clock.now() - at.ago).toISOString() });
    await tracker.register({
      ref: machine.ref,
      createdAt: machine.createdAt,
      pricePerHour: { amount: 1, currency: "USD" },
      runId: more[TAGS.run] ?? "old-run",
    });
    return machine;
  };
  const alive = (): string[] => cloud.alive().map((machine) => machine.ref.id);
  const reasons = async (machine: Machine, options = {}): Promise<string[]> =>
    (await cleanup().explain(formatRef(machine.ref), options)).reasons.map((reason) => reason.id);
  return { clock, cloud, state, stateId, active, alarms, cleanup, tracker, own, tags, alive, reasons, provider };
}
const id = (machine: Machine): string => formatRef(machine.ref);
const now = { grace: 0 } as const;

describe("plan and apply", () => {
  it("P-16: a deletion that another process finishes an hour later ends in the ledger when the machine did, at what the provider bills", async () => {
    const { cleanup, own, cloud, tracker, clock } = await setup();
    const orphan = await own();
    cloud.fault("find", [undefined as never, undefined as never, "down", "down", "down"]);
    const first = cleanup();
    await first.apply(await first.plan({ ...now, confirmWithin: 1_000 }));
    const endedAt = new Date(clock.now()).toISOString();
    cloud.fault("find", undefined);
    cloud.mustHave(orphan.ref.id).machine.endedAt ??= endedAt;
    await clock.advance(HOUR);
    const second = cleanup();
    await second.apply(await second.plan(now));
    const record = await tracker.get(id(orphan));
    expect(record).toMatchObject({ state: "ended", endedAt });
    expect(record?.segments.some((segment) => segment.evidence === "billed")).toBe(true);
  });

  it("S-16: lists only own old unprotected orphans with reasons; apply deletes just those", async () => {
    const { cleanup, own, cloud, active, alive, tracker } = await setup();
    const orphan = await own();
    const kept = await own({ [TAGS.protected]: "true" });
    const young = await own({}, { ago: MINUTE });
    const used = await own({ [TAGS.run]: "live" });
    active.add("live");
    const theirs = cloud.add(
      { [TAGS.state]: "other", [TAGS.createdBy]: "runctl", [TAGS.project]: "digits" },
      { createdAt: "2025-01-01T00:00:00Z" },
    );
    const foreign = cloud.add({}, { createdAt: "2025-01-01T00:00:00Z" });
    const plan = await cleanup().plan(now);
    expect(plan.items.map((item) => [item.id, item.action, item.reason])).toEqual([
      [id(orphan), "delete", "Run old-run no longer uses it."],
    ]);
    expect(plan.items[0]).toMatchObject({ ageMs: HOUR, pricePerHour: { amount: 1, currency: "USD" } });
    expect(plan.kept.map((one) => [one.id, one.reasons.map((reason) => reason.id)])).toEqual([
      [id(kept), ["protected"]],
      [id(young), ["too-young"]],
      [id(used), ["run-active"]],
    ]);
    expect(plan.reported).toEqual([]);
    const report = await cleanup().apply(JSON.parse(JSON.stringify(plan)));
    expect(report).toMatchObject({ deleted: [id(orphan)], refused: [], pending: [] });
    expect(alive()).toEqual([kept, young, used, theirs, foreign].map((machine) => machine.ref.id));
    expect((await tracker.get(id(orphan)))?.state).toBe("ended");
  });

  it("S-16: a dry run changes nothing: no call that writes, no event", async () => {
    const { cleanup, own, cloud, state, alive } = await setup();
    const orphan = await own();
    const plan = await cleanup().plan(now);
    const before = JSON.stringify([await events(state), [...cloud.held.values()].map((held) => held.machine)]);
    const report = await cleanup().apply(plan, { dryRun: true });
    expect(report).toEqual({
      dryRun: true,
      deleted: [],
      marked: [],
      pending: [],
      refused: [],
      would: [{ id: id(orphan), action: "delete" }],
    });
    expect(JSON.stringify([await events(state), [...cloud.held.values()].map((held) => held.machine)])).toBe(before);
    expect(alive()).toEqual([orphan.ref.id]);
    expect(cloud.calls.filter((call) => ["terminate", "tag", "stop", "remove"].includes(call))).toEqual([]);
  });

  it("(d) marks on the first pass and deletes on a later one, in another process", async () => {
    const { cleanup, own, clock, alive } = await setup();
    const orphan = await own();
    const first = await cleanup().apply(await cleanup().plan());
    expect(first).toMatchObject({ marked: [id(orphan)], deleted: [] });
    clock.advance(5 * MINUTE);
    expect(await cleanup().apply(await cleanup().plan())).toMatchObject({ deleted: [] });
    expect(alive()).toEqual([orphan.ref.id]);
    clock.advance(11 * MINUTE);
    const last = await cleanup().apply(await cleanup().plan());
    expect(last).toMatchObject({ deleted: [id(orphan)] });
    expect(alive()).toEqual([]);
  });

  it("(d) what the plan wanted to mark is only marked, however late it is applied", async () => {
    const { cleanup, own, clock, alive } = await setup();
    await own();
    await cleanup().apply(await cleanup().plan());
    clock.advance(9.5 * MINUTE);
    const plan = await cleanup().plan();
    expect(plan.items[0]?.action).toBe("mark");
    clock.advance(2 * MINUTE);
    expect(await cleanup().apply(plan)).toMatchObject({ deleted: [] });
    expect(alive()).toHaveLength(1);
  });

  it("(c) refuses a stale plan, one from the future and one of another state", async () => {
    const { cleanup, own, clock, alive } = await setup();
    await own();
    const plan = await cleanup().plan(now);
    clock.advance(10 * MINUTE + 1);
    await expect(cleanup().apply(plan)).rejects.toThrow(/stale/);
    await expect(cleanup().apply({ ...plan, createdAt: new Date(clock.now() + HOUR).toISOString() })).rejects.toThrow(/stale/);
    await expect(cleanup().apply({ ...plan, createdAt: "today" })).rejects.toThrow(/stale/);
    await expect(cleanup().apply({ ...(await cleanup().plan(now)), stateId: "x" })).rejects.toThrow(/another state/);
    await expect(cleanup().apply({ ...plan, items: [{ id: 1 }] } as never)).rejects.toThrow(/cleanup plan is wrong/);
    expect(alive()).toHaveLength(1);
  });

  it("(c) refuses what changed since the plan, and a plan that somebody edited", async () => {
    const { cleanup, own, cloud, alive, active } = await setup();
    const [tagged, stopped, taken, fine] = [await own(), await own(), await own({ [TAGS.run]: "r2" }), await own()];
    const foreign = cloud.add({}, { createdAt: "2025-01-01T00:00:00Z" });
    const plan = await cleanup().plan({ ...now, maxShare: 1 });
    cloud.mustHave(tagged.ref.id).machine.tags.team = "x";
    cloud.set(stopped.ref.id, "stopped");
    active.add("r2");
    const first = plan.items[0];
    if (first === undefined) throw new Error("no item");
    plan.items.push({ ...first, id: id(foreign), ref: foreign.ref });
    const report = await cleanup().apply(plan);
    expect(report.deleted).toEqual([id(fine)]);
    expect(Object.fromEntries(report.refused.map((one) => [one.id, one.reasons[0]?.id]))).toEqual({
      [id(tagged)]: "changed",
      [id(stopped)]: "changed",
      [id(taken)]: "run-active",
      [id(foreign)]: "not-listed",
    });
    expect(alive()).toHaveLength(4);
  });

  it("(j) refuses when the account changed, before and after the plan", async () => {
    const { cleanup, own, cloud, alive } = await setup();
    await own();
    const plan = await cleanup().plan(now);
    cloud.account = "acct-2";
    await expect(cleanup().apply(plan)).rejects.toSatisfy(CleanupRefusedError.isInstance);
    const other = await cleanup().plan(now);
    expect(other.items).toEqual([]);
    expect(other.kept[0]?.reasons.map((reason) => reason.id)).toEqual(["account-changed"]);
    cloud.fault("identity", { always: "down" });
    await expect(cleanup().apply(plan)).rejects.toThrow(/account/);
    expect(alive()).toHaveLength(1);
  });

  it("(e) a broken cap refuses everything, nothing is deleted", async () => {
    const { cleanup, own, alive } = await setup();
    for (let i = 0; i < 6; i++) await own();
    const plan = await cleanup().plan(now);
    expect(plan.blocked.map((breach) => breach.id)).toEqual(["too-large-a-share"]);
    await expect(cleanup().apply(plan)).rejects.toThrow(/6 of 6/);
    expect(alive()).toHaveLength(6);
    const allowed = await cleanup().plan({ ...now, maxShare: 1 });
    expect((await cleanup().apply(allowed)).deleted).toHaveLength(6);
  });

  it("(e) volumes do not dilute the share of machines", async () => {
    const { cleanup, own, cloud, tags } = await setup();
    for (let i = 0; i < 5; i++) await own();
    for (let i = 0; i < 20; i++) cloud.others.set(`v${i}`, { ref: { provider: "mem", kind: "volume", id: `v${i}` }, name: "v", tags });
    expect((await cleanup().plan(now)).blocked.map((breach) => breach.id)).toEqual(["too-large-a-share"]);
  });

  it("(f) data goes by its own plan, dependents first, and never while in use", async () => {
    const { cleanup, own, cloud, tags, tracker } = await setup({
      neededBy: async (ref) => (ref.id === "snap" ? ["mem/volume/vol"] : ref.id === "used" ? ["mem/machine/m-1"] : []),
    });
    await own();
    for (const [kind, name] of [
      ["snapshot", "snap"],
      ["volume", "vol"],
      ["volume", "used"],
    ] as const) {
      const ref = { provider: "mem", kind, id: name };
      cloud.others.set(name, { ref, name, tags, createdAt: "2025-12-01T00:00:00Z" });
      await tracker.register({
        ref,
        storagePricePerHour: { amount: 0.1, currency: "USD" },
        pricePerHour: { amount: 0, currency: "USD" },
        runId: "old-run",
      });
    }
    const compute = await cleanup().plan(now);
    expect(compute.items.map((item) => item.ref.kind)).toEqual(["machine"]);
    const data = await cleanup().plan({ ...now, what: "data" });
    // The snapshot is needed by the volume of the same plan: in use as long as that lives.
    expect(data.items.map((item) => item.id)).toEqual(["mem/volume/vol"]);
    expect((await cleanup().apply(data)).deleted).toEqual(["mem/volume/vol"]);
    expect([...cloud.others.keys()]).toEqual(["snap", "used"]);
  });

  it("P-29: scope widens what is reported, never what is deleted", async () => {
    const { cleanup, cloud } = await setup();
    const theirs = cloud.add(
      { [TAGS.state]: "other", [TAGS.createdBy]: "runctl", [TAGS.project]: "digits" },
      { createdAt: "2025-01-01T00:00:00Z" },
    );
    const elsewhere = cloud.add({ [TAGS.state]: "other", [TAGS.createdBy]: "runctl", [TAGS.project]: "p2" });
    cloud.add({ Name: "prod-db" }, { createdAt: "2025-01-01T00:00:00Z" });
    const project = await cleanup().plan({ scope: "project", force: true, ...now });
    expect(project.items).toEqual([]);
    expect(project.reported.map((one) => one.id)).toEqual([id(theirs)]);
    const account = await cleanup().plan({ scope: "account", force: true, ...now });
    expect(account.items).toEqual([]);
    expect(account.reported.map((one) => one.id)).toEqual([id(theirs), id(elsewhere)]);
    expect(cloud.alive()).toHaveLength(3);
  });

  it("our own tag on a machine that no record of ours knows is no ownership", async () => {
    const { cleanup, cloud, tags } = await setup();
    cloud.add(tags, { createdAt: "2025-01-01T00:00:00Z" });
    const plan = await cleanup().plan(now);
    expect(plan.items).toEqual([]);
    expect(plan.kept[0]?.reasons.map((reason) => reason.id)).toEqual(["not-in-ledger"]);
  });

  it("a failed create of a run goes at once, without a mark, and the engine hears of it", async () => {
    const gone: string[] = [];
    const { cleanup, cloud, tags } = await setup({
      intentOf: async () => ({ known: true, failed: true }),
      onGone: async (ref) => void gone.push(ref.id),
    });
    const machine = cloud.add({ ...tags, [TAGS.intent]: "i1" }, { createdAt: "2025-12-31T23:00:00Z" });
    const report = await cleanup().apply(await cleanup().plan());
    expect(report.deleted).toEqual([id(machine)]);
    expect(gone).toEqual([machine.ref.id]);
  });

  it("P-02: list lag never deletes a young machine, nor forgets it", async () => {
    const { cleanup, own, cloud, tracker, alive, clock } = await setup();
    const young = await own({}, { ago: 0 });
    cloud.mustHave(young.ref.id).visibleAt = clock.now() + 60_000;
    for (let second = 0; second <= 60; second += 10) {
      expect((await cleanup().plan(now)).items).toEqual([]);
      expect(await cleanup().isSafeToDelete(id(young))).toBe(false);
      clock.advance(10_000);
    }
    expect(alive()).toEqual([young.ref.id]);
    expect((await tracker.get(id(young)))?.state).toBe("running");
  });

  it('P-05: a delete that fails for hours stays "ending", goes on costing, gives an alarm, and is finished later', async () => {
    const { cleanup, own, cloud, tracker, alarms, clock } = await setup();
    const orphan = await own();
    cloud.fault("terminate", { always: "down" });
    const plan = await cleanup().plan(now);
    const report = await cleanup().apply(plan);
    expect(report).toMatchObject({ deleted: [], pending: [{ id: id(orphan), why: expect.stringContaining("ECONNRESET") }] });
    expect(alarms.map((alarm) => alarm.id)).toEqual(["deletion-unconfirmed"]);
    clock.advance(5 * HOUR);
    const stuck = await tracker.get(id(orphan));
    expect(stuck?.state).toBe("ending");
    expect(stuck?.cost.total?.amount).toBeGreaterThan(6);
    await tracker.refreshCosts();
    await tracker.updateState(id(orphan), "running");
    expect((await tracker.get(id(orphan)))?.state).toBe("ending");
    cloud.fault("terminate", undefined);
    const next = await cleanup().plan();
    expect(next.items.map((item) => item.action)).toEqual(["finish"]);
    expect((await cleanup().apply(next)).deleted).toEqual([id(orphan)]);
    expect((await tracker.get(id(orphan)))?.state).toBe("ended");
  });

  it("P-06: a delete that lies is found out and asked again", async () => {
    const { cleanup, own, cloud, alive } = await setup();
    const orphan = await own();
    cloud.fault("terminate", ["lie", "lie"]);
    expect((await cleanup().apply(await cleanup().plan(now))).deleted).toEqual([id(orphan)]);
    expect(alive()).toEqual([]);
    expect(cloud.calls.filter((call) => call === "terminate")).toHaveLength(3);
  });

  it("P-06: one that lies for ever is never called deleted", async () => {
    const { cleanup, own, cloud, alive, tracker } = await setup();
    const orphan = await own();
    cloud.fault("terminate", { always: "lie" });
    expect(await cleanup().apply(await cleanup().plan(now))).toMatchObject({ deleted: [], pending: [{ id: id(orphan) }] });
    expect(alive()).toHaveLength(1);
    expect((await tracker.get(id(orphan)))?.state).toBe("ending");
  });

  it("(h) absence counts twice, in complete listings only", async () => {
    const { cleanup, own, cloud, tracker } = await setup();
    const orphan = await own();
    cloud.vanish = true;
    const plan = await cleanup().plan(now);
    const before = cloud.calls.length;
    // apply lists once for its facts, then looks.
    cloud.fault("find", ["x" as never, "incomplete", "down", "x" as never, "incomplete"]);
    expect((await cleanup().apply(plan)).deleted).toEqual([id(orphan)]);
    expect(cloud.calls.slice(before).filter((call) => call === "find").length).toBe(6);
    expect((await tracker.get(id(orphan)))?.state).toBe("ended");
  });

  it("(h) a listing that cannot be read never forgets", async () => {
    const { cleanup, own, cloud, tracker } = await setup();
    const orphan = await own();
    const plan = await cleanup().plan(now);
    cloud.fault("find", ["x" as never, ...Array.from({ length: 200 }, () => "incomplete" as const)]);
    expect(await cleanup().apply(plan)).toMatchObject({ deleted: [], pending: [{ id: id(orphan) }] });
    expect((await tracker.get(id(orphan)))?.state).toBe("ending");
  });

  it("P-01: a kill after the tombstone is finished by the next process, listed or not", async () => {
    for (const vanish of [false, true]) {
      const { cleanup, own, cloud, tracker, state } = await setup();
      cloud.vanish = vanish;
      const orphan = await own();
      const infos = [];
      for await (const info of state.list("resource/")) infos.push(info.stream);
      const stream = infos[0] ?? "";
      const next = (await state.read(stream)).length;
      await state.append(stream, [{ type: "tombstone", at: "2026-01-01T00:00:00Z", why: "test" }], {
        expected: next,
        session: "dead",
        at: "2026-01-01T00:00:00Z",
      });
      if (vanish) cloud.set(orphan.ref.id, "ended");
      const report = await cleanup().apply(await cleanup().plan());
      expect(report.deleted).toEqual([id(orphan)]);
      expect((await tracker.get(id(orphan)))?.state).toBe("ended");
    }
  });

  it("aborting stops the waiting, not the work", async () => {
    const { cleanup, own, alive } = await setup();
    await own();
    const one = cleanup();
    const controller = new AbortController();
    const reason = new Error("enough");
    const applying = one.apply(await one.plan(now), { signal: controller.signal });
    controller.abort(reason);
    await expect(applying).rejects.toBe(reason);
    await one.settled();
    expect(alive()).toEqual([]);
    await expect(one.apply(await one.plan(now), { signal: controller.signal })).rejects.toBe(reason);
  });

  it("a provider that cannot be asked is named, and what it holds is kept", async () => {
    const { cleanup, own, cloud } = await setup();
    await own();
    cloud.fault("find", ["down"]);
    expect(await cleanup().plan(now)).toMatchObject({ items: [], failures: [{ id: "provider-unasked" }] });
  });

  it("a run whose state cannot be read keeps its machine", async () => {
    const { cleanup, own } = await setup();
    await own();
    const unsure = cleanup({
      isRunActive: async () => {
        throw new Error("log unreadable");
      },
    });
    expect((await unsure.plan(now)).kept[0]?.reasons.map((reason) => reason.id)).toEqual(["run-unknown"]);
  });
});

describe("one named thing", () => {
  it("S-15: tags are read from the cloud in a fresh process; force overrides age and activity, not protection", async () => {
    const { own, cloud, active, reasons, cleanup } = await setup();
    const machine = await own();
    expect(await reasons(machine)).toEqual([]);
    cloud.mustHave(machine.ref.id).machine.tags[TAGS.protected] = "true";
    expect(await reasons(machine)).toEqual(["protected"]);
    expect(await reasons(machine, { force: true })).toEqual(["protected"]);
    cloud.mustHave(machine.ref.id).machine.tags[TAGS.protected] = "false";
    active.add("old-run");
    cloud.usage.set(machine.ref.id, { at: "2026-01-01T00:00:00Z", cpuPercent: 99, disks: [], gpus: [], processes: [] });
    expect(await reasons(machine)).toEqual(["run-active", "busy"]);
    cloud.usage.set(machine.ref.id, new Error("no answer"));
    expect(await reasons(machine)).toEqual(["run-active", "activity-unknown"]);
    expect(await cleanup().isSafeToDelete(id(machine), { force: true })).toBe(true);
    expect(await cleanup().isSafeToDelete(machine.ref.id, { force: true })).toBe(true);
  });

  it("P-28: what cannot be read is protected, force or not", async () => {
    const { own, cloud, reasons } = await setup();
    const machine = await own();
    for (const fault of ["down", "incomplete"] as const) {
      cloud.fault("find", { always: fault });
      expect(await reasons(machine, { force: true })).toEqual(["ownership-unknown", "protection-unknown"]);
    }
  });

  it("deleteOne refuses with the reasons, or deletes", async () => {
    const { own, cleanup, alive, tracker } = await setup();
    const young = await own({}, { ago: MINUTE });
    await expect(cleanup().deleteOne(id(young), { why: "test" })).rejects.toThrow(/1m old/);
    expect(await cleanup().deleteOne(id(young), { why: "test", force: true })).toEqual({ gone: true, why: "" });
    expect(alive()).toEqual([]);
    expect((await tracker.get(id(young)))?.state).toBe("ended");
    await expect(cleanup().deleteOne("nope", { why: "x" })).rejects.toSatisfy(NotFoundError.isInstance);
  });

  it("what the provider lists no more is confirmed as gone without asking it to delete anything", async () => {
    const { own, cleanup, cloud, tracker } = await setup();
    const machine = await own();
    cloud.vanish = true;
    cloud.set(machine.ref.id, "ended");
    expect(await cleanup().deleteOne(id(machine), { why: "test" })).toMatchObject({ gone: true });
    expect(cloud.calls).not.toContain("terminate");
    expect((await tracker.get(id(machine)))?.state).toBe("ended");
  });

  it("P-02: a hidden protected machine survives being deleted by name", async () => {
    const { own, cleanup, cloud, clock, alive, tracker } = await setup();
    const machine = await own({ [TAGS.protected]: "true" }, { ago: 0 });
    cloud.mustHave(machine.ref.id).visibleAt = clock.now() + 59_000;
    await expect(cleanup().deleteOne(id(machine), { why: "test", force: true })).rejects.toSatisfy(CleanupRefusedError.isInstance);
    // Past the settle window, still hidden, and back while its absence is being confirmed.
    clock.advance(61_000);
    cloud.mustHave(machine.ref.id).visibleAt = clock.now() + 5_000;
    expect(await cleanup().deleteOne(id(machine), { why: "test", force: true })).toMatchObject({ gone: false });
    expect((await tracker.get(id(machine)))?.state).toBe("running");
    expect(alive()).toEqual([machine.ref.id]);
  });
});

describe("protect", () => {
  it("writes the cloud's tag, so that another process and another state see it", async () => {
    const { own, cleanup, cloud, reasons } = await setup();
    const machine = await own();
    expect(await cleanup().protect(machine.ref.id)).toEqual({ tagged: true });
    expect(cloud.mustHave(machine.ref.id).machine.tags[TAGS.protected]).toBe("true");
    expect(await reasons(machine)).toEqual(["protected"]);
    delete cloud.mustHave(machine.ref.id).machine.tags[TAGS.protected];
    expect(await reasons(machine)).toEqual(["protected"]);
    expect(await cleanup().unprotect(machine.ref.id)).toEqual({ tagged: true });
    expect(await reasons(machine)).toEqual([]);
  });

  it("protects here even when the tag cannot be written, and unprotects nothing when it cannot", async () => {
    const { own, cleanup, cloud, reasons } = await setup();
    const machine = await own();
    cloud.fault("tag", ["permission"]);
    await expect(cleanup().protect(machine.ref.id)).rejects.toThrow(/Not allowed/);
    expect(await reasons(machine)).toEqual(["protected"]);
    await cleanup().protect(machine.ref.id);
    cloud.fault("tag", ["permission"]);
    await expect(cleanup().unprotect(machine.ref.id)).rejects.toThrow(/Not allowed/);
    expect(await reasons(machine)).toEqual(["protected"]);
  });

  it("works without tags at the provider, and never writes on what is not ours", async () => {
    const { own, cleanup, cloud, reasons } = await setup({}, { without: ["tag"] });
    const machine = await own();
    expect(await cleanup().protect(machine.ref.id)).toEqual({ tagged: false });
    expect(await reasons(machine)).toEqual(["protected"]);
    const foreign = cloud.add({});
    await expect(cleanup().protect(id(foreign))).rejects.toSatisfy(CleanupRefusedError.isInstance);
    await expect(cleanup().protect("mem/machine/nope")).rejects.toSatisfy(NotFoundError.isInstance);
  });
});

async function events(state: {
  list(prefix: string): AsyncIterable<{ stream: string }>;
  read(stream: string): Promise<unknown[]>;
}): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const info of state.list("")) all.push(await state.read(info.stream));
  return all;
}
