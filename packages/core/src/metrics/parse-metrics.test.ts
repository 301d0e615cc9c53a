import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MetricReader } from "./metric-reader.ts";
import { parseMetrics } from "./parse-metrics.ts";

const values = (line: string) => Object.fromEntries(parseMetrics(line).metrics.map((metric) => [metric.name, metric.value]));

describe("usual forms", () => {
  test.each<[string, Record<string, number>]>([
    ["loss=0.12 acc: 0.93", { loss: 0.12, acc: 0.93 }],
    ["Epoch 3/20 - loss: 0.25 - val_loss: 1e-3", { loss: 0.25, val_loss: 0.001 }],
    ["epoch=3 train loss: .5, validation loss=2.", { train_loss: 0.5, val_loss: 2 }],
    ["{'loss': 0.52, 'learning_rate': 4e-05, 'epoch': 1.0}", { loss: 0.52, learning_rate: 4e-5 }],
    ['{"step": 5, "loss": 0.1, "eval": {"acc": 0.9}, "name": "x"}', { loss: 0.1, "eval.acc": 0.9 }],
    ['[PROGRESS] {"step": 3, "total": 20, "loss": 1.5}', { loss: 1.5 }],
    ["Epoch 3: 100%|███| 20/20 [00:01<00:00, 15.2it/s, loss=0.12, v_num=0]", { loss: 0.12, v_num: 0 }],
    ["loss=nan grad=-inf", { loss: Number.NaN, grad: Number.NEGATIVE_INFINITY }],
    ["\u001b[32mloss: 0.5\u001b[0m", { loss: 0.5 }],
    ["acc: 93%", { acc: 93 }],
    ["  1%| | 1/100 loss=9\r  2%| | 2/100 loss=8", { loss: 8 }],
    ["loss = 0.5", { loss: 0.5 }],
  ])("%j", (line, expected) => expect(values(line)).toEqual(expected));

  test.each([
    "2026-11-22 10:12:30 INFO starting",
    "ETA: 10:12",
    "see https://example.org:8080/x",
    "version=1.2.3",
    "epoch 3/20",
    "loading data",
    "date=2026-11-22",
    "",
    "{}",
    "{broken",
  ])("%j has no metrics", (line) => expect(values(line)).toEqual({}));

  test.each([
    ["Epoch 3/20", { epoch: { done: 2, total: 20 } }],
    ["Epoch 3/20 loss=0.1", { epoch: { done: 3, total: 20 } }],
    ["epoch [3/20], step [40/100]", { epoch: { done: 2, total: 20 }, steps: { done: 40, total: 100 } }],
    ["step 40 of 100", { steps: { done: 40, total: 100 } }],
    [" 40%|████      | 40/100 [00:12<00:18, 3.3it/s]", { steps: { done: 40, total: 100 } }],
    ["40/100 [=====>....] - loss: 0.5", { steps: { done: 40, total: 100 } }],
    ['[PROGRESS] {"step": 3, "total": 20}', { steps: { done: 3, total: 20 } }],
    ['[PROGRESS] {"epoch": 3, "epochs": 20}', { epoch: { done: 3, total: 20 } }],
    ['[PROGRESS] {"fraction": 0.4}', { fraction: 0.4 }],
    ['{"percent": 40}', { fraction: 0.4 }],
    ["step=40 total_steps=100", { steps: { done: 40, total: 100 } }],
  ])("%j tells progress", (line, expected) => expect(parseMetrics(line).progress).toEqual(expected));

  test.each(["Epoch 3: 40%|███  | 8/20 [00:01<00:02]", "on 2026/11/22", "step 120/100", "epoch 1/0", "1/2/3"])("%j tells none", (line) =>
    expect(parseMetrics(line).progress).toBeUndefined(),
  );

  test("steps of a line belong to its metrics", () => {
    expect(parseMetrics("step=40 loss=0.5").metrics).toEqual([{ name: "loss", value: 0.5, step: 40 }]);
    expect(parseMetrics("Epoch 3/20 loss=0.5").metrics).toEqual([{ name: "loss", value: 0.5, step: 3 }]);
    expect(parseMetrics("epoch: 3 step: 70 loss=0.5").metrics).toEqual([{ name: "loss", value: 0.5, step: 70 }]);
  });
});

describe("patterns", () => {
  test("a pattern's group is the value, and its name wins over the usual forms", () => {
    const patterns = [
      { name: "loss", pattern: "total loss is ([0-9.]+)" },
      { pattern: "(?<name>f1|auc) (?<value>[0-9.]+) @(?<step>\\d+)" },
      { file: "m.jsonl" },
    ];
    expect(parseMetrics("total loss is 0.5 loss=9 f1 0.7 @12 auc 0.8 @13", patterns).metrics).toEqual([
      { name: "loss", value: 0.5 },
      { name: "f1", value: 0.7, step: 12 },
      { name: "auc", value: 0.8, step: 13 },
    ]);
  });

  test("what is no number is left out", () => {
    expect(parseMetrics("loss is many", [{ name: "loss", pattern: "loss is (\\w+)" }]).metrics).toEqual([]);
    expect(parseMetrics("x", [{ name: "loss", pattern: "x(y)?" }]).metrics).toEqual([]);
  });

  test("points carry time and attempt", () => {
    const reader = new MetricReader([]);
    expect(reader.read({ text: "loss=1", at: "2026-01-01T00:00:00.000Z", attempt: 2 })).toEqual([
      { name: "loss", value: 1, at: "2026-01-01T00:00:00.000Z", attempt: 2 },
    ]);
  });
});

describe("hostile lines", () => {
  test("a line of 100 MB without a newline costs next to nothing", () => {
    for (const piece of ["a", "a=", "=1 ", "epoch ", '{"a":1,', "[[[[", "1/1/", "%|", "\r", "\u001b[", " "]) {
      const line = piece.repeat(Math.ceil((piece.startsWith("a") ? 100_000_000 : 5_000_000) / piece.length));
      const before = process.cpuUsage();
      parseMetrics(line);
      const { user, system } = process.cpuUsage(before);
      // Generous for a loaded machine: quadratic work on 8 KiB alone would be hundreds of times more.
      expect((user + system) / 1000, piece).toBeLessThan(500);
    }
  });

  test("binary junk and any text give finite lists of metrics with names", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: "binary", maxLength: 500 }), fc.constantFrom(randomBytes(9000).toString("latin1"))),
        (text) => {
          for (const metric of parseMetrics(text).metrics) {
            expect(metric.name.length).toBeGreaterThan(0);
            expect(typeof metric.value).toBe("number");
          }
        },
      ),
    );
  });

  test("pairs written in any usual way are read back", () => {
    const name = fc
      .stringMatching(/^[a-z][a-z_]{2,20}$/)
      .filter(
        (text) =>
          !/^(step|epoch|iter|iteration|total|fraction|progress|percent|percentage|epochs|batch|nan|inf)/.test(text) &&
          !/^(max|num|total|global)_/.test(text),
      );
    const value = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }).map((number) => Number(number.toPrecision(6)));
    fc.assert(
      fc.property(name, value, fc.constantFrom("=", ": ", " = ", ":"), (key, number, sign) => {
        expect(values(`${key}${sign}${number}`)).toEqual({ [key]: number });
      }),
    );
  });
});
