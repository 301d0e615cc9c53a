import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sameGpu } from "./gpu-match.ts";
import { anOffer, aSpec } from "./planner.test-support.ts";
import { type RankHistory, rankOffers } from "./rank-offers.ts";
import { overheadWithCheckpoints, overheadWithoutCheckpoints } from "./spot-cost.ts";

const gpu = (name: string, count = 1) => ({ accelerators: [{ name, count }] });
const spot = { market: "spot" };
const order = (offers: ReturnType<typeof anOffer>[], spec = aSpec(), history: RankHistory = {}) =>
  rankOffers(offers, spec, history)
    .filter((entry) => entry.dropped === undefined)
    .map((entry) => entry.offer.id);
const dropped = (offers: ReturnType<typeof anOffer>[], spec = aSpec(), history: RankHistory = {}) =>
  Object.fromEntries(
    rankOffers(offers, spec, history).flatMap((entry) => (entry.dropped === undefined ? [] : [[entry.offer.id, entry.dropped.id]])),
  );

describe("order", () => {
  test("cheapest first, unknown prices last, free is a price", () => {
    expect(order([anOffer("dear", 3), anOffer("unknown", undefined), anOffer("free", 0), anOffer("cheap", 1)])).toEqual([
      "free",
      "cheap",
      "dear",
      "unknown",
    ]);
  });

  test("the accelerator liked best comes first even when it is dearer", () => {
    const spec = aSpec({
      resources: {
        gpus: [
          { name: "A10G", count: 1 },
          { name: "L4", count: 2 },
        ],
        nodes: 1,
        processesPerNode: 1,
      },
    });
    expect(order([anOffer("l4", 1, gpu("L4", 2)), anOffer("a10", 2, gpu("NVIDIA A10G"))], spec)).toEqual(["a10", "l4"]);
  });

  test("spot-then-on-demand looks at spot first", () => {
    const spec = aSpec({ market: "spot-then-on-demand" });
    expect(order([anOffer("od", 0.1), anOffer("spot", 0.5, spot)], spec)).toEqual(["spot", "od"]);
  });

  test("auto weighs interruptions: spot that is hardly cheaper loses", () => {
    const spec = aSpec({ market: "auto" });
    expect(order([anOffer("od", 1), anOffer("spot", 0.3, spot)], spec)).toEqual(["spot", "od"]);
    expect(order([anOffer("od", 1), anOffer("spot", 0.99, spot)], spec)).toEqual(["od", "spot"]);
    const often = { interruptions: { spot: { meanBetweenMs: 15 * 60_000 } } };
    expect(order([anOffer("od", 1), anOffer("spot", 0.3, spot)], spec, often)).toEqual(["od", "spot"]);
  });

  test("P-17 an offer that was refused often comes after those that were not", () => {
    const ranked = rankOffers([anOffer("a", 1), anOffer("b", 2)], aSpec(), { refusals: { a: 3, b: 2 } });
    expect(ranked.map((entry) => [entry.offer.id, entry.stale])).toEqual([
      ["b", undefined],
      ["a", true],
    ]);
  });

  test("the order never depends on the order of the input", () => {
    const offers = fc.uniqueArray(
      fc.record({
        id: fc.string({ minLength: 1, maxLength: 3 }),
        price: fc.option(fc.double({ min: 0, max: 5, noNaN: true }), { nil: undefined }),
        market: fc.constantFrom("spot", "on-demand"),
      }),
      { selector: (one) => one.id, maxLength: 8 },
    );
    fc.assert(
      fc.property(offers, fc.constantFrom("auto", "spot", "on-demand", "spot-then-on-demand"), (list, market) => {
        const made = list.map((one) => anOffer(one.id, one.price, { market: one.market }));
        const ids = (input: typeof made) => rankOffers(input, aSpec({ market })).map((entry) => entry.offer.id);
        expect(ids(made)).toEqual(ids([...made].reverse()));
        expect(ids(made)).toHaveLength(made.length);
      }),
    );
  });
});

