import type { Clock, Timer } from "../../src/util/clock.ts";
import type { Random } from "../../src/util/random.ts";

interface Entry {
  due: number;
  order: number;
  fn: () => void;
}

/** A clock that only moves when told to. For tests. */
export class ManualClock implements Clock {
  #wall: number;
  #mono = 0;
  #order = 0;
  readonly #timers = new Set<Entry>();

  constructor(wall = Date.UTC(2026, 10, 22)) {
    this.#wall = wall;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#mono;
  }

  timer(delayMs: number, fn: () => void): Timer {
    const entry = { due: this.#mono + Math.max(0, delayMs), order: this.#order++, fn };
    this.#timers.add(entry);
    return { cancel: () => void this.#timers.delete(entry) };
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#timers.size;
  }

  /** The wall clock jumps; durations do not notice. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  /** Moves time on, firing due timers in order and letting promises settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.#mono + ms;
    await settle();
    for (;;) {
      const [next] = [...this.#timers].filter((entry) => entry.due <= end).sort((a, b) => a.due - b.due || a.order - b.order);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#wall += Math.max(0, next.due - this.#mono);
      this.#mono = Math.max(this.#mono, next.due);
      next.fn();
      await settle();
    }
    this.#wall += end - this.#mono;
    this.#mono = end;
  }

  /** Fires timers, however far away, until `promise` settles; the settled promise. */
  async runUntil<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    promise.then(
      () => {
        done = true;
      },
      () => {
        done = true;
      },
    );
    await settle();
    while (!done && this.#timers.size > 0) {
      const due = Math.min(...[...this.#timers].map((entry) => entry.due));
      await this.advance(Math.max(0, due - this.#mono));
    }
    return promise;
  }
}

/** Lets everything that is ready run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Random numbers from a list, over and over. For tests. */
export function fixedRandom(...numbers: number[]): Random {
  let at = 0;
  const next = (): number => numbers[at++ % numbers.length] ?? 0;
  return { next, bytes: (length) => Uint8Array.from({ length }, () => Math.floor(next() * 256)) };
}
