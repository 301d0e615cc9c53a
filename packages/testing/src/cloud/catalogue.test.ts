import { describe, expect, it } from "vitest";
import { offerOf, testCloud } from "./cloud.test-support.ts";

const HOUR = 3_600_000;

describe("offers", () => {
  it("answer what was asked for, at the price of now, saying where the price comes from", async () => {
    const { provider, advance } = testCloud({
      pools: [
        {
          market: "spot",
          type: "l4.xlarge",
          price: [
            { at: 0, price: 0.3 },
            { at: HOUR, price: 0.7 },
          ],
        },
      ],
    });
    expect(await offerOf(provider, "spot")).toMatchObject({
      id: "us-test-1/us-test-1a/l4.xlarge/spot",
      pricePerHour: { amount: 0.3, currency: "USD" },
      maxPricePerHour: { amount: 0.8, currency: "USD" },
      price: { at: "2026-01-01T00:00:00.000Z" },
      can: { stop: false, notice: true, endItself: true },
    });
    expect((await offerOf(provider)).maxPricePerHour).toBeUndefined();
    await advance(HOUR);
    expect((await offerOf(provider, "spot")).pricePerHour?.amount).toBe(0.7);
    expect(await provider.offers({ instanceTypes: ["l4.xlarge"], maxPricePerHour: 0.6 })).toEqual([]);
  });

  it.each([
    [{ gpus: [{ name: "l4", count: 1 }] }, 6],
    [{ gpus: [{ name: "A100", count: 4 }] }, 6],
    [{ gpus: [{ name: "A100", count: 16 }] }, 0],
    [{ cpus: 4 }, 12],
    [{ memoryBytes: 2 ** 40 }, 6],
    [{ zones: ["us-test-1b"], markets: ["spot"] }, 3],
    [{ regions: ["nowhere"] }, 0],
    [{}, 18],
  ])("%j: %d of them", async (request, count) => {
    expect(await testCloud().provider.offers(request)).toHaveLength(count);
  });

  it("a hidden price is absent, never 0", async () => {
    const { provider } = testCloud({ pools: [{ hidePrice: true }] });
    const offer = await offerOf(provider);
    expect("pricePerHour" in offer).toBe(false);
  });

  it("pools without room are listed all the same, unless the cloud hides them", async () => {
    const pools = [{ zone: "us-test-1a", capacity: 0 }];
    expect(await testCloud({ pools }).provider.offers({})).toHaveLength(18);
    expect(await testCloud({ pools, listing: { hideFullOffers: true } }).provider.offers({})).toHaveLength(12);
  });

  it("later changes of pools win, and narrower ones leave the rest alone", () => {
    const { cloud } = testCloud({
      pools: [{ capacity: 9 }, { type: "cpu.large", capacity: 5 }, { type: "cpu.large", zone: "us-test-1c", price: 7 }],
    });
    const pool = cloud.pools.get("us-test-1/us-test-1c/cpu.large/on-demand");
    expect([pool?.capacity.at(0), pool?.price.at(0)]).toEqual([5, 7]);
    expect(cloud.pools.get("us-test-1/us-test-1c/l4.xlarge/on-demand")?.capacity.at(0)).toBe(9);
  });

  it.each([
    [{ name: "Not A Name" }, "name"],
    [{ accounts: [] }, "accounts"],
    [{ listing: { lag: 5 } as never }, "listing"],
    [{ transitions: { pendingMs: -1 } }, "pendingMs"],
    [{ class: "D" as never }, "class"],
  ])("options %j are refused by name", (options, field) => {
    expect(() => testCloud(options)).toThrow(field);
  });
});
