import { describe, expect, it } from "vitest";
import { record, segment, usd } from "../../test/support/records.ts";
import { ValidationError } from "../errors/kinds.ts";
import type { Offer } from "../provider/offer.ts";
import type { Clock } from "../util/clock.ts";
import { Costs } from "./costs.ts";
import type { ResourceRecord, ResourceSource } from "./resource-record.ts";

const NOW = Date.parse("2026-01-02T12:00:00Z");
const clock: Clock = { now: () => NOW, monotonic: () => 0, timer: () => ({ cancel: () => undefined }) };
const source = (...records: ResourceRecord[]): ResourceSource => ({
  async *records() {
    yield* records;
  },
});
const offer = (id: string, price?: number, currency = "USD"): Offer => ({
  id,
  provider: "mem",
  type: id,
  accelerators: [],
  market: "on-demand",
  ...(price === undefined ? {} : { pricePerHour: { amount: price, currency } }),
  can: { stop: true, notice: false, endItself: true },
});

describe("Costs", () => {
  it("reports rows that add up to the total", async () => {
    const costs = new Costs({ clock, sources: [source(record(), record({ id: "b", segments: [segment({ pricePerHour: usd(2) })] }))] });
    const report = await costs.report({ by: "day" });
    expect(report.rows.map((row) => [row.key, row.cost.total?.amount])).toEqual([
      ["2026-01-01", 72],
      ["2026-01-02", 36],
    ]);
    expect(report).toMatchObject({ from: "2026-01-01T00:00:00.000Z", to: "2026-01-02T12:00:00.000Z", total: { total: usd(108) } });
    expect((await costs.report({ by: "day", from: "2026-01-02" })).total.total).toEqual(usd(36));
  });

  it("counts a thing that two sources know once, with the provider's bill", async () => {
    const bill = segment({ to: "2026-01-01T12:00:00Z", pricePerHour: usd(0.5), evidence: "billed" });
    const costs = new Costs({ clock, sources: [source(record()), source(record({ segments: [segment(), bill] }))] });
    expect((await costs.report({ by: "run" })).total.total).toEqual(usd(6 + 24));
  });

  it("uses one currency for all rows", async () => {
    const euros = record({ id: "e", project: "e", segments: [segment({ pricePerHour: { amount: 1, currency: "EUR" } })] });
    const report = await new Costs({ clock, sources: [source(euros, record())] }).report({ by: "project" });
    expect(report.total).toMatchObject({ known: usd(36), complete: false, others: [{ amount: 36, currency: "EUR" }] });
    expect(report.rows.find((row) => row.key === "e")?.cost).toMatchObject({ known: usd(0), others: [{ amount: 36, currency: "EUR" }] });
  });

  it("refuses an unknown grouping and an unreadable time", async () => {
    const costs = new Costs({ clock, sources: [] });
    await expect(costs.report({ by: "week" as "day" })).rejects.toSatisfy(ValidationError.isInstance);
    await expect(costs.report({ by: "day", from: "soon" })).rejects.toThrow(/from must be an ISO time/);
  });

  it("S-18: forecasts hour, day, week and month from what is live", async () => {
    const stopped = record({
      id: "s",
      state: "stopped",
      segments: [segment({ to: "2026-01-01T01:00:00Z" }), segment({ what: "storage", pricePerHour: usd(0.1) })],
    });
    const ended = record({ id: "x", state: "ended", endedAt: "2026-01-01T01:00:00Z" });
    const costs = new Costs({ clock, sources: [source(record(), stopped, ended)] });
    const next = await costs.forecast();
    expect(next.hourly.total).toEqual(usd(1.1));
    expect(next.day.total).toEqual(usd(26.4));
    expect(next.week.total).toEqual(usd(184.8));
    expect(next.month.total).toEqual(usd(792));
    expect(next.resources).toBe(2);
    const bounded = await costs.forecast({ ends: { "mem/machine/m-1": "2026-01-02T18:00:00Z" } });
    expect(bounded.day.total).toEqual(usd(6 + 2.4));
    expect((await costs.forecast({ ends: { "mem/machine/m-1": "2026-01-01T00:00:00Z" } })).day.total).toEqual(usd(2.4));
  });

  it("a forecast over an unknown price has no total", async () => {
    const costs = new Costs({ clock, sources: [source(record({ segments: [segment({ pricePerHour: undefined })] }))] });
    const next = await costs.forecast();
    expect(next.hourly).toMatchObject({ complete: false, known: usd(0) });
    expect(next.day.total).toBeUndefined();
  });

  it("compares offers: cheapest first, unknown last, a free one does not divide", async () => {
    const offers = async () => ({
      offers: [offer("dear", 4), offer("unknown"), offer("cheap", 1)],
      partial: true,
      failures: [{ id: "x", what: "", why: "", fix: [] }],
    });
    const result = await new Costs({ clock, sources: [], offers }).compare({}, { hours: 8 });
    expect(result.offers.map((row) => [row.offer.id, row.forHours?.amount, row.pricePerDay?.amount, row.timesCheapest])).toEqual([
      ["cheap", 8, 24, 1],
      ["dear", 32, 96, 4],
      ["unknown", undefined, undefined, undefined],
    ]);
    expect(result.partial).toBe(true);
    const free = async () => ({ offers: [offer("free", 0)], partial: false, failures: [] });
    expect((await new Costs({ clock, sources: [], offers: free }).compare()).offers[0]?.timesCheapest).toBeUndefined();
  });
});
