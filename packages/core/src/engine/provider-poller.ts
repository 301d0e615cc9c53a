import type { FindResult, TrainingProvider } from "../provider/provider.ts";
import { formatRef, type Machine, type MachineState } from "../provider/resource.ts";
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

/** While all is quiet, listings come ever more rarely, down to this; a long one costs more, and comes later. */
const MAX_POLL_MS = 60_000;
const PER_MACHINE_MS = 60;

/** Waits for news of one machine. */
interface Listener {
  machineId: string;
  /** True: it knows of its machine what the listing says, and need not be told again while the machine is listed the same. */
  onListing: (listing: Listing) => boolean;
  knows: boolean;
}

/**
 * One listing per provider and poll feeds every run (host-and-state.md §5): a thousand runs cost what one costs.
 * Polls only while somebody listens, and the more rarely the longer nothing changed. Errors are quiet: a cloud that cannot be seen
 * has not lost our machines.
 */
export class ProviderPoller {
  readonly #provider: TrainingProvider;
  readonly #stateId: string;
  readonly #clock: Clock;
  readonly #listeners = new Set<Listener>();
  #timer: Timer | undefined;
  #running: Promise<Listing | undefined> | undefined;
  #timerAt = 0;
  #failures = 0;
  /** What the newest listing said, by native id. */
  readonly #listed = new Map<string, Listed>();
  #round = 0;
  /** Listings in a row that told nobody anything new. */
  #quiet = 0;
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

  /**
   * Tells of each listing, until the returned function is called; `onListing` returns true when it knows of its machine what the
   * listing says, and is then left alone while the machine is listed in the same state.
   */
  subscribe(machineId: string, onListing: (listing: Listing) => boolean): () => void {
    const listener: Listener = { machineId, onListing, knows: false };
    this.#listeners.add(listener);
    // A newcomer does not put off the listing that others wait for, and need not wait for a rare one.
    this.#quiet = 0;
    this.#schedule(this.#interval(), true);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#unschedule();
    };
  }

  /** A listing begun after this call; undefined when the provider could not be asked. */
  async fresh(): Promise<Listing | undefined> {
    // Who asks expects news.
    this.#quiet = 0;
    if (this.#running !== undefined) await this.#running;
    return this.#poll();
  }

  close(): void {
    this.#closed = true;
    this.#unschedule();
    this.#listeners.clear();
  }

  #interval(): number {
    const base = this.#provider.capabilities.pollMs ?? 10_000;
    const max = MAX_POLL_MS + this.#listed.size * PER_MACHINE_MS;
    return Math.max(base, Math.min(max, base * 2 ** Math.min(Math.max(this.#failures, this.#quiet), 6)));
  }

  /** `sooner`: only brings the next listing forward. */
  #schedule(delayMs: number, sooner = false): void {
    if (this.#closed || this.#listeners.size === 0) return;
    const at = this.#clock.monotonic() + delayMs;
    if (sooner && this.#timer !== undefined && this.#timerAt <= at) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#clock.timer(delayMs, () => {
      this.#timer = undefined;
      void this.#poll();
    });
  }

  #unschedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
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
    const listing: Listing = { machines: new Map(), complete: found.complete, begunAt, begunMonotonic };
    const changed = this.#compare(found.machines, listing.machines);
    let quiet = true;
    for (const listener of this.#listeners) {
      if (listener.knows && !changed.has(listener.machineId)) continue;
      listener.knows = listener.onListing(listing);
      quiet &&= listener.knows;
    }
    this.#quiet = quiet ? this.#quiet + 1 : 0;
    return listing;
  }

  /** Fills `into`; the machines that came, went or changed their state since the last listing. Runs over every machine of every listing. */
  #compare(machines: readonly Machine[], into: Map<string, Machine>): Set<string> {
    const changed = new Set<string>();
    this.#round += 1;
    for (const machine of machines) {
      const { ref, state } = machine;
      let known = this.#listed.get(ref.id);
      // One id in two regions: the second goes without the cache.
      if (known === undefined || known.region !== ref.region || known.kind !== ref.kind) {
        known = { key: formatRef(ref), region: ref.region, kind: ref.kind, state: undefined, round: 0 };
        this.#listed.set(ref.id, known);
      }
      if (known.state !== state) changed.add(known.key);
      known.state = state;
      known.round = this.#round;
      into.set(known.key, machine);
    }
    if (this.#listed.size === into.size) return changed;
    for (const [id, known] of this.#listed) {
      if (known.round === this.#round) continue;
      changed.add(known.key);
      this.#listed.delete(id);
    }
    return changed;
  }
}

/** A machine as the newest listing had it, with its text form: made once, not with every listing. */
interface Listed {
  key: string;
  region: string | undefined;
  kind: string;
  state: MachineState | undefined;
  round: number;
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
