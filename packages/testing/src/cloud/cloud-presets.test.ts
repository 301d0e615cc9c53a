import { describe, expect, it } from "vitest";
import { buyOne, intentFor, offerOf, testCloud } from "./cloud.test-support.ts";
import { EC2_LIKE, LYCEUM_LIKE, RUNPOD_LIKE } from "./cloud-presets.ts";

const HOUR = 3_600_000;
const ref = (id: string) => ({ provider: "cloud", kind: "machine", id });

describe("clouds as they are sold", () => {
  it("like EC2: a reclaim within the hour is free, pending too, spot cannot be stopped", async () => {
    const { cloud, provider, advance } = testCloud(EC2_LIKE);
    const id = await buyOne(provider, "spot");
    await expect(provider.stop?.(ref(id))).rejects.toMatchObject({ kind: "unsupported-capability" });
    await advance(HOUR / 2);
    cloud.reclaim(id);
    await advance(HOUR);
    expect(cloud.invoice().compute).toBe(0);
  });

  it("like RunPod: no token, no notice to ask for; an evicted pod lies stopped and its disk costs double", async () => {
    const { cloud, provider, advance } = testCloud(RUNPOD_LIKE);
    expect(provider.capabilities.noticeSeconds).toBeUndefined();
    expect([provider.capabilities.identity, provider.notices, provider.tag]).toEqual(["name", undefined, undefined]);
    const id = await buyOne(provider, "spot");
    await advance(HOUR);
    cloud.reclaim(id);
    await advance(10_000);
    expect(cloud.machine(id)?.state).toBe("stopped");
    const before = cloud.invoice().storage;
    await advance(HOUR);
    expect(cloud.invoice().storage - before).toBeCloseTo((8 * 0.2) / 730, 6);
    await provider.terminate(ref(id));
    expect((await provider.find({ ids: [id] })).machines).toHaveLength(1);
    await advance(1);
    expect((await provider.find({ ids: [id] })).machines).toEqual([]);
  });

  it("like Lyceum: what switches itself off goes on costing until it is deleted", async () => {
    const { cloud, provider, hosts, advance } = testCloud(LYCEUM_LIKE);
    const offer = await offerOf(provider);
    expect(offer.can).toEqual({ stop: false, notice: false, endItself: false });
    const volumes = [{ ref: { provider: "cloud", kind: "volume", id: "v" }, mount: "/data", readOnly: false }];
    await expect(provider.create(intentFor(offer, { id: "v", volumes }))).rejects.toMatchObject({ kind: "unsupported-capability" });
    expect([provider.stop, provider.volumes, provider.capabilities.guard]).toEqual([undefined, undefined, "none"]);
    const id = await buyOne(provider);
    await advance(100_000);
    hosts.contexts.get(id)?.powerOff();
    await advance(HOUR);
    expect(cloud.machine(id)?.state).toBe("running");
    expect(cloud.invoice().total).toBeCloseTo(0.8, 9);
  });
});
