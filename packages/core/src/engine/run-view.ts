import type { Clock } from "../util/clock.ts";
import { sleep } from "../util/sleep.ts";
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

/** Wakes waiters on a nudge or after a time. */
export class Waker {
  readonly #clock: Clock;
  readonly #waiting = new Set<AbortController>();
  #nudges = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nudge(): void {
    this.#nudges += 1;
    for (const waiter of this.#waiting) waiter.abort();
  }

  get nudges(): number {
    return this.#nudges;
  }

  async wait(maxMs: number, since: number, signal?: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#nudges !== since) return;
    const waiter = new AbortController();
    const onAbort = (): void => waiter.abort();
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#waiting.add(waiter);
    await sleep(this.#clock, maxMs, waiter.signal).catch(() => undefined);
    this.#waiting.delete(waiter);
    signal?.removeEventListener("abort", onAbort);
    signal?.throwIfAborted();
  }
}
