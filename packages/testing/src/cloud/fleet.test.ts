import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buyOne, intentFor, offerOf, testCloud } from "./cloud.test-support.ts";

const HOUR = 3_600_000;
const ref = (id: string) => ({ provider: "cloud", region: "us-test-1", kind: "machine", id });

type Act = {
  do: "buy" | "terminate" | "stop" | "start" | "reclaim" | "crash" | "power-off" | "maintenance" | "hang" | "release" | "wait";
  n: number;
};

const acts = fc.array(
  fc.record({
    do: fc.constantFrom<Act["do"]>(
      "buy",
      "buy",
      "terminate",
      "stop",
      "start",
      "reclaim",
      "crash",
      "power-off",
      "maintenance",
      "hang",
      "release",
      "wait",
      "wait",
    ),
    n: fc.nat(1_000),
  }),
  { maxLength: 40 },
);

describe("the lives of machines", () => {
  it("whatever is done to them: pools and quotas count right, hosts are booted and halted in turn, the dead stay dead", async () => {
    await fc.assert(
      fc.asyncProperty(
        acts,
        fc.constantFrom(0, 20_000),
        fc.constantFrom("terminate" as const, "stop" as const),
        async (list, ms, onReclaim) => {
          const { clock, cloud, provider, hosts, advance } = testCloud({
            transitions: { pendingMs: ms, endingMs: ms, stoppingMs: ms },
            spot: { onReclaim },
            pools: [{ market: "spot", capacity: 3 }],
          });
          const ended = new Map<string, number | undefined>();
          for (const [index, act] of list.entries()) {
            const all = [...cloud.machines()];
            const id = all[act.n % Math.max(1, all.length)]?.id;
            if (act.do === "wait") await advance(act.n * 100);
            else if (act.do === "buy")
              await buyOne(provider, act.n % 2 === 0 ? "spot" : "on-demand", { id: `i${index}` }).catch(() => undefined);
            else if (id !== undefined) {
              // What the cloud refuses changes nothing, and is checked below like the rest.
              const done = {
                terminate: () => provider.terminate(ref(id)),
                stop: () => provider.stop?.(ref(id)),
                start: () => provider.start?.(ref(id)),
                reclaim: () => cloud.reclaim(id),
                crash: () => cloud.crash(id),
                "power-off": () => hosts.contexts.get(id)?.powerOff(),
                maintenance: () => cloud.maintenance(id, { noticeMs: 5_000 }),
                hang: () => cloud.hang(id, (["boot", "connect", "ending", "stopping"] as const)[act.n % 4]),
                release: () => cloud.hang(id, undefined),
              }[act.do]();
              await Promise.resolve(done).catch(() => undefined);
            }
            const now = [...cloud.machines()];
            for (const pool of cloud.pools.values()) {
              const on = now.filter(
                (machine) => machine.pool === pool.id && machine.stretches.at(-1)?.to === undefined && machine.stretches.length > 0,
              );
              expect(pool.used).toBe(on.length);
              expect(pool.used).toBeLessThanOrEqual(pool.capacity.at(cloud.time.now()));
            }
            expect(cloud.living).toBe(now.filter((machine) => machine.endedAt === undefined).length);
            for (const machine of now) {
              if (ended.has(machine.id)) expect(machine.endedAt).toBe(ended.get(machine.id));
              if (machine.state === "ended") ended.set(machine.id, machine.endedAt);
              const stretches = machine.stretches;
              stretches.forEach((stretch, at) => {
                if (at > 0) expect(stretch.from).toBeGreaterThanOrEqual(stretches[at - 1]?.to ?? Number.POSITIVE_INFINITY);
              });
            }
          }
          await advance(HOUR);
          for (const { id, region } of cloud.machines()) {
            cloud.hang(id, undefined);
            await provider.terminate({ ...ref(id), region });
          }
          await advance(HOUR);
          expect([cloud.living, clock.pending, [...cloud.pools.values()].reduce((sum, pool) => sum + pool.used, 0)]).toEqual([0, 0, 0]);
          for (const id of hosts.contexts.keys()) {
            let isOn = false;
            for (const call of hosts.calls.filter((line) => line.startsWith(`${id} `))) {
              if (call.endsWith("boot")) {
                expect(isOn).toBe(false);
                isOn = true;
              } else if (call.includes("halt")) isOn = false;
            }
            expect(hosts.calls.filter((line) => line === `${id} halt gone`)).toHaveLength(1);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it("P-05 a machine that hangs while it ends is there, listed and billed", async () => {
    const { cloud, provider, advance } = testCloud();
    const id = await buyOne(provider);
    cloud.hang(id, "ending");
    await provider.terminate(ref(id));
    await advance(5 * HOUR);
    expect((await provider.find({ ids: [id] })).machines[0]?.state).toBe("ending");
    expect(cloud.living).toBe(1);
  });

  it("a machine that hangs in its boot is pending for ever, and billed", async () => {
    const { cloud, provider, hosts, advance } = testCloud({ transitions: { pendingMs: 1_000 } });
    cloud.plan({ hang: "boot" });
    const id = await buyOne(provider);
    await advance(HOUR);
    expect(cloud.machine(id)?.state).toBe("pending");
    expect(hosts.calls).toEqual([]);
    expect(cloud.invoice().total).toBeCloseTo(0.8, 9);
    await provider.terminate(ref(id));
    expect(cloud.living).toBe(0);
  });

  it("a launch can go from pending to ended, saying why", async () => {
    const { cloud, provider, hosts, advance } = testCloud({ transitions: { pendingMs: 1_000 } });
    cloud.plan({ failBoot: "Client.VolumeLimitExceeded: Volume limit exceeded" });
    const id = await buyOne(provider);
    await advance(1_000);
    expect((await provider.find({ ids: [id] })).machines[0]).toMatchObject({
      state: "ended",
      stateReason: expect.stringContaining("VolumeLimit"),
    });
    expect(hosts.calls).toEqual([`${id} halt gone`]);
  });

  it.each([
    ["terminate", "ended"],
    ["stop", "stopped"],
    ["keeps-billing", "running"],
  ] as const)("switching itself off means %s: it is %s", async (onPowerOff, state) => {
    const { cloud, provider, hosts, advance } = testCloud({ onPowerOff });
    const id = await buyOne(provider);
    hosts.contexts.get(id)?.powerOff();
    expect(cloud.machine(id)?.state).toBe(state);
    await advance(HOUR);
    expect(cloud.invoice().total).toBeCloseTo(onPowerOff === "keeps-billing" ? 0.8 : 0.8 / 60, 9);
    const [machine] = (await provider.find({ ids: [id] })).machines;
    await expect(provider.connect?.(machine as never)).rejects.toMatchObject({ kind: "host-unreachable" });
  });
});

describe("listings", () => {
  it("P-02 a new machine shows only after its lag, by whatever it is asked for", async () => {
    const { cloud, provider, advance } = testCloud({ listing: { lagMs: 60_000 } });
    const id = await buyOne(provider);
    for (const query of [{}, { ids: [id] }, { intentId: "intent1" }, { stateId: "state1" }, { includeForeign: true }])
      expect((await provider.find(query)).machines, JSON.stringify(query)).toEqual([]);
    await advance(60_000);
    for (const query of [{}, { ids: [id] }, { intentId: "intent1" }, { stateId: "state1" }, { includeForeign: true }])
      expect((await provider.find(query)).machines, JSON.stringify(query)).toHaveLength(1);
    expect(cloud.counts.find).toBe(10);
  });

  it("states show as late as they are told to, ended ones for an hour", async () => {
    const { provider, advance } = testCloud({ listing: { stateLagMs: 20_000 } });
    const id = await buyOne(provider);
    await advance(HOUR);
    await provider.terminate(ref(id));
    const state = async (): Promise<string | undefined> => (await provider.find({ ids: [id] })).machines[0]?.state;
    expect(await state()).toBe("running");
    await advance(20_000);
    expect(await state()).toBe("ended");
    await advance(HOUR - 20_000);
    expect(await state()).toBe("ended");
    await advance(20_001);
    expect(await state()).toBeUndefined();
  });

  it("P-29 shows ours only, unless strangers are asked for; never another account's", async () => {
    const { cloud, provider } = testCloud({ accounts: ["one", "two"] });
    const mine = await buyOne(provider);
    const strange = cloud.plant({ tags: { owner: "somebody" } });
    const theirs = await buyOne(cloud.client({ account: "two" }), "on-demand", { id: "other" });
    const ids = async (query: object): Promise<string[]> => (await provider.find(query)).machines.map((machine) => machine.ref.id);
    expect(await ids({ stateId: "state1" })).toEqual([mine]);
    expect(await ids({ stateId: "state1", includeForeign: true })).toEqual([mine, strange]);
    expect(await ids({ ids: [theirs] })).toEqual([]);
    await provider.terminate(ref(theirs));
    expect(cloud.machine(theirs)?.state).toBe("running");
    await expect(provider.stop?.(ref(theirs))).rejects.toMatchObject({ kind: "not-found" });
  });

  it("an incomplete listing says so", async () => {
    const { cloud, provider } = testCloud();
    for (const id of ["a", "b", "c"]) await buyOne(provider, "on-demand", { id });
    cloud.faults.next("find", "incomplete");
    const { machines, complete } = await provider.find({ stateId: "state1" });
    expect([machines.length, complete]).toEqual([1, false]);
  });

  it("a listing of several pages is as many calls, and incomplete when one of them fails", async () => {
    const { cloud, provider } = testCloud({ listing: { pageSize: 2 } });
    for (const id of ["a", "b", "c", "d", "e"]) await buyOne(provider, "on-demand", { id });
    expect(await provider.find({ stateId: "state1" })).toMatchObject({ machines: { length: 5 }, complete: true });
    expect(cloud.counts.find).toBe(3);
    cloud.faults.next("find", undefined, "down");
    expect(await provider.find({ stateId: "state1" })).toMatchObject({ machines: { length: 2 }, complete: false });
  });

  it("what it hands out can be changed by nobody", async () => {
    const { provider } = testCloud();
    await buyOne(provider);
    const [machine] = (await provider.find({})).machines;
    expect(() => Object.assign(machine?.tags ?? {}, { a: "b" })).toThrow(TypeError);
    expect(() => Object.assign(machine ?? {}, { state: "ended" })).toThrow(TypeError);
  });

  it("a thousand machines looked at for a day cost no timer and no copies", async () => {
    const { clock, provider } = testCloud({ keepEvents: 0 });
    const offer = await offerOf(provider);
    for (let i = 0; i < 1_000; i += 1) await provider.create(intentFor(offer, { id: `i${i}` }));
    expect(clock.pending).toBe(0);
    const first = (await provider.find({ stateId: "state1" })).machines;
    const again = (await provider.find({ stateId: "state1" })).machines;
    expect(again).toHaveLength(1_000);
    expect(again.every((machine, index) => machine === first[index])).toBe(true);
  });
});
