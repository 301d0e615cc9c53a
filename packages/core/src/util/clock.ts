/** A pending timer; cancelling twice is fine. */
export interface Timer {
  cancel(): void;
}

/**
 * The only source of time. Everything in core takes one, so that a run can be replayed and a month simulated in seconds.
 * `now` is the wall clock (may jump), `monotonic` only moves forward (durations, leases).
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonic(): number;
  /** Calls `fn` once after `delayMs`. A real clock's timers do not keep the process alive when `unref` is true. */
  timer(delayMs: number, fn: () => void, options?: { unref?: boolean | undefined }): Timer;
}

/** The machine's clocks. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer(delayMs, fn, options) {
    // setTimeout overflows to 1 ms above 2^31-1: long waits are re-armed by callers, here they are cut.
    const handle = setTimeout(fn, Math.min(Math.max(0, delayMs), 2_147_483_647));
    if (options?.unref === true) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** ISO 8601 text of the clock's wall time. */
export function isoNow(clock: Clock): string {
  return new Date(clock.now()).toISOString();
}
