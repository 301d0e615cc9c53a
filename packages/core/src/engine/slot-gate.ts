import type { Clock, Timer } from "../util/clock.ts";

/** A run in the queue: the oldest comes first, whoever drives it. */
export interface Queued {
  runId: string;
  /** ISO. */
  createdAt: string;
  /** It was refused a machine: until it gets one it is in nobody's way. */
  isHunting?: boolean | undefined;
}

/** What other processes do with the project's slots, as last seen. */
export interface Elsewhere {
  /** Runs there that have a machine, or are about to. */
  held: number;
  /** Runs there that wait for a slot. */
  waiting: readonly Queued[];
}

/** Other processes tell nothing when they free a slot: it is looked for this often. */
const LOOK_AGAIN_MS = 5_000;

/**
 * Holds runs back while `max` of the project have a machine. Slots belong to runs; taking one twice is one. Free slots go to the
 * runs that were made first. This is one process's side of it; project-slots.ts knows the others.
 */
export class SlotGate {
  readonly max: number;
  /** How many held slots are worth an alarm. */
  readonly warnAt: number;
  readonly #clock: Clock;
  readonly #holders = new Set<string>();
  readonly #waiting = new Map<string, Queued & { wake: () => void }>();
  /** Runs that had to wait since they last held a slot. */
  readonly #delayed = new Set<string>();
  #elsewhere: Elsewhere = { held: 0, waiting: [] };
  #again: Timer | undefined;

  constructor(max: number, warnAt: number, clock: Clock) {
    this.max = max;
    this.warnAt = warnAt;
    this.#clock = clock;
  }

  /** May this run take a slot now? Otherwise it is in the queue, and `wake` is called when it may. */
  ask(run: Queued, wake: () => void): boolean {
    if (this.#holders.has(run.runId)) return true;
    this.#waiting.set(run.runId, { ...run, wake });
    if (this.#isNext(run)) return true;
    this.#delayed.add(run.runId);
    return false;
  }

  /** Takes a slot, with what other processes hold and wait for by a look of now. False: none is free, or older runs come first. */
  take(run: Queued, elsewhere: Elsewhere): boolean {
    if (this.#holders.has(run.runId)) return true;
    this.#elsewhere = elsewhere;
    if (!this.#isNext(run)) {
      this.#delayed.add(run.runId);
      if (elsewhere.held > 0 || elsewhere.waiting.length > 0) this.#lookAgain();
      return false;
    }
    this.#waiting.delete(run.runId);
    this.#holders.add(run.runId);
    return true;
  }

  /** The run has a machine, by whatever way: it holds a slot even beyond the limit. */
  hold(runId: string): void {
    this.#waiting.delete(runId);
    this.#holders.add(runId);
  }

  /** Frees the run's slot, or its place in the queue. */
  release(runId: string): void {
    this.#waiting.delete(runId);
    if (this.#holders.delete(runId)) this.#wakeNext();
  }

  /** It no longer wants one. */
  leave(runId: string): void {
    this.#delayed.delete(runId);
    if (this.#waiting.delete(runId)) this.#wakeNext();
  }

  /** True, once, for a run that had to wait for the slot it took. */
  wasDelayed(runId: string): boolean {
    return this.#delayed.delete(runId);
  }

  holds(runId: string): boolean {
    return this.#holders.has(runId);
  }

  get held(): number {
    return this.#holders.size;
  }

  close(): void {
    this.#again?.cancel();
  }

  get #free(): number {
    return this.max - this.#holders.size - this.#elsewhere.held;
  }

  #isNext(run: Queued): boolean {
    let before = 0;
    for (const other of this.#waiting.values()) if (isOlder(other, run)) before += 1;
    for (const other of this.#elsewhere.waiting) if (isOlder(other, run)) before += 1;
    return before < this.#free;
  }

  #wakeNext(): void {
    if (this.#waiting.size === 0) return;
    const queue = [...this.#waiting.values()].sort((a, b) => Number(isOlder(b, a)) - Number(isOlder(a, b)));
    for (const { wake } of queue.slice(0, Math.max(0, this.#free))) wake();
  }

  /** What others hold may have come free: after a while those at the head of the queue look for themselves. */
  #lookAgain(): void {
    this.#again ??= this.#clock.timer(
      LOOK_AGAIN_MS,
      () => {
        this.#again = undefined;
        this.#elsewhere = { held: 0, waiting: [] };
        this.#wakeNext();
      },
      { unref: true },
    );
  }
}

/** Made before; of the same moment the ids decide, the same in every process. */
function isOlder(a: Queued, b: Queued): boolean {
  if (a.isHunting === true && b.isHunting !== true) return false;
  return a.createdAt < b.createdAt || (a.createdAt === b.createdAt && a.runId < b.runId);
}
