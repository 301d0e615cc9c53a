import { describe, expect, test } from "vitest";
import { ThrottledError, ValidationError } from "../errors/kinds.ts";
import type { Offer } from "../provider/offer.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import { ProviderRegistry } from "../registry/provider-registry.ts";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";
import { systemClock } from "../util/clock.ts";
import { buildPlan, type PlanDeps } from "./build-plan.ts";
import { anOffer, aProvider, aSpec } from "./planner.test-support.ts";
import { refusalToError } from "./refusal-error.ts";

const NOW = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;
const clock = { ...systemClock, now: () => NOW };
const spot = { market: "spot" };
const budget = (maxCost: number) => ({ maxCost, warnAt: [0.5, 0.8], onExceeded: "stop" as const });

const plan = (
  spec: Partial<ResolvedSpec>,
  offers: Offer[] | (() => Promise<Offer[]>) = [anOffer("a", 1)],
  deps: Partial<PlanDeps> = {},
  provider: Partial<TrainingProvider> = {},
) =>
  buildPlan(
    {
      providers: new ProviderRegistry([aProvider("cloud", typeof offers === "function" ? offers : async () => offers, provider)]),
      clock,
      ...deps,
    },
    aSpec(spec),
  );
const ids = (notices: Array<{ id: string }>) => notices.map((notice) => notice.id);

describe("refusals", () => {
  const busy = (state: "running" | "ended" = "running") => ({
    machine: async () => ({
      machine: { ref: { provider: "cloud", kind: "machine", id: "m" }, name: "m", state, tags: {} },
      busyWith: "r7",
    }),
  });
  test.each<[string, () => ReturnType<typeof plan>, string, string]>([
    ["a deadline that passed", () => plan({ deadline: new Date(NOW - 5000).toISOString() }), "deadline-passed", "RUNCTL_VALIDATION"],
    ["no offers at all", () => plan({}, []), "no-offer", "RUNCTL_NO_CAPACITY"],
    ["no offer that fits", () => plan({ regions: ["x"] }), "no-offer", "RUNCTL_NO_CAPACITY"],
    ["S-07 a machine that trains", () => plan({ machine: "m" }, [], busy()), "machine-busy", "RUNCTL_CONFLICT"],
    [
      "a machine that is gone",
      () => plan({ machine: "m" }, [], { machine: async () => undefined }),
      "machine-not-found",
      "RUNCTL_NOT_FOUND",
    ],
    ["a machine that has ended", () => plan({ machine: "m" }, [], busy("ended")), "machine-not-found", "RUNCTL_NOT_FOUND"],
    ["a budget that buys nothing", () => plan({ budget: budget(0.01) }), "budget-too-small", "RUNCTL_BUDGET_EXCEEDED"],
    [
      "a budget over unknown prices",
      () => plan({ budget: budget(10) }, [anOffer("a", undefined)]),
      "budget-unpriced",
      "RUNCTL_BUDGET_EXCEEDED",
    ],
    [
      "P-33 spot that costs more",
      () => plan({ market: "spot", checkpoints: false, maxDurationMs: 48 * HOUR }, [anOffer("od", 1), anOffer("s", 0.5, spot)]),
      "spot-costs-more",
      "RUNCTL_CONFIGURATION",
    ],
    ["containers nowhere", () => plan({ container: { image: "x" } }), "unsupported-capability", "RUNCTL_UNSUPPORTED_CAPABILITY"],
    [
      "volumes nowhere",
      () => plan({ volumes: [{ id: "v", mount: "/d", readOnly: false, onEnd: "keep" }] }),
      "unsupported-capability",
      "RUNCTL_UNSUPPORTED_CAPABILITY",
    ],
    [
      "gang nowhere",
      () => plan({ resources: { gpus: [], nodes: 2, processesPerNode: 1 } }),
      "unsupported-capability",
      "RUNCTL_UNSUPPORTED_CAPABILITY",
    ],
    [
      "stop nowhere",
      () => plan({ onEnd: "stop" }, [anOffer("a", 1, { can: { stop: false, notice: false, endItself: true } })]),
      "unsupported-capability",
      "RUNCTL_UNSUPPORTED_CAPABILITY",
    ],
    ["an unknown provider", () => plan({ providers: ["aws"] }), "unknown-provider", "RUNCTL_NOT_FOUND"],
    [
      "the only provider fails",
      () => plan({}, () => Promise.reject(new ThrottledError({ what: "slow down" }))),
      "offers-throttled",
      "RUNCTL_THROTTLED",
    ],
    [
      "options that the provider refuses",
      () =>
        plan(
          { providerOptions: { cloud: { amii: "x" } } },
          [anOffer("a", 1)],
          {},
          {
            validateOptions: () => {
              throw new ValidationError({ what: "Unknown option amii.", fix: ["ami?"] });
            },
          },
        ),
      "provider-options",
      "RUNCTL_VALIDATION",
    ],
  ])("%s", async (_name, make, id, code) => {
    const { refusals } = await make();
    expect(ids(refusals)).toEqual([id]);
    const error = refusalToError(refusals[0] as never);
    expect(error).toMatchObject({ code, what: refusals[0]?.what, context: { refusal: id } });
    expect(error.fix.length).toBeGreaterThan(0);
  });

  test("P-33 the refusal names its override, which turns it into a warning", async () => {
    const spec = { market: "spot", checkpoints: false, maxDurationMs: 48 * HOUR } as const;
    const offers = [anOffer("od", 1), anOffer("s", 0.5, spot)];
    expect((await plan(spec, offers)).refusals[0]?.fix.at(-1)).toContain('allow: ["spot-costs-more"]');
    const allowed = await plan({ ...spec, allow: ["spot-costs-more"] }, offers);
    expect(allowed.refusals).toEqual([]);
    expect(ids(allowed.warnings)).toContain("spot-costs-more");
  });

  test("P-33 short work, or spot that is far cheaper, goes on", async () => {
    expect(
      (await plan({ market: "spot", checkpoints: false, maxDurationMs: HOUR }, [anOffer("od", 1), anOffer("s", 0.3, spot)])).refusals,
    ).toEqual([]);
    expect((await plan({ market: "spot", maxDurationMs: 48 * HOUR }, [anOffer("od", 1), anOffer("s", 0.5, spot)])).refusals).toEqual([]);
  });

  test("a passed deadline cannot be allowed away", async () => {
    expect(ids((await plan({ deadline: new Date(NOW).toISOString(), allow: ["deadline-passed"] })).refusals)).toEqual(["deadline-passed"]);
  });

  test("a shared machine is not refused", async () => {
    expect((await plan({ machine: "m", share: true }, [], busy())).refusals).toEqual([]);
  });

  test("a small budget on this computer is a real one", async () => {
    const here = { capabilities: { ...aProvider("x", async () => []).capabilities, sharedHost: true } };
    expect((await plan({ budget: budget(0.01) }, [anOffer("a", 1)], {}, here)).refusals).toEqual([]);
  });
});

