import { type Intent, TAGS } from "@runctl/core/provider";
import { describe, expect, it } from "vitest";
import { buyOne, intentFor, offerOf, testCloud } from "./cloud.test-support.ts";
import { emulatedCloud } from "./emulated-cloud.ts";

const ref = (id: string) => ({ provider: "cloud", kind: "machine", id });

describe("what is refused before anything is bought", () => {
  it.each<[string, (intent: Intent) => Partial<Intent>, string]>([
    ["a token with a newline", () => ({ id: "a\nb" }), "validation"],
    ["a token of 65 characters", () => ({ id: "x".repeat(65) }), "validation"],
    ["an empty name", () => ({ name: " " }), "validation"],
    ["no machine", () => ({ nodes: 0 }), "validation"],
    ["half a machine", () => ({ nodes: 1.5 }), "validation"],
    ["an end that is no time", () => ({ endBy: "soon" }), "validation"],
    ["two offers of a cloud that takes one", ({ offers }) => ({ offers: [offers[0], offers[0]] }), "validation"],
    ["somebody else's offer", ({ offers }) => ({ offers: [{ ...offers[0], provider: "other" }] }), "validation"],
    ["an offer that is not there", ({ offers }) => ({ offers: [{ ...offers[0], id: "nowhere" }] }), "validation"],
    ["an offer whose type was changed", ({ offers }) => ({ offers: [{ ...offers[0], type: "a100.8x" }] }), "validation"],
    ["an offer whose market was changed", ({ offers }) => ({ offers: [{ ...offers[0], market: "spot" }] }), "validation"],
    ["an offer whose zone was changed", ({ offers }) => ({ offers: [{ ...offers[0], zone: "us-test-1c" }] }), "validation"],
    ["a request without our state's tag", ({ tags }) => ({ tags: { ...tags, [TAGS.state]: undefined as never } }), "none"],
    ["a request that lacks the intent's tag", ({ tags }) => ({ tags: without(tags, TAGS.intent) }), "validation"],
    ["a reserved tag", ({ tags }) => ({ tags: { ...tags, "aws:x": "1" } }), "validation"],
    ["a long tag", ({ tags }) => ({ tags: { ...tags, note: "x".repeat(257) } }), "validation"],
    [
      "51 tags",
      ({ tags }) => ({ tags: { ...tags, ...Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`t${i}`, ""])) } }),
      "validation",
    ],
    ["boot text where none runs", () => ({ boot: "#!/bin/sh" }), "validation"],
    ["a disk of nothing", () => ({ diskBytes: 0 }), "validation"],
    [
      "a volume that is not there",
      () => ({ volumes: [{ ref: { provider: "cloud", kind: "volume", id: "vol-9" }, mount: "/data", readOnly: false }] }),
      "not-found",
    ],
    [
      "a mount point that is no absolute path",
      () => ({ volumes: [{ ref: { provider: "cloud", kind: "volume", id: "vol-9" }, mount: "data", readOnly: false }] }),
      "validation",
    ],
  ])("%s", async (_what, change, kind) => {
    const { cloud, provider } = testCloud();
    const good = intentFor(await offerOf(provider));
    const created = provider.create({ ...good, ...change(good) });
    if (kind === "none") await created;
    else {
      await expect(created).rejects.toMatchObject({ kind, provider: "cloud" });
      expect(cloud.living).toBe(0);
    }
  });

  it("quotas: machines of the account, CPUs of the region and market; stopped machines give CPUs back", async () => {
    const { cloud, provider } = testCloud({ accounts: ["one", "two"], quota: { machines: 3, onDemandCpus: 8, spotCpus: 0 } });
    await expect(buyOne(provider, "spot")).rejects.toMatchObject({ kind: "quota" });
    const first = await buyOne(provider, "on-demand", { id: "a" });
    await buyOne(provider, "on-demand", { id: "b" });
    await expect(buyOne(provider, "on-demand", { id: "c" })).rejects.toMatchObject({ kind: "quota" });
    await buyOne(cloud.client({ account: "two" }), "on-demand", { id: "c" });
    await provider.stop?.(ref(first));
    await buyOne(provider, "on-demand", { id: "c" });
    await expect(provider.start?.(ref(first))).rejects.toMatchObject({ kind: "quota" });
    await expect(buyOne(provider, "on-demand", { id: "d" })).rejects.toThrow("instance limit of 3");
  });

  it("P-17 no room is an outcome, and the next pool is tried in the same call where that is sold", async () => {
    const full = testCloud({ pools: [{ zone: "us-test-1a", capacity: 0 }] });
    const offers = await full.provider.offers({ instanceTypes: ["l4.xlarge"], markets: ["on-demand"] });
    expect(await full.provider.create(intentFor(offers[0] as never))).toEqual({
      kind: "unavailable",
      pools: [{ offerId: offers[0]?.id, scope: "zone", tried: true }],
    });
    const fleet = testCloud({ multiPool: true, pools: [{ zone: "us-test-1a", capacity: 0 }] });
    const outcome = await fleet.provider.create(intentFor(offers[0] as never, { offers: offers as never }));
    expect(outcome).toMatchObject({ kind: "created", machines: [{ zone: "us-test-1b" }] });
  });

  it("start needs room, too", async () => {
    const { provider } = testCloud({ pools: [{ capacity: 1 }] });
    const id = await buyOne(provider);
    await provider.stop?.(ref(id));
    await buyOne(provider, "on-demand", { id: "other" });
    await expect(provider.start?.(ref(id))).rejects.toMatchObject({ kind: "no-capacity" });
  });
});

