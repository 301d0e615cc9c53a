import { describe, expect, it } from "vitest";
import { COUNTING, eventually, withBed } from "./support/bed.ts";
import { HOUR, JumpingClock } from "./support/jumping-clock.ts";

const usd = (amount: number): { amount: number; currency: string } => ({ amount, currency: "USD" });

describe.concurrent("costs", () => {
  it("S-18: hourly, accumulated, daily and weekly totals are interval arithmetic over providers and states; stopping freezes", () => {
    const clock = new JumpingClock();
    return withBed(
      async (bed) => {
        const { resources, costs } = bed.runctl;
        const start = new Date(Math.floor(clock.now() / 1000) * 1000);
        const since = (hours: number): string => new Date(start.getTime() - hours * HOUR).toISOString();
        await resources.register({ ref: "aws/us-east-1/machine/i-1", createdAt: since(10), pricePerHour: usd(2), market: "spot" });
        await resources.register({ ref: "aws/us-east-1/machine/i-2", createdAt: since(8), pricePerHour: usd(1) });
        await resources.register({ ref: "runpod/machine/p-1", createdAt: since(4), pricePerHour: usd(0.5) });
        // Ran for 3 h, stopped for 2, started again 3 h ago.
        await resources.updateState("aws/us-east-1/machine/i-2", "stopped", { at: since(5) });
        await resources.updateState("aws/us-east-1/machine/i-2", "running", { at: since(3) });
        await resources.updateState("runpod/machine/p-1", "ended", { at: since(1) });
        const now = (): number => (clock.now() - start.getTime()) / HOUR;
        const summary = await resources.summary();
        const expected = (): number => (10 + now()) * 2 + (3 + 3 + now()) * 1 + 3 * 0.5;
        expect((await resources.totalCost()).total?.amount).toBeCloseTo(expected(), 2);
        expect(summary).toMatchObject({ hourly: { known: usd(3) } });
        const forecast = await costs.forecast();
        expect(JSON.stringify(forecast)).toContain("504");
        expect(JSON.stringify(forecast)).toContain("72");
        const byProvider = await costs.report({ by: "provider" });
        expect(byProvider.total.total?.amount).toBeCloseTo(expected(), 2);
        expect(byProvider.rows.reduce((sum, row) => sum + (row.cost.total?.amount ?? Number.NaN), 0)).toBeCloseTo(
          byProvider.total.total?.amount ?? 0,
          6,
        );
        const days = await costs.report({ by: "day" });
        expect(days.rows.reduce((sum, row) => sum + (row.cost.total?.amount ?? Number.NaN), 0)).toBeCloseTo(expected(), 2);
        await resources.updateState("aws/us-east-1/machine/i-2", "stopped");
        const frozen = (await resources.get("i-2"))?.cost.total?.amount;
        clock.jump(5 * HOUR);
        expect((await resources.get("i-2"))?.cost.total?.amount).toBe(frozen);
        expect((await resources.get("i-1"))?.cost.total?.amount).toBeCloseTo((10 + now()) * 2, 2);
      },
      { runctl: { clock } },
    );
  });

  it("S-18, P-16: a run's cost is its machine's interval at its price, in result, ledger and report alike", () =>
    withBed(
      async (bed) => {
        const run = await bed.runctl.train(await bed.script(COUNTING, { args: ["5", "0.1"] }));
        const result = await run.result();
        const [machine] = await bed.runctl.resources.list({ runId: run.id, showEnded: true });
        const segment = machine?.segments[0];
        const seconds = (Date.parse(segment?.to ?? "") - Date.parse(segment?.from ?? "")) / 1000;
        expect(seconds).toBeGreaterThan(0.5);
        expect(result.cost.total?.amount).toBeCloseTo(seconds * 2, 3);
        expect(machine?.cost.total).toEqual(result.cost.total);
        const report = await bed.runctl.costs.report({ by: "run" });
        expect(report.rows.map((row) => row.cost.total)).toEqual([result.cost.total]);
        expect(result.attempts[0]?.cost.known.amount).toBeLessThanOrEqual(result.cost.total?.amount ?? 0);
      },
      { local: { pricePerHour: 7200 } },
    ));

  it("S-18: crossing a threshold warns once, also across processes", () =>
    withBed(async (bed) => {
      const logged: string[] = [];
      const logger = { warn: (message: string) => void logged.push(message) };
      for (let time = 0; time < 2; time++) {
        const runctl = bed.open({ logger, thresholds: { machinePerHour: 3 } });
        if (time === 0) await runctl.resources.register({ ref: "aws/us-east-1/machine/i-1", pricePerHour: usd(4) });
        await runctl.resources.summary();
        await runctl.resources.summary();
      }
      expect(logged.filter((line) => line.includes("threshold"))).toHaveLength(1);
    }));

  it("S-18: an unknown price is unknown, never 0; a budget over it is refused", () =>
    withBed(
      async (bed) => {
        const spec = await bed.script(["print(1)"]);
        await expect(bed.runctl.train({ ...spec, budget: { maxCost: 5 } })).rejects.toMatchObject({
          code: expect.stringMatching(/^RUNCTL_/),
        });
        const result = await (await bed.runctl.train(spec)).result();
        expect(result.cost.complete).toBe(false);
        expect(result.cost.total).toBeUndefined();
        expect(result.cost.missing.length).toBeGreaterThan(0);
      },
      {
        wrap: (provider) => ({
          ...provider,
          offers: async (request, options) =>
            (await provider.offers(request, options)).map((offer) => ({ ...offer, pricePerHour: undefined })),
          create: async (intent, options) => {
            const made = await provider.create(intent, options);
            const [machine] = made.kind === "created" ? made.machines : [];
            return machine === undefined || made.kind !== "created"
              ? made
              : { ...made, machines: [{ ...machine, pricePerHour: undefined }] };
          },
          find: async (query) => {
            const found = await provider.find(query);
            return { ...found, machines: found.machines.map((machine) => ({ ...machine, pricePerHour: undefined })) };
          },
        }),
      },
    ));

  it("S-19: list filters, sorts and limits; exports agree; watch yields", () =>
    withBed(async (bed) => {
      const { resources } = bed.runctl;
      await resources.register({
        ref: "aws/us-east-1/machine/i-1",
        project: "a",
        user: "u1",
        pricePerHour: usd(2),
        tags: { team: "<red>" },
      });
      await resources.register({ ref: "aws/us-east-1/machine/i-2", project: "b", user: "u2", pricePerHour: usd(3), name: 'x,"y"' });
      await resources.register({ ref: "runpod/machine/p-1", project: "a", user: "u2", pricePerHour: usd(1), state: "stopped" });
      const ids = async (filter: Parameters<typeof resources.list>[0]): Promise<string[]> =>
        (await resources.list(filter)).map((each) => each.ref.id);
      expect(await ids({ platform: "aws", sort: "cost" })).toEqual(["i-2", "i-1"]);
      expect((await ids({ project: "a" })).sort()).toEqual(["i-1", "p-1"]);
      expect(await ids({ user: "u2", state: "stopped" })).toEqual(["p-1"]);
      expect(await ids({ sort: "cost", limit: 1 })).toEqual(["i-2"]);
      expect(await resources.byTag("team", "<red>")).toHaveLength(1);
      const json = JSON.parse(await resources.export("json")) as Record<string, unknown>;
      const csv = await resources.export("csv");
      const html = await resources.export("html");
      for (const id of ["i-1", "i-2", "p-1"]) for (const text of [JSON.stringify(json), csv, html]) expect(text).toContain(id);
      expect(html).not.toContain("<red>");
      expect(csv).toContain('"x,""y"""');
      const seen: number[] = [];
      for await (const summary of resources.watch({ intervalMs: 20 })) {
        seen.push(summary.hourly.known.amount);
        if (seen.length === 1) await resources.register({ ref: "aws/us-east-1/machine/i-3", pricePerHour: usd(1) });
        if (seen.length === 3) break;
      }
      expect(seen[0]).toBe(5);
      await eventually(() => expect(seen.at(-1)).toBe(6));
    }));
});
