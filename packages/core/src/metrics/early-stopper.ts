import type { EarlyStopping } from "../spec/run-spec.ts";
import type { MetricPoint } from "./metric-types.ts";

/** Says when a metric has stopped improving. Steps that a restart repeats count once. */
export class EarlyStopper {
  readonly #rule: EarlyStopping;
  #best: number | undefined;
  #since = 0;
  #lastStep = Number.NEGATIVE_INFINITY;
  #attempt: number | undefined;
  #stop = false;

  constructor(rule: EarlyStopping) {
    this.#rule = rule;
  }

  /** The best value so far. */
  get best(): number | undefined {
    return this.#best;
  }

  /** Points since the last improvement. */
  get sinceBest(): number {
    return this.#since;
  }

  /** Takes in one point; true once the run should stop, and from then on. */
  add(point: MetricPoint): boolean {
    if (this.#stop || point.name.toLowerCase() !== this.#rule.metric.toLowerCase()) return this.#stop;
    if (point.step !== undefined) {
      if (point.step <= this.#lastStep) return false;
      this.#lastStep = point.step;
    } else if (this.#attempt !== undefined && point.attempt !== this.#attempt) {
      // Without steps nobody knows what a new attempt repeats: patience starts over.
      this.#since = 0;
    }
    this.#attempt = point.attempt;
    if (this.#improves(point.value)) {
      this.#best = point.value;
      this.#since = 0;
    } else {
      this.#since += 1;
      this.#stop = this.#since >= this.#rule.patience;
    }
    return this.#stop;
  }

  #improves(value: number): boolean {
    if (Number.isNaN(value)) return false;
    if (this.#best === undefined) return true;
    const delta = this.#rule.minDelta ?? 0;
    return this.#rule.mode === "min" ? value < this.#best - delta : value > this.#best + delta;
  }
}