describe("classes of providers", () => {
  it("A: token and tags at create; with zonal tokens another zone is another purchase", async () => {
    const { cloud, provider } = testCloud({ tokenScope: "zone" });
    const offers = await provider.offers({ instanceTypes: ["l4.xlarge"], markets: ["on-demand"] });
    await provider.create(intentFor(offers[0] as never));
    await provider.create(intentFor(offers[1] as never));
    expect(cloud.living).toBe(2);
    expect(provider.capabilities).toMatchObject({ identity: "token", tagsAtCreate: true });
  });

  it("A: the token of a machine that ended gives that machine back, for a day", async () => {
    const { cloud, provider, advance } = testCloud();
    const intent = intentFor(await offerOf(provider));
    const first = await provider.create(intent);
    if (first.kind === "created") await provider.terminate(first.machines[0].ref);
    await advance(2 * 3_600_000);
    expect(await provider.create(intent)).toMatchObject({ kind: "created", machines: [{ state: "ended" }] });
    await advance(23 * 3_600_000);
    expect(await provider.create(intent)).toMatchObject({ kind: "created", machines: [{ state: "running" }] });
    expect(cloud.living).toBe(1);
  });

  it("B: the cloud has a name only, and our tags are read out of it; the same request twice is two machines", async () => {
    const { cloud, provider } = testCloud({ class: "B" });
    const intent = intentFor(await offerOf(provider));
    intent.tags["runctl:created"] = "2026-01-01T00:00:00.000Z";
    intent.tags[TAGS.user] = "ada ~ & co/é";
    intent.tags.mine = "a label";
    const outcome = await provider.create(intent);
    await provider.create(intent);
    const { machines } = await provider.find({ stateId: "state1", intentId: "intent1" });
    expect(machines).toHaveLength(2);
    const { mine: _lost, ...ours } = intent.tags;
    expect(machines[0]).toMatchObject({ name: intent.name, tags: ours });
    expect(outcome.kind === "created" && outcome.machines[0]).toEqual(machines[0]);
    expect([...cloud.machines()][0]?.name.length).toBeLessThan(191);
    await provider.tag?.(machines[0]?.ref as never, { [TAGS.protected]: "true" });
    expect((await provider.find({ stateId: "state1" })).machines[0]?.tags[TAGS.protected]).toBe("true");
    await expect(provider.tag?.(machines[0]?.ref as never, { mine: "x" })).rejects.toMatchObject({ kind: "unsupported-capability" });
    expect(provider.capabilities).toMatchObject({ identity: "name", tagsAtCreate: false });
  });

  it("B: somebody's machine is nobody of ours, whatever its name", async () => {
    const { cloud, provider } = testCloud({ class: "B" });
    cloud.plant({ name: "web~server~1" });
    cloud.plant({ name: "plain" });
    expect((await provider.find({ stateId: "state1" })).machines).toEqual([]);
    expect((await provider.find({ includeForeign: true })).machines.map(({ name, tags }) => [name, tags])).toEqual([
      ["web~server~1", {}],
      ["plain", {}],
    ]);
  });

  it("C: a machine is bare until its tags are set, which a process may not live to do", async () => {
    const { cloud } = testCloud({ class: "C" });
    const steps: string[] = [];
    const provider = cloud.client({
      betweenSteps: ({ index, next }) => {
        steps.push(`${index} ${next}`);
        return new Promise<void>(() => undefined);
      },
    });
    void provider.create(intentFor(await offerOf(provider)));
    await new Promise(setImmediate);
    const [machine] = [...cloud.machines()];
    expect(steps).toEqual([`1 tags of ${machine?.id}`]);
    expect(machine).toMatchObject({ state: "running", tags: {}, intentId: "intent1", intendedTags: { [TAGS.intent]: "intent1" } });
    expect((await provider.find({ stateId: "state1" })).machines).toEqual([]);
    expect(provider.capabilities).toMatchObject({ identity: "none", tagsAtCreate: false });
  });

  it("C: tags that cannot be set end the machine", async () => {
    const { cloud, provider } = testCloud({ class: "C" });
    cloud.faults.next("tag", "down");
    await expect(provider.create(intentFor(await offerOf(provider)))).rejects.toMatchObject({ kind: "ambiguous-outcome" });
    expect(cloud.living).toBe(0);
  });

  it("partial tags: the machine is there, and some of our tags are not", async () => {
    const { cloud, provider } = testCloud();
    cloud.faults.next("create", { kind: "partial-tags", keepTags: [TAGS.createdBy] });
    const id = await buyOne(provider);
    expect(cloud.machine(id)?.tags).toEqual({ [TAGS.createdBy]: "runctl" });
  });
});

