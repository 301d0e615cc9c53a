import type { Clock, Timer } from "@runctl/core/provider";

const LONGEST_TIMER_MS = 2 ** 30;

/** The cloud's own time: it follows the clock's durations, so that a wall clock that jumps on somebody's computer moves no cloud. */
export class CloudTime {
  readonly start: number;
  readonly #clock: Clock;
  readonly #origin: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.start = Math.floor(clock.now());
    this.#origin = clock.monotonic();
  }

  /** Whole milliseconds since the epoch. */
  now(): number {
    return this.start + Math.floor(this.#clock.monotonic() - this.#origin);
  }

  /** Calls `fn` at that moment, at once (in a timer) when it has passed. */
  at(time: number, fn: () => void): Timer {
    let timer: Timer;
    const arm = (): void => {
      const left = time - this.now();
      timer =
        left > LONGEST_TIMER_MS
          ? this.#clock.timer(LONGEST_TIMER_MS, arm, { unref: true })
          : this.#clock.timer(Math.max(0, left), fn, { unref: true });
    };
    arm();
    return { cancel: () => timer.cancel() };
  }
}

/** ISO text of the cloud's milliseconds. */
export function iso(ms: number): string {
  return new Date(ms).toISOString();
}
