import type { StateStore } from "../state/state-store.ts";
import { type Clock, isoNow, type Timer } from "../util/clock.ts";
import { ownIdentity } from "../util/process-identity.ts";
import { type Random, randomId } from "../util/random.ts";

/** A sign of life every 10 s; a holder silent for 15 s by either clock proves its lease again before any effect (host-and-state.md §4). */
const BEAT_MS = 10_000;
const SILENT_MS = 15_000;

/**
 * This process as a controller: an id and a heartbeat in the state store. One for all runs it drives.
 * The heartbeat's timer does not keep the process alive.
 */
export class ControllerSession {
  readonly id: string;
  readonly #state: StateStore;
  readonly #clock: Clock;
  #n = 0;
  #timer: Timer | undefined;
  #started: Promise<void> | undefined;
  #lastBeat: { wall: number; monotonic: number } | undefined;
  #ended = false;

  constructor(state: StateStore, clock: Clock, random: Random) {
    this.id = randomId(random);
    this.#state = state;
    this.#clock = clock;
  }

  /** The first beat is durable before any lease can name this session. */
  start(): Promise<void> {
    this.#started ??= this.#beat();
    return this.#started;
  }

  /** False after a pause (suspended laptop, stopped process): somebody else may have taken over. */
  isFresh(): boolean {
    if (this.#lastBeat === undefined || this.#ended) return false;
    const wall = Math.abs(this.#clock.now() - this.#lastBeat.wall);
    return wall < SILENT_MS && this.#clock.monotonic() - this.#lastBeat.monotonic < SILENT_MS;
  }

  /** Beats now; resolves when it is written. */
  async renew(): Promise<void> {
    await this.#beat();
  }

  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.cancel();
    if (this.#started === undefined) return;
    await this.#started.catch(() => undefined);
    await this.#state.endSession(this.id);
  }

  async #beat(): Promise<void> {
    this.#timer?.cancel();
    // Before the write: a slow disk must not make the beat look younger than it is.
    const at = { wall: this.#clock.now(), monotonic: this.#clock.monotonic() };
    this.#n += 1;
    try {
      await this.#state.beat({ session: this.id, n: this.#n, ...ownIdentity(), at: isoNow(this.#clock) });
      this.#lastBeat = at;
    } finally {
      if (!this.#ended) {
        this.#timer = this.#clock.timer(BEAT_MS, () => void this.#beat().catch(() => undefined), { unref: true });
      }
    }
  }
}
