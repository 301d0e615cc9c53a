import type { StateStore } from "../state/state-store.ts";
import type { Clock, Timer } from "../util/clock.ts";

/** Hints come in bursts, our own appends among them. */
const HINT_PAUSE_MS = 150;
/** Where a store tells of changes, looking without a hint is only the net below: it comes ever more rarely while it finds nothing. */
const SWEEP_MS = 2_000;
const MAX_SWEEP_MS = 30_000;
/** One sweep reads at most this many runs, in turn: a thousand cost what twenty cost. */
const SWEEP_RUNS = 20;
/** A holder that died is seen this soon, where somebody stands by for its run. */
const STANDBY_MS = 1_000;

/** What is kept up with the state store. */
export interface Followed {
  /** Runs that others may write to while this process drives them or stands by. */
  runIds(): string[];
  isFollowed(runId: string): boolean;
  /** Reads what others wrote to a run. True: there was something. */
  catchUp(runId: string): Promise<boolean>;
  /** True while this process stands by for runs that somebody else holds. */
  isStandingBy(): boolean;
  /** Takes over what its holder left. */
  tendStandby(): Promise<void>;
  /** A run's log may have changed, or with none named: any run's. */
  changed(runId: string | undefined): void;
}

/** Keeps the runs of this process up with what other processes append: at once by the store's hints, and by rare sweeps without. */
export class StateFollower {
  readonly #state: StateStore;
  readonly #clock: Clock;
  readonly #followed: Followed;
  /** Runs that hints named since the last look; "all": one named none. */
  #dirty: Set<string> | "all" = new Set();
  #unwatch: (() => void) | undefined;
  #hinted: Timer | undefined;
  #timer: Timer | undefined;
  #armedFor = 0;
  #sweepAt = Number.POSITIVE_INFINITY;
  #tendAt = Number.POSITIVE_INFINITY;
  #pauseMs = SWEEP_MS;
  #turn: string[] = [];
  #tending = false;
  #closed = false;

  constructor(state: StateStore, clock: Clock, followed: Followed) {
    this.#state = state;
    this.#clock = clock;
    this.#followed = followed;
  }

  /** Begins to follow. */
  start(): void {
    if (this.#closed) return;
    this.#unwatch ??= this.#state.watch?.((stream) => this.#hint(stream)) ?? (() => undefined);
    if (this.#timer === undefined) this.soon();
  }

  /** A run is stood by for: its holder is looked at soon. */
  standBy(): void {
    this.#tendAt = Math.min(this.#tendAt, this.#clock.monotonic() + STANDBY_MS);
    this.start();
    this.soon();
  }

  /** Something new is followed, or hints cannot be relied on: looks soon, and more often for a while. */
  soon(): void {
    const now = this.#clock.monotonic();
    this.#pauseMs = SWEEP_MS;
    this.#sweepAt = Math.min(this.#sweepAt, now + SWEEP_MS);
    this.#arm();
  }

  close(): void {
    this.#closed = true;
    this.#unwatch?.();
    this.#timer?.cancel();
    this.#hinted?.cancel();
  }

  #hint(stream: string | undefined): void {
    if (stream === undefined) this.#dirty = "all";
    else if (!stream.startsWith("run/")) return;
    else if (this.#dirty !== "all") this.#dirty.add(stream.slice("run/".length));
    this.#hinted ??= this.#clock.timer(HINT_PAUSE_MS, () => this.#lookAtHinted(), { unref: true });
  }

  #lookAtHinted(): void {
    this.#hinted = undefined;
    const dirty = this.#dirty;
    this.#dirty = new Set();
    for (const runId of dirty === "all" ? this.#followed.runIds() : dirty) {
      if (this.#followed.isFollowed(runId)) void this.#catchUp(runId);
      if (dirty !== "all") this.#followed.changed(runId);
    }
    if (dirty === "all") this.#followed.changed(undefined);
  }

  #arm(): void {
    const at = Math.min(this.#sweepAt, this.#tendAt);
    if (this.#closed || (this.#timer !== undefined && this.#armedFor <= at)) return;
    this.#timer?.cancel();
    this.#armedFor = at;
    this.#timer = this.#clock.timer(Math.max(0, at - this.#clock.monotonic()), () => this.#look(), { unref: true });
  }

  #look(): void {
    this.#timer = undefined;
    const now = this.#clock.monotonic();
    if (now >= this.#tendAt) {
      this.#tendAt = this.#followed.isStandingBy() ? now + STANDBY_MS : Number.POSITIVE_INFINITY;
      this.#tend();
    }
    if (now >= this.#sweepAt) {
      if (this.#state.watch !== undefined) this.#pauseMs = Math.min(MAX_SWEEP_MS, this.#pauseMs * 1.5);
      this.#sweepAt = now + this.#pauseMs;
      if (this.#turn.length === 0) this.#turn = this.#followed.runIds();
      for (const runId of this.#turn.splice(0, SWEEP_RUNS)) void this.#catchUp(runId, true);
      if (this.#followed.isStandingBy()) this.#tendAt = Math.min(this.#tendAt, now + STANDBY_MS);
    }
    this.#arm();
  }

  #tend(): void {
    if (this.#tending) return;
    this.#tending = true;
    this.#followed
      .tendStandby()
      .catch(() => undefined)
      .finally(() => {
        this.#tending = false;
      });
  }

  /** `swept`: found without a hint; then hints do not work here, and sweeps come often again. */
  async #catchUp(runId: string, swept = false): Promise<void> {
    const found = await this.#followed.catchUp(runId).catch(() => false);
    if (found && swept && !this.#closed) this.soon();
  }
}
