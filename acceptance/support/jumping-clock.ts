import { type Clock, systemClock } from "@runctl/core";

/** The machine's clocks, whose wall clock can be made to jump. The monotonic one never does, as on a real machine. */
export class JumpingClock implements Clock {
  #ahead = 0;

  jump(byMs: number): void {
    this.#ahead += byMs;
  }

  now(): number {
    return systemClock.now() + this.#ahead;
  }

  monotonic(): number {
    return systemClock.monotonic();
  }

  timer(...args: Parameters<Clock["timer"]>): ReturnType<Clock["timer"]> {
    return systemClock.timer(...args);
  }
}

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
