import type { SessionBeat } from "../state/state-store.ts";
import type { Clock } from "../util/clock.ts";
import { mayBeAlive } from "../util/process-identity.ts";

/** Another machine's holder is given up when its beat stood still this long on OUR monotonic clock (host-and-state.md §4.7). */
const STALE_MS = 30_000;

/** Judges whether a lease may be taken. Remembers when each session's beat last moved, by our own monotonic clock only. */
export class LeaseWatch {
  readonly #clock: Clock;
  readonly #self: string;
  readonly #seen = new Map<string, { n: number; since: number }>();

  constructor(clock: Clock, self: string) {
    this.#clock = clock;
    this.#self = self;
  }

  /** "mine", "free" (nobody, ended, or dead beyond doubt) or "held". */
  judge(lease: string | undefined, beats: readonly SessionBeat[]): "mine" | "free" | "held" {
    if (lease === this.#self) return "mine";
    if (lease === undefined) return "free";
    // A session beats before it takes its first lease and removes its beat when it ends: no beat means ended.
    const beat = beats.find((candidate) => candidate.session === lease);
    if (beat === undefined || !mayBeAlive(beat)) return "free";
    const now = this.#clock.monotonic();
    const seen = this.#seen.get(lease);
    if (seen === undefined || seen.n !== beat.n) {
      this.#seen.set(lease, { n: beat.n, since: now });
      return "held";
    }
    return now - seen.since >= STALE_MS ? "free" : "held";
  }
}
