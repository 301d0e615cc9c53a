import { describe, expect, it } from "vitest";
import { buyOne, testCloud } from "./cloud.test-support.ts";
import { parseTrace } from "./trace.ts";

const MINUTE = 60_000;

describe("the spot market", () => {
  it.each([120_000, 30_000, 5_000])("P-14 gives a notice of %d ms, readable inside and over the API", async (noticeMs) => {
    const { cloud, provider, hosts, advance } = testCloud({ spot: { noticeMs } });
    const id = await buyOne(provider, "spot");
    cloud.reclaim(id);
    expect(hosts.calls.at(-1)).toBe(`${id} notice terminate`);
    const [machine] = (await provider.find({ ids: [id] })).machines;
    // As EC2: the reason is there at once, and the machine still runs.
    expect(machine).toMatchObject({ state: "running", stateReason: "marked-for-terminate" });
    await advance(noticeMs - 1);
    expect(cloud.machine(id)?.state).toBe("running");
    await advance(1);
    expect(cloud.machine(id)?.state).toBe("ended");
    expect(provider.capabilities.noticeSeconds).toBe(noticeMs / 1000);
  });

  it("no notice: power is gone at once", async () => {
    const { cloud, provider, hosts } = testCloud({ spot: { noticeMs: 0 } });
    const id = await buyOne(provider, "spot");
    cloud.reclaim(id);
    expect(hosts.calls).toEqual([`${id} boot`, `${id} halt gone`]);
    expect(provider.capabilities.noticeSeconds).toBeUndefined();
  });

  it("a trace that falls takes back what is over it, the newest first, and sells nothing meanwhile", async () => {
    const trace = parseTrace('{"metadata":{"gap_seconds":600},"data":[3,1,0,2]}');
    const { cloud, provider, advance } = testCloud({ pools: [{ market: "spot", capacity: { trace, available: 1 } }] });
    const ids: string[] = [];
    for (const id of ["a", "b", "c"]) ids.push(await buyOne(provider, "spot", { id }));
    await expect(buyOne(provider, "spot", { id: "d" })).rejects.toThrow("unavailable");
    await advance(10 * MINUTE);
    expect(ids.map((id) => cloud.machine(id)?.notice?.action)).toEqual([undefined, "terminate", "terminate"]);
    await advance(2 * MINUTE);
    expect(ids.map((id) => cloud.machine(id)?.state)).toEqual(["running", "ended", "ended"]);
    await advance(10 * MINUTE);
    expect(cloud.living).toBe(0);
    await expect(buyOne(provider, "spot", { id: "e" })).rejects.toThrow("unavailable");
    await advance(8 * MINUTE);
    await buyOne(provider, "spot", { id: "f" });
  });

  it("a pool without machines, and one whose schedule changes no more, costs no timer", async () => {
    const trace = parseTrace('{"metadata":{"gap_seconds":600},"data":[1,0,1]}');
    const { clock, cloud, provider } = testCloud({ pools: [{ market: "spot", type: "l4.xlarge", capacity: { trace } }] });
    expect(clock.pending).toBe(0);
    for (let i = 0; i < 50; i += 1) await buyOne(provider, "spot", { id: `i${i}` });
    expect(clock.pending).toBe(1);
    for (const { id, region } of cloud.machines()) await provider.terminate({ provider: "cloud", region, kind: "machine", id });
    expect(clock.pending).toBe(0);
    for (let i = 0; i < 50; i += 1) await buyOne(provider, "on-demand", { id: `o${i}` });
    expect(clock.pending).toBe(0);
  });

  it("hints at a rebalance before the capacity falls, and only those who would have to go", async () => {
    const { cloud, provider, hosts, advance } = testCloud({
      spot: { rebalanceBeforeMs: 5 * MINUTE },
      pools: [
        {
          market: "spot",
          capacity: [
            { at: 0, machines: 2 },
            { at: 10 * MINUTE, machines: 1 },
          ],
        },
      ],
    });
    const [old, young] = [await buyOne(provider, "spot", { id: "a" }), await buyOne(provider, "spot", { id: "b" })];
    await advance(5 * MINUTE);
    expect(hosts.calls.filter((call) => call.includes("notice"))).toEqual([`${young} notice rebalance`]);
    await advance(5 * MINUTE);
    expect(hosts.calls.at(-1)).toBe(`${young} notice terminate`);
    expect(cloud.machine(old)?.notice).toBeUndefined();
  });

  it("a market that stops machines keeps their disk, and they start again", async () => {
    const { cloud, provider, hosts, advance } = testCloud({ spot: { onReclaim: "stop", noticeMs: 5_000 } });
    const id = await buyOne(provider, "spot");
    cloud.reclaim(id);
    await advance(5_000);
    expect(cloud.machine(id)?.state).toBe("stopped");
    await provider.start?.({ provider: "cloud", kind: "machine", id });
    expect(cloud.machine(id)).toMatchObject({ state: "running", notice: undefined });
    expect(hosts.calls).toEqual([`${id} boot`, `${id} notice stop`, `${id} halt kept`, `${id} boot`]);
  });

  it("a user's own end takes the notice with it; a sooner reclaim replaces a later one", async () => {
    const { clock, cloud, provider, advance } = testCloud();
    const id = await buyOne(provider, "spot", { id: "a" });
    cloud.reclaim(id);
    await provider.terminate({ provider: "cloud", kind: "machine", id });
    expect(clock.pending).toBe(0);
    expect(cloud.machine(id)?.reason).toContain("Client.UserInitiatedShutdown");
    const other = await buyOne(provider, "spot", { id: "b" });
    cloud.reclaim(other);
    cloud.reclaim(other, { noticeMs: 5_000 });
    await advance(5_000);
    expect(cloud.machine(other)?.state).toBe("ended");
  });

  it("maintenance comes for machines on demand, too", async () => {
    const { cloud, provider, hosts, advance } = testCloud();
    const id = await buyOne(provider);
    cloud.maintenance(id, { noticeMs: MINUTE });
    expect(hosts.calls.at(-1)).toBe(`${id} notice maintenance`);
    await advance(MINUTE);
    expect(cloud.machine(id)?.state).toBe("stopped");
  });

  it("one seed, one fate", async () => {
    const fates = async (): Promise<Array<number | undefined>> => {
      const { cloud, provider, advance } = testCloud({ spot: { meanReclaimMs: 30 * MINUTE } });
      for (let i = 0; i < 20; i += 1) await buyOne(provider, "spot", { id: `i${i}` });
      await advance(600 * MINUTE);
      return [...cloud.machines()].map((machine) => machine.endedAt);
    };
    const first = await fates();
    expect(first).toEqual(await fates());
    expect(new Set(first).size).toBe(20);
  });
});
