import { describe, expect, it } from "vitest";
import { type Fault, MemoryCloud, memoryProvider, offer } from "../../test/support/memory-provider.ts";
import { testClock } from "../../test/support/test-clock.ts";
import type { Intent } from "../provider/intent.ts";
import { TAGS } from "../provider/tags.ts";
import { isOfIntent } from "./find-purchase.ts";
import { type PerformCreateOptions, performCreate } from "./perform-create.ts";

function setup(capabilities: Parameters<typeof memoryProvider>[1] = {}) {
  const clock = testClock({ auto: true });
  const cloud = new MemoryCloud(clock);
  const provider = memoryProvider(cloud, capabilities);
  const intent: Intent = {
    id: "i1",
    name: "runctl-i1",
    attempt: 1,
    offers: [offer("small", 1)],
    nodes: 1,
    tags: { [TAGS.state]: "s1", [TAGS.intent]: "i1", [TAGS.createdBy]: "runctl" },
    boot: "",
    volumes: [],
    env: {},
    endBy: "2026-01-08T00:00:00Z",
  };
  const perform = (over: Partial<PerformCreateOptions> = {}, change: Partial<Intent> = {}) =>
    performCreate(provider, { ...intent, ...change }, { clock, stateId: "s1", ...over });
  const sends = (): number => cloud.calls.filter((call) => call === "create").length;
  return { clock, cloud, perform, sends, intent };
}
const NAME = { capabilities: { identity: "name" as const } };

