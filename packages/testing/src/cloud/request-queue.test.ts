import { describe, expect, it } from "vitest";
import { intentFor, offerOf, testCloud } from "./cloud.test-support.ts";

const HOUR = 3_600_000;
const find = { stateId: "state1" };

describe("a cloud whose requests wait", () => {
  it("queues what finds no room, serves it in order, and the same request gets the machine then", async () => {
    const { cloud, provider } = testCloud({ whenFull: "queue", pools: [{ capacity: 1 }] });
    const offer = await offerOf(provider);
    const [first, second, third] = ["a", "b", "c"].map((id) => intentFor(offer, { id }));
    const bought = await provider.create(first as never);
    expect(await provider.create(second as never)).toMatchObject({ kind: "queued", ref: { kind: "request", id: "req-00000001" } });
    expect(await provider.create(second as never)).toMatchObject({ ref: { id: "req-00000001" } });
    expect(await provider.create(third as never)).toMatchObject({ ref: { id: "req-00000002" } });
    expect((await provider.find(find)).others.map((other) => other.ref.id)).toEqual(["req-00000001", "req-00000002"]);
    if (bought.kind === "created") await provider.terminate(bought.machines[0].ref);
    expect(cloud.living).toBe(1);
    expect(await provider.create(second as never)).toMatchObject({ kind: "created", machines: [{ tags: { "runctl:intent": "b" } }] });
    expect((await provider.find(find)).others).toHaveLength(1);
  });

  it("serves when the capacity grows, and says when that is", async () => {
    const { clock, cloud, provider, advance } = testCloud({
      whenFull: "queue",
      pools: [
        {
          capacity: [
            { at: 0, machines: 0 },
            { at: HOUR, machines: 5 },
          ],
        },
      ],
    });
    const outcome = await provider.create(intentFor(await offerOf(provider)));
    expect(outcome).toMatchObject({ kind: "queued", expectedStart: "2026-01-01T01:00:00.000Z" });
    await advance(HOUR);
    expect([cloud.living, clock.pending]).toEqual([1, 0]);
  });

  it("a request that is taken back, or whose time is over, buys nothing", async () => {
    const { cloud, provider, advance } = testCloud({
      whenFull: "queue",
      pools: [
        {
          capacity: [
            { at: 0, machines: 0 },
            { at: 5 * HOUR, machines: 5 },
          ],
        },
      ],
    });
    const offer = await offerOf(provider);
    const outcome = await provider.create(intentFor(offer, { id: "a" }));
    await provider.create(intentFor(offer, { id: "b", endBy: "2026-01-01T02:00:00Z" }));
    if (outcome.kind === "queued") for (let i = 0; i < 2; i += 1) await provider.remove(outcome.ref);
    await advance(6 * HOUR);
    expect(cloud.living).toBe(0);
  });

  it("without a token every sending waits for itself", async () => {
    const { cloud, provider } = testCloud({ class: "B", whenFull: "queue", pools: [{ capacity: 1 }] });
    const offer = await offerOf(provider);
    await provider.create(intentFor(offer, { id: "a" }));
    for (let i = 0; i < 2; i += 1) await provider.create(intentFor(offer, { id: "b" }));
    expect(cloud.queue.waiting).toHaveLength(2);
  });

  it("does not go with tags that are set afterwards", () => {
    expect(() => testCloud({ class: "C", whenFull: "queue" })).toThrow("set after the purchase");
  });
});
