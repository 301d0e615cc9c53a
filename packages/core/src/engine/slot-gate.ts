/** Holds runs back while `max` machines of this process run. Slots belong to runs; taking one twice is one. */
export class SlotGate {
  readonly #max: number;
  readonly #holders = new Set<string>();
  readonly #waiters = new Set<() => void>();

  /** How many held slots are worth an alarm. */
  readonly warnAt: number;

  constructor(max: number, warnAt: number) {
    this.#max = max;
    this.warnAt = warnAt;
  }

  mayTake(runId: string): boolean {
    return this.#holders.has(runId) || this.#holders.size < this.#max;
  }

  /** False when every slot is taken. */
  take(runId: string): boolean {
    if (!this.mayTake(runId)) return false;
    this.#holders.add(runId);
    return true;
  }

  release(runId: string): void {
    if (!this.#holders.delete(runId)) return;
    for (const wake of this.#waiters) wake();
  }

  get held(): number {
    return this.#holders.size;
  }

  /** Calls back whenever a slot came free. */
  onFree(wake: () => void): () => void {
    this.#waiters.add(wake);
    return () => this.#waiters.delete(wake);
  }
}