describe("reasons to leave out", () => {
  const small = { gpus: [{ name: "A100", count: 2 }], cpus: 16, memoryBytes: 64e9, nodes: 1, processesPerNode: 1 } as const;
  test.each<[string, Parameters<typeof anOffer>[2], Parameters<typeof aSpec>[0], RankHistory, string]>([
    ["another provider", {}, { providers: ["aws"] }, {}, "provider"],
    ["another type", {}, { instanceTypes: ["t3.micro"] }, {}, "instance-type"],
    ["another region", { region: "a" }, { regions: ["b"] }, {}, "region"],
    ["an unknown region", {}, { regions: ["b"] }, {}, "region"],
    ["another zone", { zone: "a" }, { zones: ["b"] }, {}, "zone"],
    ["spot not wanted", spot, {}, {}, "market"],
    ["only spot wanted", {}, { market: "spot" }, {}, "market"],
    ["auto without checkpoints", spot, { market: "auto", checkpoints: false }, {}, "no-checkpoints"],
    ["too few accelerators", gpu("A100", 1), { resources: { ...small, gpus: [...small.gpus] } }, {}, "gpu"],
    ["too few CPUs", gpu("A100", 2), { resources: { ...small, gpus: [...small.gpus] } }, {}, "cpus"],
    ["too little memory", { ...gpu("A100", 2), cpus: 16 }, { resources: { ...small, gpus: [...small.gpus] } }, {}, "memory"],
    ["too dear", {}, { maxPricePerHour: 0.5 }, {}, "price-limit"],
    ["refused a moment ago", {}, {}, { coolDown: ["x"] }, "cooling-down"],
    [
      "cannot be stopped",
      { can: { stop: false, notice: true, endItself: true } },
      { onEnd: { afterMs: 0, then: "stop" } as never },
      {},
      "no-stop",
    ],
    [
      "no containers",
      {},
      { container: { image: "a" } },
      { abilities: { cloud: { containers: "none", volumes: true, gang: true } } },
      "no-containers",
    ],
    [
      "no volumes",
      {},
      { volumes: [{ id: "v", mount: "/d", readOnly: false, onEnd: "keep" }] },
      { abilities: { cloud: { containers: "none", volumes: false, gang: true } } },
      "no-volumes",
    ],
    [
      "no gang",
      {},
      { resources: { gpus: [], nodes: 2, processesPerNode: 1 } },
      { abilities: { cloud: { containers: "none", volumes: false, gang: false } } },
      "no-gang",
    ],
  ])("%s", (_name, offer, spec, history, id) => expect(dropped([anOffer("x", 1, offer)], aSpec(spec), history)).toEqual({ x: id }));

  test("a limit or a budget keeps unknown prices out, unless allowed", () => {
    const unknown = [anOffer("x", undefined)];
    const budget = { maxCost: 1, warnAt: [], onExceeded: "stop" } as const;
    expect(dropped(unknown, aSpec({ maxPricePerHour: 1 }))).toEqual({ x: "price-unknown" });
    expect(dropped(unknown, aSpec({ budget: { ...budget, warnAt: [] } }))).toEqual({ x: "budget-unpriced" });
    expect(dropped(unknown, aSpec({ budget: { ...budget, warnAt: [] }, allow: ["budget-unpriced"] }))).toEqual({});
  });

  test("what a provider does not tell is not held against its offer", () => {
    const { cpus: _cpus, memoryBytes: _memory, ...bare } = anOffer("x", 1);
    expect(dropped([bare], aSpec({ resources: { gpus: [], cpus: 64, memoryBytes: 1e12, nodes: 1, processesPerNode: 1 } }))).toEqual({});
  });

  test("dropped ones come last, with why not", () => {
    const ranked = rankOffers([anOffer("a", 1, spot), anOffer("b", 2)], aSpec());
    expect(ranked.map((entry) => entry.offer.id)).toEqual(["b", "a"]);
    expect(ranked[1]?.why).toMatch(/Left out: it is spot/);
  });
});

describe("expected cost", () => {
  test("is price × work × nodes on demand, and more on spot", () => {
    const [od] = rankOffers(
      [anOffer("a", 2)],
      aSpec({ maxDurationMs: 3 * 3_600_000, resources: { gpus: [], nodes: 2, processesPerNode: 1 } }),
    );
    expect(od?.expectedCost).toEqual({ amount: 12, currency: "USD" });
    const [cheap] = rankOffers([anOffer("a", 2, spot)], aSpec({ market: "spot", maxDurationMs: 3 * 3_600_000 }));
    expect(cheap?.expectedCost?.amount).toBeGreaterThan(6);
    expect(cheap?.expectedCost?.amount).toBeLessThan(7);
  });

  test("is absent, not 0, where duration or price is unknown", () => {
    expect(rankOffers([anOffer("a", 2)], aSpec())[0]).not.toHaveProperty("expectedCost");
    expect(rankOffers([anOffer("a", undefined)], aSpec({ maxDurationMs: 1 }))[0]).not.toHaveProperty("expectedCost");
  });

  test("the overhead grows with interruptions, and saving nothing is never better for long work", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 60_000, max: 1e9 }),
        fc.integer({ min: 0, max: 3_600_000 }),
        fc.integer({ min: 0, max: 600_000 }),
        (meanBetweenMs, restartMs, saveMs) => {
          const model = { meanBetweenMs, restartMs, saveMs };
          const rare = { ...model, meanBetweenMs: meanBetweenMs * 2 };
          expect(overheadWithCheckpoints(model)).toBeGreaterThanOrEqual(overheadWithCheckpoints(rare));
          expect(overheadWithCheckpoints(model)).toBeGreaterThanOrEqual(1);
          expect(overheadWithoutCheckpoints(10 * meanBetweenMs, model)).toBeGreaterThan(overheadWithoutCheckpoints(meanBetweenMs, model));
        },
      ),
    );
    expect(overheadWithCheckpoints({ meanBetweenMs: Number.POSITIVE_INFINITY, restartMs: 1, saveMs: 1 })).toBe(1);
    expect(overheadWithCheckpoints({ meanBetweenMs: 60_000, restartMs: 60_000, saveMs: 0 })).toBe(Number.POSITIVE_INFINITY);
  });
});

test.each([
  ["A100", "NVIDIA A100-SXM4-80GB", true],
  ["A100 80GB", "A100-SXM4-80GB", true],
  ["A10", "A10G", false],
  ["A10G", "NVIDIA A10G", true],
  ["RTX 4080", "NVIDIA GeForce RTX 4080 SUPER", false],
  ["rtx4080super", "RTX 4080 SUPER", true],
  ["RTX 4080 SUPER", "NVIDIA GeForce RTX 4080 SUPER", true],
  ["V100", "Tesla V100", true],
  ["nvidia", "NVIDIA A10G", false],
])("accelerator %s is %s: %s", (wish, offered, same) => expect(sameGpu(wish, offered)).toBe(same));