describe("performCreate", () => {
  it("sends once when all is well", async () => {
    const { perform, sends, cloud } = setup();
    expect(await perform()).toMatchObject({ type: "created", recovered: false, duplicates: [] });
    expect([sends(), cloud.alive().length]).toEqual([1, 1]);
  });

  it.each<[string, Fault[]]>([
    ["reply lost after the effect", ["reply-lost"]],
    ["request lost", ["lost"]],
    ["a raw vendor error after the effect", ["raw-error-after-effect"]],
    ["lost twice, then only the reply", ["lost", "lost", "reply-lost"]],
  ])("P-01 token: %s ends with exactly one machine", async (_name, faults) => {
    const { perform, cloud } = setup();
    cloud.fault("create", faults);
    expect(await perform()).toMatchObject({ type: "created", recovered: true });
    expect(cloud.alive()).toHaveLength(1);
  });

  it("P-01 name: a lost reply is found, never sent again", async () => {
    const { perform, cloud, sends } = setup(NAME);
    cloud.fault("create", ["reply-lost"]);
    cloud.lagMs = 45_000;
    expect(await perform()).toMatchObject({ type: "created", recovered: true });
    expect([sends(), cloud.alive().length]).toEqual([1, 1]);
  });

  it("P-02 name: a lost request stays ambiguous; absence over the whole settle window is not failure", async () => {
    const { perform, cloud, sends, clock } = setup(NAME);
    cloud.fault("create", ["lost"]);
    const begun = clock.now();
    expect((await perform()).type).toBe("ambiguous");
    expect(sends()).toBe(1);
    expect(clock.now() - begun).toBeGreaterThanOrEqual(60_000);
  });

  it("P-02: an incomplete or failing listing is no absence, and the search still ends", async () => {
    for (const fault of ["incomplete", "down"] as const) {
      const { perform, cloud, clock } = setup(NAME);
      cloud.fault("create", ["lost"]);
      cloud.fault("find", { always: fault });
      expect((await perform()).type).toBe("ambiguous");
      expect(clock.now() - Date.parse("2026-01-01")).toBeLessThan(200_000);
    }
  });

  it.each<[Fault, string]>([
    ["throttle", "throttled"],
    ["permission", "permission"],
    ["quota", "quota"],
  ])("%s is a refusal: certainly nothing was bought", async (fault, kind) => {
    const { perform, cloud, sends } = setup();
    cloud.fault("create", [fault]);
    expect(await perform()).toMatchObject({ type: "failed", error: { kind } });
    expect([sends(), cloud.alive().length]).toEqual([1, 0]);
  });

  it("a refusal after a lost reply says nothing about the first send", async () => {
    const { perform, cloud } = setup();
    cloud.fault("create", ["reply-lost", "permission"]);
    expect(await perform()).toMatchObject({ type: "created", recovered: true });
    const second = setup();
    second.cloud.fault("create", ["lost", "permission"]);
    expect((await second.perform()).type).toBe("ambiguous");
  });

  it("unavailable is unavailable; after a lost request it must be swept as well", async () => {
    const { perform, cloud } = setup();
    cloud.fault("create", ["unavailable"]);
    expect(await perform()).toMatchObject({ type: "unavailable", sweep: false, pools: [{ offerId: "small" }] });
    const second = setup();
    second.cloud.fault("create", ["lost", "unavailable"]);
    expect(await second.perform()).toMatchObject({ type: "unavailable", sweep: true });
  });

  it("a call without an answer is cut off and counts as unknown", async () => {
    const { perform, cloud, sends } = setup();
    cloud.fault("create", ["hang"]);
    expect(await perform({ callTimeoutMs: 5_000 })).toMatchObject({ type: "created", recovered: true });
    expect(sends()).toBe(2);
  });

  it("gives up after the resends, as ambiguous", async () => {
    const { perform, cloud, sends } = setup();
    cloud.fault("create", { always: "lost" });
    expect((await perform({ resends: 2 })).type).toBe("ambiguous");
    expect(sends()).toBe(3);
  });

  it("an intent of a dead process: same token again, or only a look", async () => {
    const token = setup();
    token.cloud.make("runctl-i1", token.intent.tags, "x");
    token.cloud.fault("create", ["lost"]);
    expect(await token.perform({ mayHaveBeenSent: true })).toMatchObject({ type: "created", recovered: true });
    expect(token.cloud.alive()).toHaveLength(1);
    const name = setup(NAME);
    expect((await name.perform({ mayHaveBeenSent: true })).type).toBe("ambiguous");
    expect(name.sends()).toBe(0);
  });

  it("keeps the oldest of duplicates and names the surplus; strangers with the same intent id are not ours", async () => {
    const { perform, cloud, intent } = setup(NAME);
    cloud.add(intent.tags, { createdAt: "2026-01-01T00:00:02Z" });
    const oldest = cloud.add(intent.tags, { createdAt: "2026-01-01T00:00:01Z" });
    cloud.add({ ...intent.tags, [TAGS.state]: "s2" }, { createdAt: "2025-01-01T00:00:00Z" });
    const result = await perform({ mayHaveBeenSent: true });
    expect(result).toMatchObject({ type: "created", machines: [{ ref: oldest.ref }] });
    expect(result.type === "created" && result.duplicates.length).toBe(1);
  });

  it("part of a gang is not what was bought", async () => {
    const { perform, cloud, intent } = setup(NAME);
    cloud.add(intent.tags);
    expect((await perform({ mayHaveBeenSent: true }, { nodes: 2 })).type).toBe("ambiguous");
  });

  it("P-07: aborted or no longer wanted before the send, nothing is sent; in flight it is ambiguous", async () => {
    const { perform, cloud, sends } = setup();
    expect(await perform({ signal: AbortSignal.abort(new Error("x")) })).toMatchObject({ type: "failed", error: { kind: "aborted" } });
    expect(await perform({ maySend: () => false })).toMatchObject({ type: "failed" });
    expect(sends()).toBe(0);
    const controller = new AbortController();
    cloud.fault("create", ["hang"]);
    const pending = perform({ signal: controller.signal });
    queueMicrotask(() => controller.abort());
    expect((await pending).type).toBe("ambiguous");
  });

  it("never repeats a vendor's words, which may quote the request", async () => {
    const { perform, cloud } = setup(NAME);
    cloud.fault("create", ["raw-error-after-effect"]);
    cloud.fault("find", { always: "down" });
    const result = await perform();
    expect(result.type === "ambiguous" && result.error.message).not.toContain("sk-secret");
  });

  it("a provider with neither token, name nor tags has nothing to look for", async () => {
    const { perform, cloud } = setup({ capabilities: { identity: "none", tagsAtCreate: false } });
    cloud.fault("create", ["reply-lost"]);
    expect((await perform()).type).toBe("ambiguous");
    expect(cloud.calls).toEqual(["create"]);
  });

  it("ours needs both ids, whatever a provider lists", () => {
    const machine = (tags: Record<string, string>) => ({
      ref: { provider: "mem", kind: "machine", id: "m" },
      name: "m",
      state: "running" as const,
      tags,
    });
    expect(isOfIntent(machine({ [TAGS.state]: "s1", [TAGS.intent]: "i1" }), { id: "i1" }, "s1")).toBe(true);
    expect(isOfIntent(machine({ [TAGS.state]: "s2", [TAGS.intent]: "i1" }), { id: "i1" }, "s1")).toBe(false);
    expect(isOfIntent(machine({ [TAGS.state]: "s1", [TAGS.intent]: "i2" }), { id: "i1" }, "s1")).toBe(false);
    expect(isOfIntent(machine({ [TAGS.intent]: "i1" }), { id: "i1" }, "s1")).toBe(false);
  });
});
