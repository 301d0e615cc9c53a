import type { Clock, Timer } from "@runctl/core/provider";
import type { TimerEntry } from "./timer-heap.ts";

/** What a process's clock needs of the world's. */
export interface ProcessTime {
  now(): number;
  monotonic(): number;
  /** Sets when the entry is due, and puts it among the world's timers. */
  schedule(entry: TimerEntry, delayMs: number): void;
  cancel(entry: TimerEntry): void;
}

/** A timer of a process: one object for the world's heap, the process and the caller, since there are millions of them. */
class ProcessTimer implements TimerEntry, Timer {
  due = 0;
  order = 0;
  cancelled = true;
  /** It came due while the process was frozen. */
  isOverdue = false;
  readonly callback: () => void;
  readonly #owner: { fired(timer: ProcessTimer): void; dropped(timer: ProcessTimer): void };

  constructor(owner: { fired(timer: ProcessTimer): void; dropped(timer: ProcessTimer): void }, callback: () => void) {
    this.#owner = owner;
    this.callback = callback;
  }

  fire(): void {
    this.#owner.fired(this);
  }

  cancel(): void {
    this.#owner.dropped(this);
  }
}

/** The time of one simulated process: it can be killed, frozen (SIGSTOP, a closed laptop) and have a wrong wall clock. */
export class ProcessClock {
  readonly name: string;
  /** What the process is given as its clock. */
  readonly clock: Clock;
  readonly #world: ProcessTime;
  readonly #waiting = new Set<ProcessTimer>();
  readonly #owner = { fired: (timer: ProcessTimer) => this.#fired(timer), dropped: (timer: ProcessTimer) => this.#dropped(timer) };
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
    for (const timer of this.#waiting) this.#world.cancel(timer);
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
    for (const timer of this.#waiting) this.#world.cancel(timer);
  }

  /** Goes on: timers that came due meanwhile fire at once, in their order. */
  thaw(): void {
    if (this.#frozenAt === undefined) return;
    const now = this.#world.monotonic();
    const pauseMs = now - this.#frozenAt;
    const wasSuspended = this.#isSuspended;
    this.#frozenAt = undefined;
    this.#isSuspended = false;
    if (wasSuspended) this.#asleepMs += pauseMs;
    for (const timer of [...this.#waiting].sort((a, b) => a.due - b.due || a.order - b.order)) {
      if (!wasSuspended && !timer.isOverdue) continue;
      this.#world.cancel(timer);
      this.#world.schedule(timer, wasSuspended ? timer.due + pauseMs - now : 0);
      timer.isOverdue = false;
    }
  }

  /** Its wall clock is off by `ms` from now on; 0 sets it right. */
  skew(ms: number): void {
    this.#skewMs = ms;
  }

  #timer(delayMs: number, fn: () => void): Timer {
    const timer = new ProcessTimer(this.#owner, fn);
    if (!this.#isAlive) return timer;
    this.#world.schedule(timer, delayMs);
    this.#waiting.add(timer);
    return timer;
  }

  #fired(timer: ProcessTimer): void {
    if (this.#frozenAt !== undefined) {
      timer.isOverdue = true;
      return;
    }
    this.#waiting.delete(timer);
    timer.callback();
  }

  #dropped(timer: ProcessTimer): void {
    if (this.#waiting.delete(timer)) this.#world.cancel(timer);
  }
}
