import type { FindResult, TrainingProvider } from "../provider/provider.ts";
import { formatRef, type Machine } from "../provider/resource.ts";
import type { Clock, Timer } from "../util/clock.ts";
import { within } from "../util/within.ts";

/** One listing, with when it was begun: absence counts only in listings begun after a resource must be visible. */
export interface Listing {
  machines: Map<string, Machine>;
  complete: boolean;
  begunAt: number;
  /** The same by the clock that never jumps. */
  begunMonotonic: number;
}

/** One hung call must not blind every run. */
const LISTING_LIMIT_MS = 120_000;

type Listener = (listing: Listing) => void;

/**
 * One listing per provider and poll feeds every run (host-and-state.md §5): a thousand runs cost what one costs.
 * Polls only while somebody listens. Errors are quiet: a cloud that cannot be seen has not lost our machines.
 */
export class ProviderPoller {
  readonly #provider: TrainingProvider;
  readonly #stateId: string;
  readonly #clock: Clock;
  readonly #listeners = new Set<Listener>();
  #timer: Timer | undefined;
  #running: Promise<Listing | undefined> | undefined;
  #failures = 0;
  #closed = false;
  readonly #isOurAccount: () => Promise<boolean>;
  #checked = false;

  /** `isOurAccount`: asked until it says yes once. What another account lists says nothing about our machines. */
  constructor(provider: TrainingProvider, stateId: string, clock: Clock, isOurAccount: () => Promise<boolean> = async () => true) {
    this.#isOurAccount = isOurAccount;
    this.#provider = provider;
    this.#stateId = stateId;
    this.#clock = clock;
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    // A newcomer does not put off the listing that others wait for.
    if (this.#listeners.size === 1) this.#schedule(this.#interval());
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#timer?.cancel();
    };
  }

  /** A listing begun after this call; undefined when the provider could not be asked. */
  async fresh(): Promise<Listing | undefined> {
    if (this.#running !== undefined) await this.#running;
    return this.#poll();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#listeners.clear();
  }

  #interval(): number {
    const base = this.#provider.capabilities.pollMs ?? 10_000;
    return Math.min(60_000, base * 2 ** Math.min(this.#failures, 6));
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel();
    if (this.#closed || this.#listeners.size === 0) return;
    this.#timer = this.#clock.timer(delayMs, () => void this.#poll());
  }

  #poll(): Promise<Listing | undefined> {
    this.#running ??= this.#list().finally(() => {
      this.#running = undefined;
      this.#schedule(this.#interval());
    });
    return this.#running;
  }

  async #list(): Promise<Listing | undefined> {
    const begunAt = this.#clock.now();
    const begunMonotonic = this.#clock.monotonic();
    let found: FindResult;
    try {
      this.#checked ||= await this.#isOurAccount();
      if (!this.#checked) {
        this.#failures += 1;
        return undefined;
      }
      const listing = this.#provider.find({ stateId: this.#stateId, kinds: ["machine"] });
      found = await within(this.#clock, LISTING_LIMIT_MS, `${this.#provider.name}.find`, listing);
      this.#failures = 0;
    } catch {
      this.#failures += 1;
      return undefined;
    }
    const listing: Listing = {
      machines: new Map(found.machines.map((machine) => [formatRef(machine.ref), machine])),
      complete: found.complete,
      begunAt,
      begunMonotonic,
    };
    for (const listener of [...this.#listeners]) listener(listing);
    return listing;
  }
}

/** The pollers of all providers, made when first asked for. */
export class ProviderPollers {
  readonly #make: (provider: string) => ProviderPoller;
  readonly #pollers = new Map<string, ProviderPoller>();

  constructor(make: (provider: string) => ProviderPoller) {
    this.#make = make;
  }

  of(provider: string): ProviderPoller {
    const known = this.#pollers.get(provider);
    if (known !== undefined) return known;
    const poller = this.#make(provider);
    this.#pollers.set(provider, poller);
    return poller;
  }

  close(): void {
    for (const poller of this.#pollers.values()) poller.close();
    this.#pollers.clear();
  }
}
