import type { Clock, Timer } from "@runctl/core/provider";
import { isBusy, isRealWorkPending, turn, withinRealTime } from "./event-loop.ts";
import { ProcessClock } from "./process-clock.ts";
import { StuckError } from "./stuck-error.ts";
import { type TimerEntry, TimerHeap } from "./timer-heap.ts";

/** As the real clock: a longer wait is cut (setTimeout's limit), and callers re-arm. */
const LONGEST_TIMER_MS = 2_147_483_647;
/** Nothing honest needs so many steps without a millisecond passing. */
const MAX_STANDSTILL = 100_000;
/** Turns of the event loop that only queue the next one, with nothing else going on. */
const MAX_SPIN = 2_000_000;
const DEFAULT_LIMIT_MS = 400 * 86_400_000;
const HOLD_LIMIT_MS = 120_000;

/** Something that may only go on when nothing else is going on, the lowest `order` first. */
interface Turnstile {
  order: number;
  place: number;
  pass: () => void;
}

/**
 * The time of a simulated world. It moves only while `run` or `advance` is awaited, from timer to timer, and only when everything that
 * could run has run: promises, immediates, requests to the file system, and real work that was declared with `hold`.
 */
export class VirtualClock implements Clock {
  readonly #heap = new TimerHeap();
  readonly #explainers = new Set<() => readonly string[]>();
  readonly #holders = new Map<number, string>();
  readonly #queue: Turnstile[] = [];
  readonly #processes = new Map<string, ProcessClock>();
  #released: (() => void) | undefined;
  #wallOffset: number;
  #mono = 0;
  #order = 0;
  #holds = 0;
  #fired = 0;
  #standstill = 0;
  #isMoving = false;

