import { errorKind } from "@runctl/core/provider";
import { describe, expect, it } from "vitest";
import { buyOne, intentFor, offerOf, testCloud } from "./cloud.test-support.ts";
import type { Fault } from "./faults.ts";

const ref = (id: string) => ({ provider: "cloud", region: "us-test-1", kind: "machine", id });

async function kindOf(work: Promise<unknown> | undefined): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    return errorKind(error) ?? (error as Error).name;
  }
}

describe("calls that go wrong", () => {
  it.each<[Fault, string, number]>([
    ["lost", "ambiguous-outcome", 0],
    ["auth", "authentication", 0],
    ["expired", "authentication", 0],
    ["permission", "permission", 0],
    ["quota", "quota", 0],
    ["throttle", "throttled", 0],
    ["down", "ambiguous-outcome", 0],
    ["raw", "TypeError", 0],
    ["reply-lost", "ambiguous-outcome", 1],
    ["error-after-effect", "ambiguous-outcome", 1],
    ["raw-after-effect", "TypeError", 1],
    ["twice", "none", 1],
    ["applied-late", "ambiguous-outcome", 0],
  ])("create meets %j: %s, and %d machines", async (fault, kind, machines) => {
    const { cloud, provider } = testCloud();
    const intent = intentFor(await offerOf(provider));
    cloud.faults.next("create", fault);
    expect(await kindOf(provider.create(intent))).toBe(kind);
    expect(cloud.living).toBe(machines);
    // The script is used up: the same request now has its effect, once.
    expect(await kindOf(provider.create(intent))).toBe("none");
    expect(cloud.living).toBe(1);
  });

  it.each<[Fault, string, number]>([
    ["lost", "timeout", 1],
    ["down", "timeout", 1],
    ["lie", "none", 1],
    ["reply-lost", "timeout", 0],
    ["twice", "none", 0],
    ["error-after-effect", "timeout", 0],
  ])("P-06 terminate meets %j: %s, and %d machines are left", async (fault, kind, machines) => {
    const { cloud, provider } = testCloud();
    const id = await buyOne(provider);
    cloud.faults.next("terminate", fault);
    expect(await kindOf(provider.terminate(ref(id)))).toBe(kind);
    expect(cloud.living).toBe(machines);
  });

  it("applied late: the error comes at once, the machine afterwards, once for a token however often it was sent", async () => {
    const { cloud, provider, advance } = testCloud();
    const intent = intentFor(await offerOf(provider));
    cloud.faults.next("create", { kind: "applied-late", ms: 90_000 });
    expect(await kindOf(provider.create(intent))).toBe("ambiguous-outcome");
    await advance(89_999);
    expect(cloud.living).toBe(0);
    await provider.create(intent);
    await advance(1);
    expect(cloud.living).toBe(1);
    const byName = testCloud({ class: "B" });
    byName.cloud.faults.next("create", { kind: "applied-late", ms: 90_000 });
    const named = intentFor(await offerOf(byName.provider));
    await kindOf(byName.provider.create(named));
    await byName.provider.create(named);
    await byName.advance(90_000);
    expect(byName.cloud.living).toBe(2);
  });

  it("delivered twice: one machine with a token, two without", async () => {
    for (const [cls, machines] of [
      ["A", 1],
      ["B", 2],
      ["C", 2],
    ] as const) {
      const { cloud, provider } = testCloud({ class: cls });
      cloud.faults.next("create", "twice");
      await provider.create(intentFor(await offerOf(provider)));
      expect(cloud.living, cls).toBe(machines);
    }
  });

  it("a late answer keeps its caller waiting; hanging ones wait until they give up", async () => {
    const { clock, cloud, provider, advance } = testCloud();
    cloud.faults.next("find", { kind: "late", ms: 45_000 }, "hang");
    let answered = false;
    const late = provider.find({}).then(() => {
      answered = true;
    });
    await advance(44_999);
    expect(answered).toBe(false);
    await advance(1);
    await late;
    const giveUp = new AbortController();
    const reason = new Error("enough");
    const hung = provider.find({ signal: giveUp.signal });
    await advance(3_600_000);
    giveUp.abort(reason);
    await expect(hung).rejects.toBe(reason);
    expect(clock.pending).toBe(0);
  });

  it("a throttled call says how long where the cloud does", async () => {
    const { cloud, provider } = testCloud();
    cloud.faults.next("find", { kind: "throttle", retryAfterMs: 4_000 });
    await expect(provider.find({})).rejects.toMatchObject({ kind: "throttled", retryAfterMs: 4_000 });
  });

  it("names the permission that is missing (TPI #75), and never a secret", async () => {
    const { cloud, provider } = testCloud();
    cloud.faults.always("tag", "permission");
    const id = await buyOne(provider);
    await expect(provider.tag?.(ref(id), { a: "b" })).rejects.toMatchObject({ kind: "permission", context: { permission: "tag" } });
  });

  it("buckets empty and fill again with time, each account its own", async () => {
    const { cloud, provider, advance } = testCloud({ accounts: ["one", "two"], throttle: { find: { burst: 3, perSecond: 0.5 } } });
    const kinds = async (count: number): Promise<string[]> => {
      const list: string[] = [];
      for (let i = 0; i < count; i += 1) list.push(await kindOf(provider.find({})));
      return list;
    };
    expect(await kinds(4)).toEqual(["none", "none", "none", "throttled"]);
    expect(await kindOf(cloud.client({ account: "two" }).find({}))).toBe("none");
    await advance(4_000);
    expect(await kinds(3)).toEqual(["none", "none", "throttled"]);
  });

  it("answers take their time, and a cut on the way back loses them", async () => {
    const { cloud, provider, advance } = testCloud({ latencyMs: { create: 2_000 } });
    const bought = kindOf(buyOne(provider));
    await advance(1_000);
    expect(cloud.living).toBe(1);
    cloud.network.cut("client-cloud");
    await advance(1_000);
    expect(await bought).toBe("ambiguous-outcome");
  });

  it("rules see who calls what; stretches of time have an end", async () => {
    const { cloud, advance } = testCloud();
    const [ada, bob] = [cloud.client({ user: "ada" }), cloud.client({ user: "bob" })];
    cloud.faults.rule((call) => (call.client === "ada" && call.op === "identity" ? "auth" : undefined));
    expect([await kindOf(ada.identity()), await kindOf(bob.identity())]).toEqual(["authentication", "none"]);
    cloud.faults.clear();
    const now = cloud.time.now();
    cloud.faults.between(now + 1_000, now + 2_000, ["identity"], "down");
    const seen = [await kindOf(ada.identity())];
    for (let i = 0; i < 2; i += 1) {
      await advance(1_000);
      seen.push(await kindOf(ada.identity()));
    }
    expect(seen).toEqual(["none", "timeout", "none"]);
  });
});

