import type { LineProgress, ParsedLine } from "./metric-types.ts";

const STEP_KEYS = ["global_step", "step", "iteration", "iter"];
const STEP_TOTAL_KEYS = ["total_steps", "max_steps", "num_steps", "total", "total_iterations"];
const EPOCH_KEYS = ["epoch"];
const EPOCH_TOTAL_KEYS = ["total_epochs", "epochs", "num_epochs", "max_epochs"];
const FRACTION_KEYS = ["fraction", "progress"];
const PERCENT_KEYS = ["percent", "percentage"];
const PLACE_KEYS = new Set([...STEP_KEYS, ...STEP_TOTAL_KEYS, ...EPOCH_KEYS, ...EPOCH_TOTAL_KEYS, ...FRACTION_KEYS, ...PERCENT_KEYS]);
const MAX_METRICS = 256;

/** Numbers by name, as JSON or key=value pairs gave them, as metrics and progress. */
export function fromNumbers(numbers: ReadonlyMap<string, number>): ParsedLine {
  const pick = (keys: readonly string[]): number | undefined =>
    keys.map((key) => numbers.get(key)).find((value) => value !== undefined && Number.isFinite(value));
  const epoch = pick(EPOCH_KEYS);
  const step = pick(STEP_KEYS) ?? epoch;
  const metrics = [...numbers]
    .filter(([name]) => !PLACE_KEYS.has(name))
    .slice(0, MAX_METRICS)
    .map(([name, value]) => ({ name, value, ...(step === undefined ? {} : { step }) }));
  const progress: LineProgress = {};
  const epochs = pick(EPOCH_TOTAL_KEYS);
  const total = pick(STEP_TOTAL_KEYS);
  const stepOnly = pick(STEP_KEYS);
  if (epoch !== undefined && epochs !== undefined && epochs > 0) progress.epoch = { done: clamp(epoch, epochs), total: epochs };
  if (stepOnly !== undefined && total !== undefined && total > 0) progress.steps = { done: clamp(stepOnly, total), total };
  else if (epoch !== undefined && epochs === undefined && total !== undefined && total > 0)
    progress.epoch = { done: clamp(epoch, total), total };
  const fraction = pick(FRACTION_KEYS);
  const percent = pick(PERCENT_KEYS);
  if (fraction !== undefined && fraction >= 0 && fraction <= 1) progress.fraction = fraction;
  else if (percent !== undefined && percent >= 0 && percent <= 100) progress.fraction = percent / 100;
  return Object.keys(progress).length === 0 ? { metrics } : { metrics, progress };
}

/** A line of JSON, or one behind "[PROGRESS]". undefined when it is neither. */
export function parseJsonForm(line: string): ParsedLine | undefined {
  const start = line.indexOf("{");
  const before = start < 0 ? "" : line.slice(0, start).trim();
  if (start < 0 || (before !== "" && before !== "[PROGRESS]" && before !== "[METRICS]") || !line.trimEnd().endsWith("}")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line.slice(start));
  } catch {
    // Python dicts, as the Hugging Face Trainer prints them, look like JSON and are read as pairs.
    return undefined;
  }
  const numbers = new Map<string, number>();
  collect(value, "", numbers, 0);
  return fromNumbers(numbers);
}

function collect(value: unknown, prefix: string, numbers: Map<string, number>, depth: number): void {
  if (typeof value !== "object" || value === null || Array.isArray(value) || depth > 2) return;
  for (const [key, item] of Object.entries(value)) {
    const name = prefix === "" ? key : `${prefix}.${key}`;
    if (name.length > 128) continue;
    if (typeof item === "number") numbers.set(name, item);
    else collect(item, name, numbers, depth + 1);
  }
}

function clamp(value: number, total: number): number {
  return Math.min(Math.max(0, value), total);
}
