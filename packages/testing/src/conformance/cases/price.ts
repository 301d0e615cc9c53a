import assert from "node:assert/strict";
import type { BilledInterval, Offer } from "@runctl/core/provider";
import { CannotSay, type ConformanceCase } from "../case.ts";

/** Point 9: prices that can be trusted, and bills that can be checked. */
export const priceCases: ConformanceCase[] = [
  {
    id: "price-offers",
    point: 9,
    title: "a price has a currency, a source and a date; ids are unique",
    needs: [],
    async run({ provider }) {
      const offers = await provider.offers({});
      assert.ok(offers.length > 0, "offers({}) is empty.");
      for (const offer of offers) {
        if (offer.pricePerHour === undefined) continue;
        assert.match(offer.pricePerHour.currency, /^[A-Z]{3}$/, `The currency of ${offer.id}.`);
        assert.ok(offer.price !== undefined, `The offer ${offer.id} has a price and does not say from where and when.`);
        assert.ok(Number.isFinite(Date.parse(offer.price.at)), `The date of the price of ${offer.id}: ${offer.price.at}`);
        const most = offer.maxPricePerHour?.amount;
        assert.ok(most === undefined || most >= offer.pricePerHour.amount, `maxPricePerHour of ${offer.id} is below its price.`);
      }
      const ids = offers.map((offer) => offer.id);
      assert.equal(new Set(ids).size, ids.length, "Two offers have one id: cool-downs and history would mix them up.");
    },
  },
  {
    id: "price-stable-ids",
    point: 9,
    title: "offers keep their ids from call to call",
    needs: [],
    async run({ provider }) {
      const ids = async (): Promise<string[]> => (await provider.offers({})).map((offer) => offer.id).sort();
      assert.deepEqual(await ids(), await ids(), "The same offers have other ids the second time.");
    },
  },
  {
    id: "price-requests",
    point: 9,
    title: "a request narrows: market, price, type, GPU, size",
    needs: [],
    async run({ provider }) {
      const all = await provider.offers({});
      const none = async (request: Parameters<typeof provider.offers>[0], what: string): Promise<void> =>
        assert.deepEqual(
          (await provider.offers(request)).map((offer) => offer.id),
          [],
          `offers(${what}) must be empty.`,
        );
      await none({ gpus: [{ name: "NO-SUCH-GPU", count: 1 }] }, "gpus: NO-SUCH-GPU");
      await none({ cpus: 1_000_000 }, "cpus: 1000000");
      await none({ memoryBytes: 2 ** 60 }, "memoryBytes: 1 EiB");
      await none({ instanceTypes: ["no-such-type"] }, "instanceTypes: no-such-type");
      await none({ regions: ["no-such-region"] }, "regions: no-such-region");
      const cheap = Math.min(...all.map((offer) => offer.pricePerHour?.amount ?? Number.POSITIVE_INFINITY));
      if (cheap > 0 && Number.isFinite(cheap)) await none({ maxPricePerHour: cheap / 2 }, "maxPricePerHour below the cheapest");
      for (const market of new Set(all.map((offer) => offer.market))) {
        const found = await provider.offers({ markets: [market] });
        assert.ok(
          found.length > 0 && found.every((offer) => offer.market === market),
          `offers({ markets: ["${market}"] }) does not keep to it.`,
        );
      }
      const one = all[0] as Offer;
      assert.ok(
        (await provider.offers({ instanceTypes: [one.type] })).every((offer) => offer.type === one.type),
        "offers({ instanceTypes }) does not keep to it.",
      );
    },
  },
  {
    id: "price-costs",
    point: 9,
    title: "billed intervals lie in the time asked for, do not overlap, and stop with the machine",
    needs: [],
    async run(context) {
      const { provider, clock } = context;
      const from = new Date(clock.now() - 60_000).toISOString();
      const machine = await context.running();
      await context.pass(1_200);
      const until = async (to: number): Promise<BilledInterval[]> => provider.costs(machine, from, new Date(to).toISOString());
      sane(await until(clock.now()));
      await provider.terminate(machine.ref);
      await context.gone(machine);
      const ended = clock.now();
      const [final, later] = [await until(ended + 3_600_000), await until(ended + 86_400_000)];
      sane(final);
      const sum = amount(final.filter((interval) => interval.what !== "storage"));
      const laterSum = amount(later.filter((interval) => interval.what !== "storage"));
      assert.ok(Math.abs(sum - laterSum) <= sum * 0.001 + 1e-9, "A machine that is gone goes on costing.");
    },
  },
  {
    id: "price-invoice",
    point: 9,
    title: "costs() is what the far side's invoice says",
    needs: ["hook:invoice"],
    async run(context) {
      const { provider, clock } = context;
      const read = async (): Promise<{ amount: number; currency: string }> =>
        (await context.hooks.invoice?.()) ?? { amount: 0, currency: "" };
      const before = await read();
      const from = new Date(clock.now()).toISOString();
      const machine = await context.running();
      await context.pass(2_000);
      await provider.terminate(machine.ref);
      await context.gone(machine);
      const after = await read();
      const intervals = await provider.costs(machine, from, new Date(clock.now() + 86_400_000).toISOString());
      if (intervals.length === 0) throw new CannotSay("not-provable", "costs() tells nothing of this machine");
      const [told, billed] = [amount(intervals), after.amount - before.amount];
      assert.ok(
        intervals.every((interval) => interval.pricePerHour.currency === after.currency),
        "costs() and invoice differ in currency.",
      );
      assert.ok(Math.abs(told - billed) <= Math.max(Math.abs(billed) * 0.005, 1e-6), `costs() says ${told}, the invoice ${billed}.`);
    },
  },
];

function sane(intervals: BilledInterval[]): void {
  for (const { from, to } of intervals)
    assert.ok(Date.parse(to) >= Date.parse(from), `An interval ends before it begins: ${from} to ${to}.`);
  const compute = intervals.filter((interval) => interval.what === "compute").sort((a, b) => a.from.localeCompare(b.from));
  for (const [index, interval] of compute.entries()) {
    const previous = compute[index - 1];
    if (previous !== undefined)
      assert.ok(
        Date.parse(interval.from) >= Date.parse(previous.to),
        `Two compute intervals overlap: ${previous.to} and ${interval.from}.`,
      );
  }
}

function amount(intervals: BilledInterval[]): number {
  return intervals.reduce(
    (sum, { from, to, pricePerHour }) => sum + ((Date.parse(to) - Date.parse(from)) / 3_600_000) * pricePerHour.amount,
    0,
  );
}
