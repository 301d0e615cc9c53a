import type { Cost } from "../cost/cost.ts";
import { MetricReader } from "../metrics/metric-reader.ts";
import type { MetricPoint, Progress } from "../metrics/metric-types.ts";
import { ProgressEstimator } from "../metrics/progress-estimator.ts";
import type { Money } from "../provider/money.ts";
import type { Engine } from "./engine.ts";
import { readLogs } from "./log-reader.ts";
import { readMetricLines } from "./metric-lines.ts";
import { spentUsd } from "./spent.ts";
import { costOfRun } from "./summary.ts";

/** The numbers that a run printed, as its patterns or the built-in ones read them. */
export async function* collectMetrics(
  engine: Engine,
  runId: string,
  options: { follow: boolean; signal?: AbortSignal | undefined },
): AsyncGenerator<MetricPoint> {
  const view = engine.view(runId);
  const reader = new MetricReader((await view.refresh()).spec.metrics);
  for await (const line of readMetricLines(engine.context, view, options)) yield* reader.read(line);
}

/** How far a run is, by what it printed so far. */
export async function progressOf(engine: Engine, runId: string): Promise<Progress & { cost: Cost; projectedCost?: Money | undefined }> {
  const view = engine.view(runId);
  const state = await view.refresh();
  const { clock } = engine.context;
  const tracker = engine.progressTracker(runId, () => new ProgressTracker(new MetricReader(state.spec.metrics)));
  await tracker.catchUp(engine, runId);
  const progress = tracker.estimator.progress(clock.now());
  const cost = costOfRun(state, clock.now());
  const { perHour } = spentUsd(state, clock.now());
  const left = progress.eta?.ms;
  const projected =
    left === undefined || cost.total === undefined
      ? undefined
      : { amount: cost.total.amount + (left / 3_600_000) * perHour, currency: cost.total.currency };
  return { ...progress, cost, ...(projected === undefined ? {} : { projectedCost: projected }) };
}

/** Reads on from where it stopped, so that asking often costs little. */
export class ProgressTracker {
  readonly estimator = new ProgressEstimator();
  readonly #reader: MetricReader;
  #after: string | undefined;
  #busy: Promise<void> | undefined;

  constructor(reader: MetricReader) {
    this.#reader = reader;
  }

  catchUp(engine: Engine, runId: string): Promise<void> {
    this.#busy ??= this.#read(engine, runId).finally(() => {
      this.#busy = undefined;
    });
    return this.#busy;
  }

  async #read(engine: Engine, runId: string): Promise<void> {
    const lines = readLogs(engine.context, engine.view(runId), { follow: false, after: this.#after });
    for await (const line of lines) {
      this.#after = line.cursor;
      if (line.source === "setup") continue;
      this.estimator.addLine(line, this.#reader.read(line));
    }
  }
}
