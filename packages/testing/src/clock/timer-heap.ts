/** A pending call. `due` is in milliseconds of the world's monotonic time; `order` breaks ties in the order of making. */
export interface TimerEntry {
  due: number;
  order: number;
  cancelled: boolean;
  fire(): void;
}

function before(a: TimerEntry, b: TimerEntry): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}

/** Timers, the earliest first: a binary heap, since a thousand runs hold thousands of timers. Cancelled ones leave when they surface. */
export class TimerHeap {
  #entries: TimerEntry[] = [];
  #cancelled = 0;

  /** Timers that are still to fire. */
  get size(): number {
    return this.#entries.length - this.#cancelled;
  }

  push(entry: TimerEntry): void {
    const entries = this.#entries;
    let at = entries.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = entries[parent] as TimerEntry;
      if (!before(entry, above)) break;
      entries[at] = above;
      at = parent;
    }
    entries[at] = entry;
  }

  cancel(entry: TimerEntry): void {
    if (entry.cancelled) return;
    entry.cancelled = true;
    this.#cancelled += 1;
    // Timers that are made and cancelled again and again (timeouts of calls) must not pile up behind far ones.
    if (this.#cancelled > 64 && this.#cancelled * 2 > this.#entries.length) this.#rebuild();
  }

  /** The earliest timer, left where it is. */
  peek(): TimerEntry | undefined {
    for (;;) {
      const top = this.#entries[0];
      if (top === undefined || !top.cancelled) return top;
      this.#removeTop();
      this.#cancelled -= 1;
    }
  }

  /** The earliest timer, taken out. */
  pop(): TimerEntry | undefined {
    const top = this.peek();
    if (top !== undefined) this.#removeTop();
    return top;
  }

  /** Everything pending, earliest first: for reports. */
  toSorted(): TimerEntry[] {
    return this.#entries.filter((entry) => !entry.cancelled).sort((a, b) => a.due - b.due || a.order - b.order);
  }

  #removeTop(): void {
    const entries = this.#entries;
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return;
    const count = entries.length;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= count) break;
      if (child + 1 < count && before(entries[child + 1] as TimerEntry, entries[child] as TimerEntry)) child += 1;
      const below = entries[child] as TimerEntry;
      if (!before(below, last)) break;
      entries[at] = below;
      at = child;
    }
    entries[at] = last;
  }

  #rebuild(): void {
    const kept = this.toSorted();
    // A sorted array is a heap.
    this.#entries = kept;
    this.#cancelled = 0;
  }
}