describe("several machines in one purchase", () => {
  it("all or none, in one call", async () => {
    const { cloud, provider } = testCloud({ pools: [{ capacity: 3 }] });
    const offer = await offerOf(provider);
    expect(await provider.create(intentFor(offer, { nodes: 4 }))).toMatchObject({ kind: "unavailable" });
    expect(cloud.living).toBe(0);
    expect(await provider.create(intentFor(offer, { id: "three", nodes: 3 }))).toMatchObject({ machines: [{}, {}, {}] });
  });

  it("one call each: a process that dies in between leaves some, and the same request completes them", async () => {
    const { cloud, provider } = testCloud({ gang: "one-by-one" });
    const intent = intentFor(await offerOf(provider), { nodes: 3 });
    const dying = cloud.client({ betweenSteps: ({ index }) => (index < 2 ? undefined : new Promise<void>(() => undefined)) });
    void dying.create(intent);
    await new Promise(setImmediate);
    expect(cloud.living).toBe(2);
    expect(await provider.create(intent)).toMatchObject({ kind: "created", machines: [{}, {}, {}] });
    expect(cloud.living).toBe(3);
  });

  it("one call each: what was bought goes back when there is no room for the rest", async () => {
    const { cloud, provider } = testCloud({ gang: "one-by-one", pools: [{ capacity: 2 }] });
    expect(await provider.create(intentFor(await offerOf(provider), { nodes: 3 }))).toMatchObject({ kind: "unavailable" });
    expect(cloud.living).toBe(0);
  });

  it("a cloud that sells one machine at a time says so", async () => {
    const { provider } = testCloud({ gang: "none" });
    expect(provider.capabilities.gang).toBe(false);
    await expect(provider.create(intentFor(await offerOf(provider), { nodes: 2 }))).rejects.toMatchObject({
      kind: "unsupported-capability",
    });
  });
});

