import type { LineProgress, MetricLine, MetricPoint, Progress } from "./metric-types.ts";
import { Pace } from "./pace.ts";
import { parseWith } from "./parse-metrics.ts";

interface Loop {
  done: number;
  total: number;
}

/**
 * How far a run is and when it will be done, from the lines it prints. Attempts that repeat steps after a restart take the fraction
 * back and leave the pace alone.
 */
export class ProgressEstimator {
  readonly #pace = new Pace();
  #attempt: number | undefined;
  #epoch: Loop | undefined;
  #steps: Loop | undefined;
  #told: number | undefined;
  /** Step loops that began anew within an attempt and without known epochs: what they say is no part of the whole. */
  #loops = false;
  #step: number | undefined;

  /** Takes in one line; `points` are the metrics that were read from it, for their steps. */
  addLine(line: MetricLine, points: readonly MetricPoint[] = []): void {
    if (line.attempt !== this.#attempt) this.#begin(line.attempt);
    const { progress } = parseWith(line.text, []);
    const step = points.find((point) => point.step !== undefined)?.step;
    if (step !== undefined) this.#step = step;
    if (progress !== undefined) this.add(progress, Date.parse(line.at));
  }

  /** Takes in what one line said, at epoch milliseconds. */
  add(progress: LineProgress, at: number): void {
    if (progress.fraction !== undefined) this.#told = progress.fraction;
    if (progress.epoch !== undefined) {
      if (this.#epoch?.done !== progress.epoch.done && progress.steps === undefined) this.#steps = undefined;
      this.#epoch = progress.epoch;
    }
    if (progress.steps !== undefined) {
      const before = this.#steps;
      const again = before !== undefined && progress.steps.done < before.done && before.done >= 0.9 * before.total;
      if (again && this.#epoch === undefined) this.#loops = true;
      this.#steps = progress.steps;
      this.#step = progress.steps.done;
    }
    const fraction = this.#fraction();
    if (fraction !== undefined && Number.isFinite(at)) this.#pace.reached(fraction, at);
  }

  /** @param now Epoch milliseconds. */
  progress(now: number): Progress {
    const fraction = this.#fraction();
    const eta =
      fraction === undefined ? undefined : fraction >= 1 ? ({ ms: 0, confidence: "high" } as const) : this.#pace.eta(fraction, now);
    const total = this.#loops || this.#steps === undefined ? undefined : this.#steps.total;
    const shown = this.#step ?? this.#epoch?.done;
    const totalSteps = total ?? (this.#steps === undefined ? this.#epoch?.total : undefined);
    return {
      ...(fraction === undefined ? {} : { fraction }),
      ...(eta === undefined ? {} : { eta }),
      ...(shown === undefined ? {} : { step: shown }),
      ...(totalSteps === undefined ? {} : { totalSteps }),
    };
  }

  #begin(attempt: number): void {
    this.#attempt = attempt;
    this.#epoch = undefined;
    this.#steps = undefined;
    this.#told = undefined;
    this.#step = undefined;
    this.#pace.restart();
  }

  #fraction(): number | undefined {
    if (this.#told !== undefined) return this.#told;
    const inner = this.#steps === undefined ? 0 : this.#steps.done / this.#steps.total;
    if (this.#epoch !== undefined)
      return Math.min(1, (this.#epoch.done + (this.#epoch.done >= this.#epoch.total ? 0 : inner)) / this.#epoch.total);
    return this.#steps === undefined || this.#loops ? undefined : Math.min(1, inner);
  }
}
