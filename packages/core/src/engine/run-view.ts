import type { Clock } from "../util/clock.ts";
import type { RunState } from "./run-state.ts";

/** The newest state of a run as this process knows it, whoever drives. */
export interface RunView {
  /** Reads what is new in the store, unless this process drives and knows it already. */
  refresh(): Promise<RunState>;
  /** Resolves soon after something may have changed, at the latest after `maxMs`; rejects with the signal's reason. */
  changed(maxMs: number, signal?: AbortSignal | undefined): Promise<void>;
  /** Wakes everybody in `changed`. */
  nudge(): void;
}

/** A view for readers of the log alone: what is not in it (a host's output) needs `changed`. */
export interface LogView extends RunView {
  /** Resolves soon after the run's log may have changed, and now and then without; rejects with the signal's reason. */
  news(signal?: AbortSignal | undefined): Promise<void>;
}

/** Wakes waiters on a nudge or after a time. Thousands wait at once: no abort controllers, one timer each. */
export class Waker {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #nudges = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nudge(): void {
    this.#nudges += 1;
    for (const wake of [...this.#waiting]) wake();
  }

  get nudges(): number {
    return this.#nudges;
  }

  async wait(maxMs: number, since: number, signal?: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#nudges !== since) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        timer.cancel();
        this.#waiting.delete(wake);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const timer = this.#clock.timer(maxMs, wake);
      this.#waiting.add(wake);
      signal?.addEventListener("abort", wake, { once: true });
    });
    signal?.throwIfAborted();
  }
}

/** One waker for each run that somebody looks at, and one for whoever looks at all: a change of one run wakes no reader of another. */
export class Wakers {
  readonly #clock: Clock;
  readonly #all: Waker;
  readonly #runs = new Map<string, Waker>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#all = new Waker(clock);
  }

  /** "": every run's. */
  of(runId: string): Waker {
    if (runId === "") return this.#all;
    const known = this.#runs.get(runId) ?? new Waker(this.#clock);
    this.#runs.set(runId, known);
    return known;
  }

  nudge(runId: string): void {
    this.#runs.get(runId)?.nudge();
    this.#all.nudge();
  }

  nudgeAll(): void {
    for (const waker of this.#runs.values()) waker.nudge();
    this.#all.nudge();
  }

  /** The run will not change any more. */
  forget(runId: string): void {
    this.#runs.get(runId)?.nudge();
    this.#runs.delete(runId);
  }
}
