interface Stretch {
  /** Fraction of the whole that was done. */
  done: number;
  ms: number;
}

const KEPT = 32;
/** Shorter stretches are noise: they are joined until one of the two is reached. */
const MIN_DONE = 0.005;
const MIN_MS = 5_000;
/** So many even stretches and the pace is known well. */
const MANY = 8;

/** How fast a run gets on, from its recent stretches. A restart begins a new stretch, so that repeated steps do not count as pace. */
export class Pace {
  #stretches: Stretch[] = [];
  #from: { fraction: number; at: number } | undefined;
  #lastAt: number | undefined;

  /** Notes that `fraction` was reached at `at` (epoch milliseconds). */
  reached(fraction: number, at: number): void {
    this.#lastAt = at;
    const from = this.#from;
    if (from === undefined || fraction < from.fraction || at < from.at) {
      this.#from = { fraction, at };
      return;
    }
    const stretch = { done: fraction - from.fraction, ms: at - from.at };
    if (stretch.ms <= 0 || stretch.done <= 0 || (stretch.done < MIN_DONE && stretch.ms < MIN_MS)) return;
    this.#stretches = [...this.#stretches.slice(1 - KEPT), stretch];
    this.#from = { fraction, at };
  }

  /** Forgets where it was, not how fast it went: another attempt begins. */
  restart(): void {
    this.#from = undefined;
    this.#lastAt = undefined;
  }

  /** Time for the rest; undefined before there is a pace. */
  eta(fraction: number, now: number): { ms: number; confidence: "low" | "medium" | "high" } | undefined {
    const count = this.#stretches.length;
    if (count === 0) return undefined;
    const total = this.#stretches.reduce((sum, { done, ms }) => ({ done: sum.done + done, ms: sum.ms + ms }), { done: 0, ms: 0 });
    const silent = this.#lastAt === undefined ? 0 : Math.max(0, now - this.#lastAt);
    const usual = total.ms / count;
    // Silence within the usual is work under way; beyond it nobody knows.
    const ms = Math.max(0, ((1 - fraction) * total.ms) / total.done - Math.min(silent, usual));
    const spread = this.#spread(total.ms / total.done);
    const stalled = silent > 3 * usual && silent > MIN_MS;
    const confidence = stalled || count < 3 || spread >= 0.5 ? "low" : count >= MANY && spread < 0.15 ? "high" : "medium";
    return { ms: Math.round(ms), confidence };
  }

  /** Standard deviation of the time a whole would take, as a share of its mean; stretches weigh by what they did. */
  #spread(mean: number): number {
    let weight = 0;
    let squares = 0;
    for (const { done, ms } of this.#stretches) {
      weight += done;
      squares += done * (ms / done - mean) ** 2;
    }
    return mean === 0 ? 0 : Math.sqrt(squares / weight) / mean;
  }
}