  /** `start`: the first wall time, ISO. Default 2026-01-01T00:00:00Z. @throws RangeError for what is no time. */
  constructor(options: { start?: string | undefined } = {}) {
    this.#wallOffset = Date.parse(options.start ?? "2026-01-01T00:00:00Z");
    if (Number.isNaN(this.#wallOffset))
      throw new RangeError(`${JSON.stringify(options.start)} is no time; write for example "2026-01-01T00:00:00Z".`);
  }

  now(): number {
    return this.#wallOffset + this.#mono;
  }

  monotonic(): number {
    return this.#mono;
  }

  /** ISO text of the wall clock. */
  iso(): string {
    return new Date(this.now()).toISOString();
  }

  timer(delayMs: number, fn: () => void): Timer {
    const entry: TimerEntry = { due: 0, order: 0, cancelled: true, fire: fn };
    this.#schedule(entry, delayMs);
    return { cancel: () => this.#heap.cancel(entry) };
  }

  /** The wall clock jumps (NTP, an administrator); durations and timers do not notice. */
  jump(ms: number): void {
    this.#wallOffset += Math.round(ms);
  }

  /**
   * Real work is in flight: time stands still until the returned function was called. Holds are counted; releasing twice is fine.
   * A hold of more than two minutes of real time ends `run` with StuckError naming `what`.
   */
  hold(what = "real work"): () => void {
    const id = this.#holds++;
    this.#holders.set(id, what);
    return () => {
      if (!this.#holders.delete(id) || this.#holders.size > 0) return;
      this.#released?.();
      this.#released = undefined;
    };
  }

  /** Holds while `work` is pending, and passes its outcome on. */
  during<T>(work: Promise<T>, what?: string | undefined): Promise<T> {
    const release = this.hold(what);
    return work.finally(release);
  }

  /** Resolves when nothing is ready to run any more. Time does not move. @throws StuckError when that never comes. */
  async idle(): Promise<void> {
    for (let spin = 0; ; spin += 1) {
      await turn();
      if (this.#holders.size > 0) {
        await withinRealTime(this.#release(), HOLD_LIMIT_MS, () => this.#stuck(`Real work has not ended after ${HOLD_LIMIT_MS / 1000} s.`));
        spin = 0;
        continue;
      }
      if (isBusy()) {
        if (spin > MAX_SPIN)
          throw this.#stuck("Something queues itself again and again without time passing (setImmediate, or the file system).");
        continue;
      }
      const next = this.#queue.shift();
      if (next === undefined) return;
      spin = 0;
      next.pass();
    }
  }

  /**
   * Resolves at once when nothing real is going on in this process; else when all is quiet, callers of lower `order` first. What real
   * work (the file system, say) does to the order of things ends here: two processes that read files arrive in one and the same order.
   */
  turnstile(order: number): Promise<void> | undefined {
    // Only a moving clock lets anybody pass.
    if (!this.#isMoving || (this.#queue.length === 0 && !isRealWorkPending())) return undefined;
    return new Promise((pass) => {
      const place = this.#order++;
      const at = this.#queue.findIndex((other) => other.order > order);
      this.#queue.splice(at === -1 ? this.#queue.length : at, 0, { order, place, pass });
    });
  }

  /** Moves time on by `ms`, firing due timers in order. While somebody else runs the clock it waits for that time instead. */
  async advance(ms: number): Promise<void> {
    if (this.#isMoving) {
      await new Promise<void>((resolve) => void this.timer(ms, resolve));
      return;
    }
    await this.#moving(async () => {
      const end = this.#mono + Math.max(0, Math.round(ms));
      await this.idle();
      for (let next = this.#heap.peek(); next !== undefined && next.due <= end; next = this.#heap.peek()) {
        this.#fire(next);
        await this.idle();
      }
      this.#mono = end;
    });
  }

  /**
   * Fires timers, however far away, until `promise` settles, and passes its outcome on.
   * @throws StuckError when no timer is left, `limitMs` of the world's time has passed (default 400 days), or time no longer moves
   */
  async run<T>(promise: Promise<T>, options: { limitMs?: number | undefined } = {}): Promise<T> {
    if (this.#isMoving) return promise;
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    promise.then(mark, mark);
    const limitMs = options.limitMs ?? DEFAULT_LIMIT_MS;
    await this.#moving(async () => {
      const end = this.#mono + limitMs;
      await this.idle();
      while (!settled) {
        const next = this.#heap.peek();
        if (next === undefined) throw this.#stuck("Nothing is left that could happen, and what was waited for has not.");
        if (next.due > end) throw this.#stuck(`What was waited for has not happened within ${days(limitMs)} of the world's time.`);
        this.#fire(next);
        await this.idle();
      }
    });
    return promise;
  }

  /** The view of one simulated process. A name is used once. @throws RangeError for a name that is taken. */
  process(name: string): ProcessClock {
    if (this.#processes.has(name)) throw new RangeError(`There is a process ${JSON.stringify(name)} already.`);
    const made = new ProcessClock(name, {
      now: () => this.now(),
      monotonic: () => this.#mono,
      schedule: (entry, delayMs) => this.#schedule(entry, delayMs),
      cancel: (entry) => this.#heap.cancel(entry),
    });
    this.#processes.set(name, made);
    return made;
  }

  /** All simulated processes so far, dead ones too. */
  get processes(): readonly ProcessClock[] {
    return [...this.#processes.values()];
  }

  /** Adds lines to the report of a stuck world. Returns how to take them back. */
  explain(lines: () => readonly string[]): () => void {
    this.#explainers.add(lines);
    return () => void this.#explainers.delete(lines);
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#heap.size;
  }

  /** Timers that have fired since the beginning. */
  get firedTimers(): number {
    return this.#fired;
  }

  #schedule(entry: TimerEntry, delayMs: number): void {
    // Whole milliseconds: times stay exact however long the world lives. A delay that is no number is none.
    const delay = delayMs > 0 ? Math.ceil(Math.min(delayMs, LONGEST_TIMER_MS)) : 0;
    entry.due = this.#mono + delay;
    entry.order = this.#order++;
    entry.cancelled = false;
    this.#heap.push(entry);
  }

  #fire(next: TimerEntry): void {
    this.#heap.pop();
    if (next.due > this.#mono) {
      this.#mono = next.due;
      this.#standstill = 0;
    } else if (++this.#standstill > MAX_STANDSTILL)
      throw this.#stuck(`Time stands still: ${MAX_STANDSTILL} timers of 0 ms, one after another.`);
    this.#fired += 1;
    // A cancel after this does nothing.
    next.cancelled = true;
    next.fire();
  }

  async #moving(work: () => Promise<void>): Promise<void> {
    this.#isMoving = true;
    try {
      await work();
    } finally {
      this.#isMoving = false;
    }
  }

  #release(): Promise<void> {
    return new Promise((resolve) => {
      const before = this.#released;
      this.#released = () => {
        before?.();
        resolve();
      };
    });
  }

  #stuck(what: string): StuckError {
    const pending = this.#heap.toSorted();
    const next = pending[0];
    const timers = next === undefined ? "no timers" : `${pending.length} timers, the next in ${next.due - this.#mono} ms`;
    const report = [`at ${this.iso()}, ${Math.round(this.#mono / 1000)} s after the start: ${timers}, ${this.#fired} fired so far`];
    for (const process of this.#processes.values()) {
      if (process.isAlive) report.push(`process ${process.name}: ${process.pending} timers${process.isFrozen ? ", frozen" : ""}`);
    }
    for (const what of this.#holders.values()) report.push(`time is held by ${what}`);
    for (const explain of this.#explainers) report.push(...explain());
    return new StuckError(what, report);
  }
}

function days(ms: number): string {
  return ms >= 86_400_000 ? `${Math.round(ms / 8_640_000) / 10} days` : `${Math.round(ms / 1000)} s`;
}
