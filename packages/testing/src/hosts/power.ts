import type { Clock, Timer } from "@runctl/core/provider";

interface Waiting {
  due: number;
  fn: () => void;
  timer: Timer | undefined;
}

/**
 * What runs on a machine from a boot to the end of its power. Waits and replies that come after the end never arrive; while the
 * machine stands still (`freeze`) they wait. Uptime goes on while it stands still, as the kernel's does.
 */
export class Power {
  readonly bootId: string;
  readonly bootedAt: number;
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #off = false;
  #frozen: { resume: () => void; thawed: Promise<void> } | undefined;

  constructor(clock: Clock, bootId: string) {
    this.#clock = clock;
    this.bootId = bootId;
    this.bootedAt = clock.monotonic();
  }

  get isOff(): boolean {
    return this.#off;
  }

  get isFrozen(): boolean {
    return this.#frozen !== undefined;
  }

  /** Seconds since the boot. */
  get uptime(): number {
    return (this.#clock.monotonic() - this.bootedAt) / 1000;
  }

  /** Calls `fn` at the monotonic instant `due`, if there is power then. */
  at(due: number, fn: () => void): Timer {
    const entry: Waiting = { due, fn, timer: undefined };
    if (!this.#off) {
      this.#waiting.add(entry);
      if (this.#frozen === undefined) this.#arm(entry);
    }
    return {
      cancel: () => {
        this.#waiting.delete(entry);
        entry.timer?.cancel();
      },
    };
  }

  /** Never settles when the power goes before. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.at(this.#clock.monotonic() + ms, resolve));
  }

  /** Calls `settle` now, or after the thaw; never when the power is gone by then. */
  deliver(settle: () => void): void {
    if (this.#off) return;
    if (this.#frozen === undefined) settle();
    else void this.#frozen.thawed.then(() => this.deliver(settle));
  }

  /** The outcome of something that was asked of the world outside; never settles when the power goes before. */
  reply<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      work.then(
        (value) => this.deliver(() => resolve(value)),
        (error: unknown) => this.deliver(() => reject(error)),
      );
    });
  }

  /** Nothing runs any more until `thaw`. */
  freeze(): void {
    if (this.#off || this.#frozen !== undefined) return;
    let resume = (): void => undefined;
    const thawed = new Promise<void>((resolve) => {
      resume = resolve;
    });
    this.#frozen = { resume, thawed };
    for (const entry of this.#waiting) entry.timer?.cancel();
  }

  /** Goes on; what is overdue happens at once. */
  thaw(): void {
    const frozen = this.#frozen;
    if (frozen === undefined) return;
    this.#frozen = undefined;
    for (const entry of this.#waiting) this.#arm(entry);
    frozen.resume();
  }

  /** The power is gone. */
  off(): void {
    this.#off = true;
    for (const entry of this.#waiting) entry.timer?.cancel();
    this.#waiting.clear();
    this.#frozen?.resume();
    this.#frozen = undefined;
  }

  #arm(entry: Waiting): void {
    entry.timer = this.#clock.timer(Math.max(0, entry.due - this.#clock.monotonic()), () => {
      if (this.#off || !this.#waiting.delete(entry)) return;
      entry.fn();
    });
  }
}

/** One process of the machine: what it waits for never comes once it is killed, hangs, or the power goes. */
export class Life {
  readonly power: Power;
  #over = false;

  constructor(power: Power) {
    this.power = power;
  }

  get isOver(): boolean {
    return this.#over || this.power.isOff;
  }

  /** Kills it, or lets it hang for ever. */
  end(): void {
    this.#over = true;
  }

  at(due: number, fn: () => void): Timer {
    return this.power.at(due, () => {
      if (!this.#over) fn();
    });
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      void this.power.sleep(ms).then(() => {
        if (!this.#over) resolve();
      });
    });
  }

  reply<T>(work: Promise<T>): Promise<T> {
    const deliver = (settle: () => void): void =>
      this.power.deliver(() => {
        if (!this.#over) settle();
      });
    return new Promise((resolve, reject) => {
      work.then(
        (value) => deliver(() => resolve(value)),
        (error: unknown) => deliver(() => reject(error)),
      );
    });
  }
}
