import type { Clock, Timer } from "../../src/util/clock.ts";

export interface TestClock extends Clock {
  /** Moves wall and monotonic time; due timers run in order. */
  advance(ms: number): void;
  /** Moves only the wall clock: a jump. */
  jump(ms: number): void;
  pending(): number;
}

/**
 * A virtual clock. `auto`: whenever the event loop is idle, time jumps to the next timer, so that code that sleeps runs through
 * at once and in order. Without it only `advance` moves time.
 */
export function testClock(options: { start?: string; auto?: boolean } = {}): TestClock {
  let wall = Date.parse(options.start ?? "2026-01-01T00:00:00Z");
  let mono = 0;
  let order = 0;
  let pumping = false;
  const timers: Array<{ at: number; order: number; fn: () => void }> = [];

  const next = (): (typeof timers)[number] | undefined => timers.toSorted((a, b) => a.at - b.at || a.order - b.order)[0];
  const moveTo = (at: number): void => {
    wall += Math.max(0, at - mono);
    mono = Math.max(mono, at);
  };
  const fire = (timer: (typeof timers)[number]): void => {
    timers.splice(timers.indexOf(timer), 1);
    moveTo(timer.at);
    timer.fn();
  };
  const pump = (): void => {
    if (pumping) return;
    pumping = true;
    setImmediate(() => {
      pumping = false;
      const due = next();
      if (due === undefined) return;
      fire(due);
      if (timers.length > 0) pump();
    });
  };
  return {
    now: () => wall,
    monotonic: () => mono,
    timer(delayMs, fn): Timer {
      const timer = { at: mono + Math.max(0, delayMs), order: order++, fn };
      timers.push(timer);
      if (options.auto === true) pump();
      return {
        cancel: () => {
          const index = timers.indexOf(timer);
          if (index >= 0) timers.splice(index, 1);
        },
      };
    },
    advance(ms) {
      const until = mono + ms;
      for (let due = next(); due !== undefined && due.at <= until; due = next()) fire(due);
      moveTo(until);
    },
    jump(ms) {
      wall += ms;
    },
    pending: () => timers.length,
  };
}