describe("what else a client does", () => {
  it("doctor names limits of 0; options of a machine are refused by name", async () => {
    const { provider } = testCloud({ quota: { spotCpus: 0 } });
    expect((await provider.doctor?.())?.map(({ id, severity }) => [id, severity])).toEqual([
      ["cloud-credentials", "ok"],
      ["cloud-quota-spotCpus", "warning"],
    ]);
    expect(() => provider.validateOptions?.({ colour: "red" })).toThrow("providerOptions.cloud.colour");
    expect(provider.validateOptions?.({})).toBeUndefined();
  });

  it("usage is an idle machine's, or what the test says; a machine that is off has none", async () => {
    const { cloud, provider } = testCloud({ usage: (id) => (id.endsWith("2") ? new Error("no agent") : undefined) });
    const [first, second] = [await buyOne(provider, "on-demand", { id: "a" }), await buyOne(provider, "on-demand", { id: "b" })];
    const machine = async (id: string) => (await provider.find({ ids: [id] })).machines[0] as never;
    expect(await provider.usage?.(await machine(first))).toMatchObject({ cpuPercent: 0, gpus: [{ name: "L4", utilizationPercent: 0 }] });
    await expect(provider.usage?.(await machine(second))).rejects.toThrow("no agent");
    const off = await machine(first);
    cloud.crash(first);
    await expect(provider.usage?.(off)).rejects.toMatchObject({ kind: "host-unreachable" });
  });

  it("what is not listed yet can be not found: ending it then is no end", async () => {
    const { cloud, provider, advance } = testCloud({ listing: { lagMs: 10_000, hiddenIsNotFound: true } });
    const id = await buyOne(provider);
    await expect(provider.tag?.(ref(id), { a: "b" })).rejects.toMatchObject({ kind: "not-found" });
    await provider.terminate(ref(id));
    expect(cloud.living).toBe(1);
    await advance(10_000);
    await provider.terminate(ref(id));
    expect(cloud.living).toBe(0);
  });

  it("a second delivery can come much later: without a token it is a machine that nobody waits for", async () => {
    const { cloud, provider, advance } = testCloud({ class: "B" });
    cloud.faults.next("create", { kind: "twice", ms: 600_000 });
    const id = await buyOne(provider);
    await provider.terminate(ref(id));
    expect(cloud.living).toBe(0);
    await advance(600_000);
    expect(cloud.living).toBe(1);
  });

  it("tags of volumes and snapshots can be set, of somebody else's not", async () => {
    const { cloud, provider } = testCloud({ accounts: ["one", "two"] });
    const volume = await provider.volumes?.create({ sizeBytes: 2 ** 30, intentId: "v", tags: {} });
    const snapshot = await provider.volumes?.snapshot?.(volume?.ref as never, { tags: {} });
    for (const one of [volume?.ref, snapshot]) await provider.tag?.(one as never, { [TAGS.protected]: "true" });
    expect([...cloud.volumes()].map((thing) => thing.tags[TAGS.protected])).toEqual(["true", "true"]);
    const other = cloud.client({ account: "two" });
    await expect(other.tag?.(volume?.ref as never, { x: "y" })).rejects.toMatchObject({ kind: "not-found" });
    await expect(other.tag?.(snapshot as never, { x: "y" })).rejects.toMatchObject({ kind: "not-found" });
  });

  it("without any option it is a cloud of this computer's time", async () => {
    const provider = emulatedCloud().client();
    expect(await provider.identity()).toEqual({ id: "acct-1", name: "cloud account acct-1" });
    expect(() => emulatedCloud().client({ account: "nobody" })).toThrow("no account nobody");
  });
});

describe("a purchase with volumes", () => {
  const volume = { sizeBytes: 2 ** 30, intentId: "v", tags: { [TAGS.state]: "state1" }, zone: "us-test-1a" };
  const mounts = (ref: unknown) => [{ ref: ref as never, mount: "/data", readOnly: false }];

  it("attaches them by calls of its own, in the same zone only", async () => {
    const { cloud, provider } = testCloud();
    const { ref: disk } = (await provider.volumes?.create(volume)) ?? {};
    const offers = await provider.offers({ instanceTypes: ["l4.xlarge"], markets: ["on-demand"] });
    const elsewhere = offers.find((offer) => offer.zone === "us-test-1b");
    await expect(provider.create(intentFor(elsewhere as never, { volumes: mounts(disk) }))).rejects.toMatchObject({
      kind: "validation",
      context: { code: "InvalidVolume.ZoneMismatch" },
    });
    const here = intentFor(offers.find((offer) => offer.zone === "us-test-1a") as never, { id: "here", volumes: mounts(disk) });
    const dying = cloud.client({ betweenSteps: () => new Promise<void>(() => undefined) });
    void dying.create(here);
    await new Promise(setImmediate);
    expect([cloud.living, [...cloud.volumes()][0]?.attachedTo]).toEqual([1, undefined]);
    const outcome = await provider.create(here);
    expect([...cloud.volumes()][0]?.attachedTo).toBe(outcome.kind === "created" ? outcome.machines[0].ref.id : "");
    expect(cloud.living).toBe(1);
  });

  it("a machine whose volume cannot be attached is ended again", async () => {
    const { cloud, provider } = testCloud();
    const { ref: disk } = (await provider.volumes?.create(volume)) ?? {};
    cloud.faults.next("volume-attach", "down");
    const offers = await provider.offers({ instanceTypes: ["l4.xlarge"], markets: ["on-demand"], zones: ["us-test-1a"] });
    await expect(provider.create(intentFor(offers[0] as never, { volumes: mounts(disk) }))).rejects.toMatchObject({
      kind: "ambiguous-outcome",
    });
    expect(cloud.living).toBe(0);
  });
});

function without(tags: Record<string, string>, key: string): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).filter(([known]) => known !== key));
}
