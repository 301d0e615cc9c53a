import fc from "fast-check";
import type { FuzzAction, FuzzDeed, FuzzMarket, FuzzProgram, FuzzSpec } from "./program.ts";

const VARIANTS = ["never", "applied", "late"] as const;

/** Prices in tenths of a cent, so that a shrunk one is readable. */
function price(min: number, max: number): fc.Arbitrary<number> {
  return fc.integer({ min: Math.round(min * 1000), max: Math.round(max * 1000) }).map((mills) => mills / 1000);
}

/** Steps in time, the first at 0, later ones in order and apart. */
function steps<T>(value: fc.Arbitrary<T>, most: number): fc.Arbitrary<Array<[number, T]>> {
  const later = fc.array(fc.tuple(fc.integer({ min: 60, max: 14_400 }), value), { maxLength: most - 1 });
  return fc.tuple(value, later).map(([first, rest]) => {
    const all: Array<[number, T]> = [[0, first]];
    for (const [gap, next] of rest) all.push([(all.at(-1)?.[0] ?? 0) + gap, next]);
    return all;
  });
}

/** Mostly null; shrinks to it. */
function rarely<T>(arbitrary: fc.Arbitrary<T>, oneIn: number): fc.Arbitrary<T | null> {
  return fc.oneof({ withCrossShrink: true }, { weight: oneIn - 1, arbitrary: fc.constant(null) }, { weight: 1, arbitrary });
}

/** Any market: prices never above the on-demand price, capacity that comes and goes. */
export function fuzzMarket(): fc.Arbitrary<FuzzMarket> {
  return price(0.1, 5).chain((onDemandPrice) =>
    fc.record({
      providerClass: fc.constantFrom("A" as const, "B" as const, "C" as const),
      lagSeconds: fc.constantFrom(0, 5, 30, 60),
      onDemandPrice: fc.constant(onDemandPrice),
      spotPrices: steps(price(onDemandPrice / 10, onDemandPrice), 4),
      spotCapacity: steps(fc.constantFrom(3, 1, 0), 5),
      noticeSeconds: fc.constantFrom(120, 30, 5, 0),
    }),
  );
}

/** Any training that is over in hours at most. */
export function fuzzSpec(): fc.Arbitrary<FuzzSpec> {
  return fc.record({
    market: fc.constantFrom("on-demand" as const, "spot" as const, "spot-then-on-demand" as const),
    checkpoints: fc.boolean().map((without) => !without),
    steps: fc.integer({ min: 1, max: 200 }),
    stepSeconds: fc.constantFrom(6, 1, 60),
    saveEverySteps: fc.constantFrom(10, 1, 50, 0),
    saveSeconds: fc.constantFrom(2, 0, 20),
    uploadSeconds: fc.constantFrom(3, 0, 60),
    setupSeconds: fc.constantFrom(10, 0, 300),
    failAtStep: rarely(fc.integer({ min: 1, max: 100 }), 5),
    onSignal: fc.constantFrom("save" as const, "exit" as const, "ignore" as const),
    failures: fc.integer({ min: 0, max: 2 }),
    interruptions: fc.constantFrom(null, 0, 1, 5),
    budgetUsd: rarely(price(0.5, 20), 3),
    deadlineMinutes: rarely(fc.integer({ min: 20, max: 600 }), 3),
    maxDurationMinutes: rarely(fc.integer({ min: 5, max: 300 }), 3),
    onEnd: fc.constantFrom("terminate" as const, "stop" as const),
  });
}

/** Any deed of a user, an administrator or fate. */
export function fuzzDeed(): fc.Arbitrary<FuzzDeed> {
  const plain = fc
    .constantFrom(
      "attach" as const,
      "reconcile" as const,
      "stop" as const,
      "cancel" as const,
      "resume" as const,
      "close" as const,
      "machine-stop" as const,
      "machine-start" as const,
      "reclaim" as const,
    )
    .map((deed): FuzzDeed => ({ do: deed }));
  const kill = fc.constantFrom(...VARIANTS).map((variant): FuzzDeed => ({ do: "kill", variant }));
  const freeze = fc.constantFrom(5, 20, 60, 3_600).map((seconds): FuzzDeed => ({ do: "freeze", seconds }));
  const jump = fc.constantFrom(-3_600, -30, 30, 3_600).map((seconds): FuzzDeed => ({ do: "clock-jump", seconds }));
  const fault = fc
    .record({
      op: fc.constantFrom("create" as const, "find" as const, "terminate" as const, "offers" as const, "connect" as const, "host" as const),
      kind: fc.constantFrom(
        "lost" as const,
        "reply-lost" as const,
        "throttle" as const,
        "down" as const,
        "error-after-effect" as const,
        "lie" as const,
        "incomplete" as const,
        "twice" as const,
        "late" as const,
        "applied-late" as const,
      ),
      times: fc.integer({ min: 1, max: 3 }),
    })
    .map((fault): FuzzDeed => ({ do: "fault", ...fault }));
  const cut = fc
    .record({ between: fc.constantFrom("client-cloud" as const, "client-host" as const), seconds: fc.constantFrom(30, 600, 3_600) })
    .map((cut): FuzzDeed => ({ do: "cut", ...cut }));
  return fc.oneof({ weight: 9, arbitrary: plain }, { weight: 3, arbitrary: kill }, freeze, jump, { weight: 4, arbitrary: fault }, cut);
}

/** A whole program. Shrinks towards no actions, no faults, a plain market and a short training. */
export function fuzzProgram(options: { maxActions?: number | undefined } = {}): fc.Arbitrary<FuzzProgram> {
  const afterSeconds = fc.oneof(fc.constantFrom(0, 1, 5), fc.integer({ min: 0, max: 120 }), fc.integer({ min: 0, max: 3_600 }));
  const action = fc.tuple(fuzzDeed(), afterSeconds).map(([deed, after]): FuzzAction => ({ ...deed, afterSeconds: after }));
  return fc.record({
    seed: fc.nat({ max: 1_000_000 }),
    market: fuzzMarket(),
    spec: fuzzSpec(),
    abortAtCall: rarely(fc.integer({ min: 1, max: 40 }), 8),
    killAtCall: rarely(fc.record({ at: fc.integer({ min: 1, max: 60 }), variant: fc.constantFrom(...VARIANTS) }), 4),
    actions: fc.array(action, { maxLength: options.maxActions ?? 8 }),
  });
}
