import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EarlyStopper } from "./early-stopper.ts";
import { ProgressEstimator } from "./progress-estimator.ts";

const START = Date.UTC(2026, 0, 1);
const at = (seconds: number) => new Date(START + seconds * 1000).toISOString();

function feed(lines: Array<[seconds: number, text: string, attempt?: number]>): ProgressEstimator {
  const estimator = new ProgressEstimator();
  for (const [seconds, text, attempt = 1] of lines) estimator.addLine({ text, at: at(seconds), attempt });
  return estimator;
}

describe("ProgressEstimator", () => {
  test("nothing is known before something is said", () => {
    expect(feed([[0, "loading"]]).progress(START)).toEqual({});
  });

  test("an even pace gives an exact estimate of high confidence", () => {
    const estimator = feed(Array.from({ length: 11 }, (_, epoch) => [epoch * 10, `epoch ${epoch}/20 loss=${1 / (epoch + 1)}`]));
    expect(estimator.progress(START + 100_000)).toMatchObject({ fraction: 0.5, eta: { ms: 100_000, confidence: "high" } });
    expect(estimator.progress(START + 105_000).eta?.ms).toBe(95_000);
  });

  test("an uneven pace is told as such", () => {
    const times = [0, 1, 20, 21, 60, 61, 62, 100, 101, 150];
    const estimator = feed(times.map((seconds, epoch) => [seconds, `epoch ${epoch}/20 loss=1`]));
    expect(estimator.progress(START + 150_000).eta?.confidence).toBe("low");
    expect(
      feed([
        [0, "epoch 1/20 loss=1"],
        [10, "epoch 2/20 loss=1"],
      ]).progress(START).eta?.confidence,
    ).toBe("low");
  });

  test("four rather even stretches are medium", () => {
    const estimator = feed([0, 10, 21, 30, 42].map((seconds, epoch) => [seconds, `epoch ${epoch}/20 loss=1`]));
    expect(estimator.progress(START + 42_000).eta?.confidence).toBe("medium");
  });

  test("a stall lowers the confidence and never takes the estimate to 0", () => {
    const estimator = feed(Array.from({ length: 11 }, (_, epoch) => [epoch * 10, `epoch ${epoch}/20 loss=1`]));
    const { eta } = estimator.progress(START + 900_000);
    expect(eta?.confidence).toBe("low");
    expect(eta?.ms).toBeGreaterThanOrEqual(90_000);
  });

  test("S-12 an attempt that repeats steps takes the fraction back and keeps the pace", () => {
    const first = Array.from({ length: 11 }, (_, epoch): [number, string, number] => [epoch * 10, `epoch ${epoch}/20 loss=1`, 1]);
    const estimator = feed([...first, [400, "epoch 8/20 loss=1", 2], [410, "epoch 9/20 loss=1", 2]]);
    expect(estimator.progress(START + 410_000)).toMatchObject({ fraction: 0.45, eta: { ms: 110_000, confidence: "high" } });
  });

  test("steps inside epochs make one whole", () => {
    const estimator = feed([
      [0, "Epoch 1/4"],
      [5, "50/100 [===>...] - loss: 0.5"],
      [10, "100/100 [======] - loss: 0.4"],
      [10, "Epoch 2/4"],
      [15, "50/100 [===>...] - loss: 0.3"],
    ]);
    expect(estimator.progress(START + 15_000)).toMatchObject({ fraction: 0.375, step: 50, totalSteps: 100 });
  });

  test("a bar that begins anew without known epochs says nothing about the whole", () => {
    const estimator = feed([
      [0, "10%|# | 10/100"],
      [9, "100%|##| 100/100"],
      [10, "1%| | 1/100"],
    ]);
    expect(estimator.progress(START + 10_000).fraction).toBeUndefined();
  });

  test("the end is the end", () => {
    expect(
      feed([
        [0, "step 0/10"],
        [5, "step 10/10"],
      ]).progress(START + 99_000),
    ).toMatchObject({ fraction: 1, eta: { ms: 0 } });
  });

  test("whatever is printed, fractions stay within 0 and 1 and estimates are whole and not negative", () => {
    const line = fc.tuple(
      fc.integer({ min: 0, max: 1000 }),
      fc.constantFrom("epoch", "step"),
      fc.nat(30),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 3 }),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 40 }), (lines) => {
        const estimator = feed(lines.map(([seconds, word, done, total, attempt]) => [seconds, `${word} ${done}/${total}`, attempt]));
        const { fraction, eta } = estimator.progress(START + 2_000_000);
        if (fraction !== undefined) expect(fraction >= 0 && fraction <= 1).toBe(true);
        if (eta !== undefined) expect(Number.isSafeInteger(eta.ms) && eta.ms >= 0).toBe(true);
      }),
    );
  });
});

describe("EarlyStopper", () => {
  const point = (value: number, step?: number, attempt = 1, name = "val_loss") => ({ name, value, step, at: at(0), attempt });
  const run = (rule: Partial<ConstructorParameters<typeof EarlyStopper>[0]>, points: Array<ReturnType<typeof point>>) => {
    const stopper = new EarlyStopper({ metric: "val_loss", mode: "min", patience: 2, ...rule });
    return points.map((one) => stopper.add(one));
  };

  test.each<[string, Parameters<typeof run>[0], Array<ReturnType<typeof point>>, boolean[]]>([
    ["patience runs out", {}, [point(1), point(2), point(2)], [false, false, true]],
    ["improvement resets it", {}, [point(1), point(2), point(0.5), point(1), point(1)], [false, false, false, false, true]],
    ["max", { mode: "max" }, [point(1), point(2), point(1), point(1)], [false, false, false, true]],
    ["minDelta", { minDelta: 0.1 }, [point(1), point(0.95), point(0.92)], [false, false, true]],
    ["equal is no improvement", { patience: 1 }, [point(1), point(1)], [false, true]],
    ["NaN is no improvement", {}, [point(Number.NaN), point(Number.NaN)], [false, true]],
    ["other metrics do not count", {}, [point(1), point(9, 2, 1, "loss"), point(9, 3, 1, "loss")], [false, false, false]],
    ["letter case does not matter", { metric: "Val_Loss", patience: 1 }, [point(1), point(2)], [false, true]],
    ["it stays", { patience: 1 }, [point(1), point(2), point(0)], [false, true, true]],
    [
      "steps that a restart repeats count once",
      {},
      [point(1, 1), point(2, 2), point(2, 2, 2), point(2, 1, 2), point(2, 3, 2)],
      [false, false, false, false, true],
    ],
    [
      "without steps a restart begins patience anew",
      {},
      [point(1), point(2), point(2, undefined, 2), point(2, undefined, 2)],
      [false, false, false, true],
    ],
  ])("%s", (_name, rule, points, expected) => expect(run(rule, points)).toEqual(expected));
});
