import type { Clock } from "../util/clock.ts";

/**
 * The wall clock, but never going back: after a jump back it goes on as if there had been none. What a log's times are compared with,
 * so that pauses and limits that began before the jump end when they should. A jump forward is believed.
 */
export class SteadyNow {
  readonly #clock: Clock;
  #at: number;
  #monotonic: number;

  /** `notBefore`: the newest time of the log, epoch milliseconds: another process may have written it before the jump. */
  constructor(clock: Clock, notBefore: number) {
    this.#clock = clock;
    this.#at = Math.max(clock.now(), Number.isNaN(notBefore) ? 0 : notBefore);
    this.#monotonic = clock.monotonic();
  }

  /** Epoch milliseconds. */
  now(): number {
    const monotonic = this.#clock.monotonic();
    this.#at = Math.max(this.#clock.now(), this.#at + monotonic - this.#monotonic);
    this.#monotonic = monotonic;
    return this.#at;
  }
}
