import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BillingRules, DEFAULT_BILLING } from "./billing-rules.ts";
import { buyOne, testCloud } from "./cloud.test-support.ts";

const SECOND = 1_000;
const HOUR = 3_600_000;
const ref = (id: string) => ({ provider: "cloud", kind: "machine", id });

/** What a machine does, second by second: the bill is worked out by walking through them, which shares nothing with the code. */
type Life = Array<{ seconds: number; on: boolean }>;

function slowBill(life: Life, priceAt: (second: number) => number, rules: Partial<BillingRules>): number {
  const minimum = rules.minimumSeconds ?? DEFAULT_BILLING.minimumSeconds;
  const gib = rules.defaultDiskGib ?? DEFAULT_BILLING.defaultDiskGib;
  let total = 0;
  let at = 0;
  for (const { seconds, on } of life) {
    if (on) for (let s = 0; s < Math.max(seconds, minimum); s += 1) total += priceAt(at + s) / 3_600;
    const perMonth = on ? (rules.diskPerGibMonth ?? 0) : (rules.stoppedDiskPerGibMonth ?? rules.diskPerGibMonth ?? 0);
    total += (seconds * gib * perMonth) / 730 / 3_600;
    at += seconds;
  }
  return total;
}

describe("the invoice", () => {
  it("is what walking through the seconds gives, for any life, price and rule", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 6 }),
        fc.record({
          minimumSeconds: fc.constantFrom(0, 60, 600),
          diskPerGibMonth: fc.constantFrom(0, 10),
          stoppedDiskPerGibMonth: fc.constantFrom(undefined, 20),
        }),
        fc.boolean(),
        async (durations, billing, spot) => {
          const price = [
            { at: 0, price: 0.5 },
            { at: 1_000 * SECOND, price: 0.9 },
            { at: 4_000 * SECOND, price: 0.3 },
          ];
          const { cloud, provider, advance } = testCloud({
            billing,
            spot: { onReclaim: "stop" },
            pools: [{ market: "spot", price }],
          });
          const id = await buyOne(provider, spot ? "spot" : "on-demand");
          const life: Life = [];
          for (const [index, seconds] of durations.entries()) {
            const on = index % 2 === 0;
            life.push({ seconds, on });
            await advance(seconds * SECOND);
            if (index === durations.length - 1) await provider.terminate(ref(id));
            else await (on ? provider.stop?.(ref(id)) : provider.start?.(ref(id)));
          }
          await advance(HOUR);
          const priceAt = (second: number): number => (spot ? (price.findLast((step) => step.at <= second * SECOND)?.price ?? 0) : 0.8);
          expect(cloud.invoice().total).toBeCloseTo(slowBill(life, priceAt, billing), 6);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("P-16 what costs() tells adds up to the invoice", async () => {
    const { cloud, provider, advance } = testCloud({ billing: { diskPerGibMonth: 10 } });
    const id = await buyOne(provider);
    await advance(1_234_567);
    cloud.addEgress(id, 12);
    await provider.stop?.(ref(id));
    await advance(HOUR);
    const [machine] = (await provider.find({ ids: [id] })).machines;
    const intervals = await provider.costs(machine as never, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    const sum = intervals.reduce(
      (total, { from, to, pricePerHour }) => total + ((Date.parse(to) - Date.parse(from)) / HOUR) * pricePerHour.amount,
      0,
    );
    expect(sum).toBeCloseTo(cloud.invoice().total, 9);
    expect(cloud.invoice().transfer).toBeCloseTo(12 * 0.09, 9);
    expect(intervals.every(({ evidence }) => evidence === "billed")).toBe(true);
  });

  it("a reclaim in the first hour is free where the rules say so; one's own end after the notice is not (P-19)", async () => {
    const { cloud, provider, advance } = testCloud({ billing: { firstHourFreeOnReclaim: true } });
    const [reclaimed, own, late] = [
      await buyOne(provider, "spot", { id: "a" }),
      await buyOne(provider, "spot", { id: "b" }),
      await buyOne(provider, "spot", { id: "c" }),
    ];
    await advance(HOUR / 2);
    cloud.reclaim(reclaimed);
    cloud.reclaim(own);
    await provider.terminate(ref(own));
    await advance(HOUR);
    cloud.reclaim(late, { noticeMs: 0 });
    const totals = new Map(cloud.invoice().lines.map((line) => [line.id, line.total]));
    expect([totals.get(reclaimed), totals.get(own), totals.get(late)]).toEqual([0, expect.closeTo(0.16, 9), expect.closeTo(0.48, 9)]);
  });

  it("pending is free where running is what is billed; what never ran costs nothing", async () => {
    const { cloud, provider, advance } = testCloud({ transitions: { pendingMs: 30_000 }, billing: { from: "running" } });
    const [ran, never] = [await buyOne(provider, "on-demand", { id: "a" }), await buyOne(provider, "on-demand", { id: "b" })];
    await provider.terminate(ref(never));
    await advance(30_000 + HOUR);
    await provider.terminate(ref(ran));
    expect(cloud.invoice().lines.map((line) => line.total)).toEqual([expect.closeTo(0.8, 9), 0]);
    const [machine] = (await provider.find({ ids: [ran] })).machines;
    const told = await provider.costs(machine as never, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    expect(told.map(({ from, to, pricePerHour }) => [from, to, pricePerHour.amount])).toEqual([
      ["2026-01-01T00:00:00.000Z", "2026-01-01T00:00:30.000Z", 0],
      ["2026-01-01T00:00:30.000Z", "2026-01-01T01:00:30.000Z", 0.8],
    ]);
  });

  it("a machine that does not end is billed until it does", async () => {
    const { cloud, provider, advance } = testCloud();
    cloud.plan({ hang: "ending" });
    const id = await buyOne(provider);
    await advance(HOUR);
    await provider.terminate(ref(id));
    await advance(HOUR);
    expect(cloud.machine(id)?.state).toBe("ending");
    expect(cloud.invoice().total).toBeCloseTo(1.6, 9);
    cloud.hang(id, undefined);
    await advance(HOUR);
    expect(cloud.machine(id)?.state).toBe("ended");
    expect(cloud.invoice().total).toBeCloseTo(1.6, 9);
  });

  it("volumes and snapshots cost from creation to deletion, attached or not", async () => {
    const { cloud, provider, advance } = testCloud();
    const volume = await provider.volumes?.create({ sizeBytes: 100 * 2 ** 30, intentId: "v", tags: {} });
    await provider.volumes?.snapshot?.(volume?.ref as never, { tags: {} });
    await advance(730 * HOUR);
    await provider.volumes?.delete(volume?.ref as never);
    await advance(730 * HOUR);
    expect(cloud.invoice().lines.map(({ kind, total }) => [kind, total])).toEqual([
      ["volume", expect.closeTo(8, 9)],
      ["snapshot", expect.closeTo(10, 9)],
    ]);
  });

  it("an account's invoice holds its own things only", async () => {
    const { cloud, advance } = testCloud({ accounts: ["one", "two"] });
    await buyOne(cloud.client({ account: "one" }));
    await buyOne(cloud.client({ account: "two" }));
    await advance(HOUR);
    expect([cloud.invoice("one").total, cloud.invoice("two").total, cloud.invoice().total]).toEqual(
      [0.8, 0.8, 1.6].map((x) => expect.closeTo(x, 9)),
    );
  });
});