describe("what it shows", () => {
  test("P-18 a provider that fails is a warning while another one has offers", async () => {
    const providers = new ProviderRegistry([
      aProvider("cloud", async () => [anOffer("a", 1)]),
      aProvider("down", () => Promise.reject(new Error("503"))),
    ]);
    const made = await buildPlan({ providers, clock }, aSpec());
    expect(made.refusals).toEqual([]);
    expect(made.warnings).toContainEqual(expect.objectContaining({ id: "partial-offers", what: expect.stringContaining("down") }));
  });

  test("an unknown duration is unknown, never 0", async () => {
    const { estimate } = await plan({});
    expect(estimate.cost).toEqual({});
    expect(estimate).not.toHaveProperty("duration");
    expect(estimate.assumptions.join(" ")).toMatch(/How long it takes is unknown/);
  });

  test("limits bound the cost, history tells what to expect, and free is free", async () => {
    const limited = await plan({ maxDurationMs: 2 * HOUR }, [anOffer("a", 3)], { history: async () => ({ workMs: HOUR }) });
    expect(limited.estimate).toMatchObject({
      duration: { expected: HOUR, high: 2 * HOUR },
      cost: { expected: { amount: 3 }, high: { amount: 6 } },
    });
    const bounded = await plan({ budget: budget(2), maxDurationMs: 4 * HOUR });
    expect(bounded.estimate.cost.high).toEqual({ amount: 2, currency: "USD" });
    expect((await plan({}, [anOffer("a", 0)])).estimate.cost.expected).toEqual({ amount: 0, currency: "USD" });
    expect((await plan({}, [anOffer("a", undefined)])).estimate.cost).toEqual({});
  });

  test.each<[string, Partial<ResolvedSpec>, number]>([
    ["nothing but the guardian's week", {}, 7 * 24 * HOUR],
    ["maxDuration", { maxDurationMs: HOUR }, HOUR],
    ["deadline and its last upload", { deadline: new Date(NOW + HOUR).toISOString() }, HOUR + 30_000],
    ["budget", { budget: budget(6) }, 2 * HOUR],
    ["the least of them", { budget: budget(6), maxDurationMs: HOUR / 2 }, HOUR / 2],
  ])("the guard's limit is %s, and exposure is price × limit", async (_name, spec, hardLimitMs) => {
    const { guard } = await plan(spec, [anOffer("a", 2, { maxPricePerHour: { amount: 3, currency: "USD" } })]);
    expect(guard).toMatchObject({ kind: "os-poweroff", hardLimitMs, pricePerHour: { amount: 3 } });
    expect(guard.exposure?.amount).toBeCloseTo((3 * hardLimitMs) / HOUR, 5);
    expect(guard.statement).toMatch(/powers itself off/);
  });

  test("warnings", async () => {
    const spotPlan = await plan({ market: "spot", checkpoints: false }, [anOffer("s", 0.5, spot)], {
      files: async () => ({ count: 3, bytes: 2e9, changed: 1 }),
    });
    expect(ids(spotPlan.warnings)).toEqual(["unattended", "spot-without-checkpoints", "no-limit", "large-upload"]);
    const naked = await plan(
      { maxDurationMs: HOUR },
      [anOffer("a", 1)],
      {},
      { capabilities: { ...aProvider("x", async () => []).capabilities, guard: "none" } },
    );
    expect(ids(naked.warnings)).toEqual(["no-guard"]);
    expect((await plan({ maxDurationMs: HOUR })).warnings).toEqual([]);
  });

  test("steps stand in order, with sizes", async () => {
    const made = await plan({ inputs: [{ from: "s3://b/x", to: "data" }], outputs: [{ from: "o", to: "/o", when: "always" }] }, undefined, {
      files: async () => ({ count: 3, bytes: 50, changed: 1 }),
    });
    expect(made.steps.map((step) => step.do)).toEqual([
      "upload",
      "create",
      "guard",
      "stage",
      "input",
      "dependencies",
      "train",
      "publish",
      "collect",
      "collect",
      "end",
    ]);
    expect(made.steps[0]?.sizeBytes).toBe(50);
    expect(made.files).toEqual({ count: 3, bytes: 50, changed: 1 });
  });

  test("a plan is JSON", async () => {
    const made = await plan({ market: "auto" }, [anOffer("a", 1), anOffer("b", undefined), anOffer("c", 2, spot)]);
    expect(JSON.parse(JSON.stringify(made))).toEqual(made);
  });
});
