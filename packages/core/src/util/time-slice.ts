import type { Clock } from "./clock.ts";

/** Lets long synchronous work give way to the event loop. */
export interface TimeSlice {
  /** True when the slice is used up: await `pause` then. Costs next to nothing. */
  due(): boolean;
  /** Lets the event loop turn once. Rejects with the signal's reason when it has aborted. */
  pause(): Promise<void>;
}

/** Slices of `ms` milliseconds; also after `steps` calls, for clocks that stand still. */
export function timeSlice(clock: Clock, signal: AbortSignal | undefined, ms = 15, steps = 2000): TimeSlice {
  let began = clock.monotonic();
  let count = 0;
  return {
    due() {
      count += 1;
      // Asking the clock every time would cost more than many of the steps.
      return count % 16 === 0 && (count >= steps || clock.monotonic() - began >= ms);
    },
    async pause() {
      await new Promise<void>((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
      began = clock.monotonic();
      count = 0;
    },
  };
}