describe("the network", () => {
  it("P-04 a cut between one client and the cloud is that client's alone, and heals by itself", async () => {
    const { cloud, provider, advance } = testCloud();
    const other = cloud.client({ name: "other" });
    cloud.network.cut("client-cloud", { client: "client-1", forMs: 600_000, how: "refuse" });
    expect([await kindOf(provider.find({})), await kindOf(other.find({}))]).toEqual(["timeout", "none"]);
    await advance(600_000);
    expect(await kindOf(provider.find({}))).toBe("none");
  });

  it("dropped packets cost the client its own patience; a purchase that never left is still unknown to it", async () => {
    const { cloud, provider, advance } = testCloud({ clientTimeoutMs: 30_000 });
    const intent = intentFor(await offerOf(provider));
    const heal = cloud.network.cut("client-cloud");
    const bought = kindOf(provider.create(intent));
    await advance(30_000);
    expect(await bought).toBe("ambiguous-outcome");
    expect(cloud.living).toBe(0);
    heal();
    await provider.create(intent);
  });

  it("a machine that is cut off from the world runs on, lets clients in, and cannot end itself", async () => {
    const { cloud, provider, hosts } = testCloud();
    const id = await buyOne(provider);
    const heal = cloud.network.cut("host-world", { machine: id });
    const inside = hosts.contexts.get(id);
    expect(inside?.isOnline()).toBe(false);
    await expect(inside?.endItself()).rejects.toMatchObject({ kind: "host-unreachable" });
    const [machine] = (await provider.find({ ids: [id] })).machines;
    expect(await kindOf(provider.connect?.(machine as never))).toBe("none");
    heal();
    await inside?.endItself();
    expect(cloud.machine(id)?.state).toBe("ended");
  });

  it("a way in dies with the cut, the boot and the machine", async () => {
    const { cloud, provider, advance } = testCloud();
    const id = await buyOne(provider);
    const [machine] = (await provider.find({ ids: [id] })).machines;
    const session = await provider.connect?.(machine as never);
    const heal = cloud.network.cut("client-host", { client: "client-1", how: "refuse" });
    expect(await kindOf(session?.exec(["true"]))).toBe("host-unreachable");
    expect(await kindOf(cloud.client().connect?.(machine as never))).toBe("none");
    heal();
    expect(await kindOf(session?.exec(["true"]))).toBe("none");
    await provider.stop?.(ref(id));
    await provider.start?.(ref(id));
    expect(await kindOf(session?.exec(["true"]))).toBe("host-unreachable");
    expect(await kindOf(provider.connect?.(machine as never))).toBe("none");
    cloud.hang(id, "connect");
    const tried = kindOf(provider.connect?.(machine as never));
    await advance(60_000);
    expect(await tried).toBe("host-unreachable");
  });

  it("a region that does not answer makes a listing incomplete, never empty and complete", async () => {
    const { cloud, provider } = testCloud({
      regions: [
        { name: "us-test-1", zones: ["us-test-1a"] },
        { name: "eu-test-1", zones: ["eu-test-1a"] },
      ],
    });
    await buyOne(provider);
    const heal = cloud.network.cut("client-cloud", { region: "us-test-1", how: "refuse" });
    expect(await provider.find({ stateId: "state1" })).toMatchObject({ machines: [], complete: false });
    heal();
    expect(await provider.find({ stateId: "state1" })).toMatchObject({ machines: [{}], complete: true });
    expect(cloud.listCalls.get("acct-1/us-test-1")).toBe(2);
  });
});
