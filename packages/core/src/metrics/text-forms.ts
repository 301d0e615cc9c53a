import { fromNumbers } from "./json-form.ts";
import type { LineProgress, ParsedLine } from "./metric-types.ts";

// Every repetition is bounded and no two neighbours match the same letters: time is linear in the line.
const NUMBER = String.raw`[-+]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][-+]?\d{1,4})?|[-+]?(?:nan|inf(?:inity)?)`;
const PAIR = new RegExp(
  String.raw`(?<![\w./:@-])(?:(val|valid|validation|test|eval|train|training)[ ])?["']?([A-Za-z_][\w./@-]{0,63})["']?[ ]{0,3}[=:][ ]{0,3}(${NUMBER})%?(?![\w:/]|[.-]\d)`,
  "gi",
);
const COUNTED =
  /(?<![\w.])(epochs?|steps?|iter(?:ation)?s?|batch(?:es)?)[ ]{0,3}[:=#]?[ ]{0,3}[[(]?[ ]{0,3}(\d{1,12})[ ]{0,3}(?:\/|of)[ ]{0,3}(\d{1,12})/gi;
const BAR = /(\d{1,3})%\|[^|]{0,300}\|[ ]{0,12}(\d{1,12})\/(\d{1,12})/;
const EPOCH_HEAD = /^\s{0,20}epoch\s{1,3}\d{1,9}:/i;
const BARE = /^\s{0,20}\[?(\d{1,12})\/(\d{1,12})\]?(?=[\s:[|-]|$)/;
const MAX_PAIRS = 256;

const SET_NAMES: Readonly<Record<string, string>> = { valid: "val", validation: "val", training: "train" };

/** "epoch 3/20", progress bars and "loss=0.12 acc: 0.93": the forms that people and frameworks print. */
export function parseTextForms(line: string): ParsedLine {
  const numbers = new Map<string, number>();
  for (const match of line.matchAll(PAIR)) {
    const [, set, key, text] = match;
    if (key === undefined || text === undefined) continue;
    const prefix = set?.toLowerCase();
    numbers.set(prefix === undefined ? key : `${SET_NAMES[prefix] ?? prefix}_${key}`, toNumber(text));
    if (numbers.size >= MAX_PAIRS) break;
  }
  const fromPairs = fromNumbers(numbers);
  const counted = countedProgress(line, fromPairs.metrics.length > 0);
  const progress: LineProgress = { ...fromPairs.progress, ...counted.progress };
  const step = counted.step;
  const metrics = step === undefined ? fromPairs.metrics : fromPairs.metrics.map((metric) => ({ ...metric, step: metric.step ?? step }));
  return Object.keys(progress).length === 0 ? { metrics } : { metrics, progress };
}

function countedProgress(line: string, hasMetrics: boolean): { progress: LineProgress; step?: number | undefined } {
  const progress: LineProgress = {};
  let step: number | undefined;
  for (const [, word, doneText, totalText] of line.matchAll(COUNTED)) {
    const [done, total] = [Number(doneText), Number(totalText)];
    if (total === 0 || done > total) continue;
    const isEpoch = word?.toLowerCase().startsWith("epoch") === true;
    step = isEpoch ? (step ?? done) : done;
    // A line with results is printed when its epoch is over, one without when it begins.
    if (isEpoch) progress.epoch = { done: hasMetrics ? done : Math.max(0, done - 1), total };
    else progress.steps = { done, total };
  }
  const bar = BAR.exec(line) ?? undefined;
  const inner = bar === undefined ? (BARE.exec(line) ?? undefined)?.slice(1) : bar.slice(2);
  if (inner !== undefined && progress.steps === undefined) {
    const [done, total] = [Number(inner[0]), Number(inner[1])];
    // Lightning's "Epoch 3: 40%|…| 8/20" says nothing about the whole when the number of epochs is unknown.
    if (total > 0 && done <= total && !(EPOCH_HEAD.test(line) && progress.epoch === undefined)) {
      progress.steps = { done, total };
      if (progress.epoch !== undefined && hasMetrics && bar !== undefined)
        progress.epoch = { ...progress.epoch, done: Math.max(0, progress.epoch.done - 1) };
    }
  }
  return step === undefined ? { progress } : { progress, step };
}

function toNumber(text: string): number {
  const lower = text.toLowerCase();
  if (lower.endsWith("nan")) return Number.NaN;
  if (lower.includes("inf")) return lower.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return Number(text);
}
