import type { Runctl, StateStore } from "@runctl/core";
import type { ObjectStore } from "@runctl/core/provider";
import type { ProcessClock } from "../clock/process-clock.ts";
import type { Gate } from "./gate.ts";

/** A simulated process that uses runctl: it can be killed at any of its calls, frozen, and given a wrong clock. */
export class Controller {
  readonly name: string;
  /** The public library, with everything it does to the world behind this process's gate. */
  readonly runctl: Runctl;
  /** The state as this process sees it, unsynced appends of its own included. */
  readonly state: StateStore;
  /** The world's store as this process sees it. */
  readonly store: ObjectStore;
  /** Resolves when it is dead, and the effect it died in, if that was to be applied, has taken place. */
  readonly death: Promise<void>;
  readonly #gate: Gate;
  readonly #clock: ProcessClock;

  /** Made by `world.controller()`. */
  constructor(parts: { name: string; runctl: Runctl; state: StateStore; store: ObjectStore; gate: Gate; clock: ProcessClock }) {
    this.name = parts.name;
    this.runctl = parts.runctl;
    this.state = parts.state;
    this.store = parts.store;
    this.death = parts.gate.death;
    this.#gate = parts.gate;
    this.#clock = parts.clock;
  }

  get isAlive(): boolean {
    return !this.#gate.isDead;
  }

  /** Calls to the world so far. */
  get calls(): number {
    return this.#gate.calls;
  }

  /** kill -9: no timer of it fires, no call of it has an effect, no reply reaches it. What was sent before is on its way all the same. */
  kill(): void {
    this.#gate.kill();
  }

  /** SIGSTOP; with `suspend` a laptop whose lid is closed: the monotonic clock stands still, too. */
  freeze(options: { suspend?: boolean | undefined } = {}): void {
    this.#gate.freeze(options);
  }

  /** Goes on: timers that came due fire at once, replies and news arrive. */
  thaw(): void {
    this.#gate.thaw();
  }

  /** Its wall clock is off by `ms` from now on; 0 sets it right. */
  skew(ms: number): void {
    this.#clock.skew(ms);
  }

  /** Ends as a program does that calls `runctl.close()` and exits. Never resolves for a process that dies meanwhile. */
  async close(options: Parameters<Runctl["close"]>[0] = {}): Promise<void> {
    await this.runctl.close(options);
    this.#gate.kill();
  }
}
