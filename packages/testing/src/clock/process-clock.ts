import type { Clock, Timer } from "@runctl/core/provider";
import type { TimerEntry } from "./timer-heap.ts";

/** What a process's clock needs of the world's. */
export interface ProcessTime {
  now(): number;
  monotonic(): number;
  /** Schedules `fn` after `delayMs`; the entry is cancelled with `cancel`. */
  schedule(delayMs: number, fn: () => void): TimerEntry;
  cancel(entry: TimerEntry): void;
}

interface Waiting {
  entry: TimerEntry | undefined;
  fn: () => void;
  isDue: boolean;
}

/** The time of one simulated process: it can be killed, frozen (SIGSTOP, a closed laptop) and have a wrong wall clock. */
export class ProcessClock {
  readonly name: string;
  /** What the process is given as its clock. */
  readonly clock: Clock;
  readonly #world: ProcessTime;
  readonly #waiting = new Set<Waiting>();
  #isAlive = true;
  #frozenAt: number | undefined;
  #skewMs = 0;
  #asleepMs = 0;
  #isSuspended = false;

  constructor(name: string, world: ProcessTime) {
    this.name = name;
    this.#world = world;
    this.clock = {
      now: () => world.now() + this.#skewMs,
      monotonic: () => world.monotonic() - this.#asleepMs,
      timer: (delayMs, fn) => this.#timer(delayMs, fn),
    };
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isFrozen(): boolean {
    return this.#frozenAt !== undefined;
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#waiting.size;
  }

  /** From now on no timer of it fires, and new ones are never made. Final; repeating is fine. */
  kill(): void {
    this.#isAlive = false;
    for (const waiting of this.#waiting) this.#disarm(waiting);
    this.#waiting.clear();
  }

  /**
   * Timers wait until `thaw`. The wall clock goes on. The monotonic clock goes on too, as for a stopped process (SIGSTOP); with
   * `suspend` it stands still and timers are put off by the pause, as on a laptop with its lid closed.
   */
  freeze(options: { suspend?: boolean | undefined } = {}): void {
    if (this.#frozenAt !== undefined || !this.#isAlive) return;
    this.#frozenAt = this.#world.monotonic();
    this.#isSuspended = options.suspend === true;
    if (!this.#isSuspended) return;
    for (const waiting of this.#waiting) this.#disarm(waiting);
  }

  /** Goes on: timers that came due meanwhile fire at once, in their order. */
  thaw(): void {
    if (this.#frozenAt === undefined) return;
    const pauseMs = this.#world.monotonic() - this.#frozenAt;
    this.#frozenAt = undefined;
    if (this.#isSuspended) this.#asleepMs += pauseMs;
    const inOrder = [...this.#waiting].sort((a, b) => byDue(a.entry, b.entry));
    for (const waiting of inOrder) {
      if (this.#isSuspended) this.#arm(waiting, (waiting.entry?.due ?? 0) + pauseMs - this.#world.monotonic());
      else if (waiting.isDue) this.#arm(waiting, 0);
    }
    this.#isSuspended = false;
  }

  /** Its wall clock is off by `ms` from now on; 0 sets it right. */
  skew(ms: number): void {
    this.#skewMs = ms;
  }

  #timer(delayMs: number, fn: () => void): Timer {
    if (!this.#isAlive) return { cancel: () => undefined };
    const waiting: Waiting = { entry: undefined, fn, isDue: false };
    this.#arm(waiting, delayMs);
    this.#waiting.add(waiting);
    return {
      cancel: () => {
        if (this.#waiting.delete(waiting)) this.#disarm(waiting);
      },
    };
  }

  #arm(waiting: Waiting, delayMs: number): void {
    this.#disarm(waiting);
    waiting.isDue = false;
    waiting.entry = this.#world.schedule(delayMs, () => {
      if (this.#frozenAt !== undefined) {
        waiting.isDue = true;
        return;
      }
      this.#waiting.delete(waiting);
      waiting.fn();
    });
  }

  #disarm(waiting: Waiting): void {
    if (waiting.entry !== undefined) this.#world.cancel(waiting.entry);
  }
}

function byDue(a: TimerEntry | undefined, b: TimerEntry | undefined): number {
  return a === undefined || b === undefined ? 0 : a.due - b.due || a.order - b.order;
}
