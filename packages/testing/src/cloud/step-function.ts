/** A value that holds from a moment on. */
export interface Step {
  /** Milliseconds of the cloud's clock. */
  at: number;
  value: number;
}

/**
 * A value over time that changes at known moments: a price, a capacity. Before the first step its value holds too. With a period
 * the steps repeat, counted from the first. Looking up costs a binary search, however long the trace was.
 */
export class StepFunction {
  readonly #steps: readonly Step[];
  readonly #periodMs: number | undefined;

  /** @param steps at least one, in order of time; equal neighbours are joined. */
  constructor(steps: readonly Step[], options: { periodMs?: number | undefined } = {}) {
    this.#steps = steps.filter((step, index) => index === 0 || step.value !== steps[index - 1]?.value);
    this.#periodMs = options.periodMs;
  }

  static constant(value: number): StepFunction {
    return new StepFunction([{ at: 0, value }]);
  }

  at(time: number): number {
    const { folded } = this.#fold(time);
    return this.#steps[this.#index(folded)]?.value ?? 0;
  }

  /** The largest value it ever has. */
  get max(): number {
    return this.#steps.reduce((most, step) => Math.max(most, step.value), Number.NEGATIVE_INFINITY);
  }

  /** The first moment after `time` at which the value may differ; undefined when it never changes again. */
  nextChange(time: number): number | undefined {
    const { folded, shift } = this.#fold(time);
    const next = this.#steps[this.#index(folded) + 1];
    if (next !== undefined && next.at > folded) return next.at + shift;
    const first = this.#steps[0];
    if (this.#periodMs === undefined || this.#steps.length < 2 || first === undefined) return next === undefined ? undefined : next.at;
    return first.at + shift + this.#periodMs;
  }

  /** The stretches of constant value that make up [from, to), in order. */
  *segments(from: number, to: number): Generator<{ from: number; to: number; value: number }> {
    let start = from;
    while (start < to) {
      const end = Math.min(to, this.nextChange(start) ?? to);
      yield { from: start, to: end, value: this.at(start) };
      start = end;
    }
  }

  #fold(time: number): { folded: number; shift: number } {
    const start = this.#steps[0]?.at ?? 0;
    if (this.#periodMs === undefined || time < start) return { folded: time, shift: 0 };
    const shift = Math.floor((time - start) / this.#periodMs) * this.#periodMs;
    return { folded: time - shift, shift };
  }

  /** Index of the step in force; -0 before the first counts as the first. */
  #index(time: number): number {
    let low = 0;
    let high = this.#steps.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#steps[middle]?.at ?? Number.POSITIVE_INFINITY) <= time) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
