import { TAGS } from "@runctl/core/provider";
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../clock/seeded-random.ts";
import { buyOne, intentFor, offerOf, testCloud } from "./cloud.test-support.ts";

const HOUR = 3_600_000;

describe("the emulated cloud", () => {
  it("sells a machine, boots it, lets in, ends it and bills the seconds in between", async () => {
    const { cloud, provider, hosts, advance } = testCloud({ transitions: { pendingMs: 15_000 } });
    const id = await buyOne(provider);
    expect(cloud.machine(id)?.state).toBe("pending");
    await advance(15_000);
    expect(cloud.machine(id)?.state).toBe("running");
    const [machine] = (await provider.find({ stateId: "state1" })).machines;
    expect(machine).toMatchObject({ state: "running", tags: { [TAGS.intent]: "intent1" }, pricePerHour: { amount: 0.8, currency: "USD" } });
    const session = await provider.connect?.(machine as never);
    expect((await session?.exec(["echo", "hi"]))?.stdout).toBe("echo hi");
    await advance(HOUR - 15_000);
    await provider.terminate((machine as never as { ref: never }).ref);
    await provider.terminate((machine as never as { ref: never }).ref);
    expect(cloud.machine(id)?.state).toBe("ended");
    await advance(HOUR);
    expect(cloud.invoice().total).toBeCloseTo(0.8, 9);
    expect(hosts.calls).toEqual([`${id} boot`, `${id} halt gone`]);
    await expect(session?.exec(["true"])).rejects.toMatchObject({ kind: "host-unreachable" });
  });

  it("the same token and request is the same machine, another request under it is refused", async () => {
    const { cloud, provider } = testCloud();
    const offer = await offerOf(provider);
    const first = await provider.create(intentFor(offer));
    expect(await provider.create(intentFor(offer))).toEqual(first);
    await expect(provider.create(intentFor(offer, { attempt: 2 }))).rejects.toMatchObject({ kind: "conflict" });
    expect(cloud.living).toBe(1);
  });

  it("a spot machine is noticed, its inside told, and taken at the announced moment", async () => {
    const { cloud, provider, hosts, advance } = testCloud({ spot: { reclaimAfterMs: [600_000] } });
    const id = await buyOne(provider, "spot");
    await advance(600_000);
    expect(hosts.calls).toEqual([`${id} boot`, `${id} notice terminate`]);
    expect((await provider.notices?.((await provider.find({ ids: [id] })).machines[0] as never))?.at).toBe("2026-01-01T00:12:00.000Z");
    await advance(119_999);
    expect(cloud.machine(id)?.state).toBe("running");
    await advance(1);
    expect(cloud.machine(id)).toMatchObject({ state: "ended", reason: expect.stringContaining("Server.SpotInstanceTermination") });
    expect(hosts.calls.at(-1)).toBe(`${id} halt gone`);
  });

  it("one seed and one program are one history; another seed is another", async () => {
    const history = async (seed: number): Promise<string> => {
      const { cloud, provider, advance } = testCloud({
        random: new SeededRandom(seed),
        listing: { lagMs: [0, 60_000] },
        spot: { meanReclaimMs: HOUR },
        billing: { firstHourFreeOnReclaim: true },
      });
      for (let i = 0; i < 30; i += 1) {
        cloud.faults.next("create", i % 7 === 0 ? "reply-lost" : undefined);
        await buyOne(provider, "spot", { id: `i${i}` }).catch(() => undefined);
        await advance(120_000);
        await provider.find({ stateId: "state1" });
      }
      await advance(10 * HOUR);
      return JSON.stringify([cloud.events, [...cloud.machines()], cloud.invoice()]);
    };
    expect(await history(1)).toBe(await history(1));
    expect(await history(1)).not.toBe(await history(2));
  });

  it("keeps as many events as it was told to, and tells a listener of all", async () => {
    const told: string[] = [];
    const { cloud, provider } = testCloud({ keepEvents: 5, onEvent: (event) => void told.push(event.kind) });
    for (let i = 0; i < 50; i += 1) await provider.identity();
    expect(cloud.events.length).toBeLessThan(10);
    expect(told).toHaveLength(50);
    expect(cloud.counts.identity).toBe(50);
  });
});
