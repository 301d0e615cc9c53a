import { ConflictError } from "../errors/kinds.ts";
import { encodeCursor } from "../events/cursor.ts";
import { isoNow } from "../util/clock.ts";
import type { EngineContext } from "./context.ts";
import { evolve } from "./evolve.ts";
import { failureRecord } from "./failure.ts";
import type { RunLogEvent } from "./log-events.ts";
import { projectEvents } from "./project-events.ts";
import { asJson, asLogged, runStream } from "./run-log.ts";
import type { RunState } from "./run-state.ts";
import type { SteadyNow } from "./steady-now.ts";

/** Thrown inside a driver when it may not act any more. Never leaves the engine. */
export class DriverStopped extends Error {}

/**
 * One driver's pen: appends to a run's log one after another, takes in what others appended, tells the world. Stops for good,
 * through `closing`, once another session holds the lease.
 */
export class LogWriter {
  readonly #context: EngineContext;
  readonly #closing: AbortController;
  readonly #time: SteadyNow;
  readonly #onChange: () => void;
  #state: RunState;
  #tail: Promise<unknown> = Promise.resolve();
  #broken = false;

  /** `time`: the clock that decisions are made by. Events stamped by another one would begin their limits in its past, or future. */
  constructor(context: EngineContext, state: RunState, closing: AbortController, time: SteadyNow, onChange: () => void) {
    this.#context = context;
    this.#time = time;
    this.#state = state;
    this.#closing = closing;
    this.#onChange = onChange;
  }

  get state(): RunState {
    return this.#state;
  }

  /**
   * Appends what `make` wants for the newest state; nothing when it wants nothing. After a conflict it is asked again.
   * @throws DriverStopped when the driver is closed, its lease is lost or the log has ended; whatever `make` throws.
   */
  append(make: (state: RunState) => RunLogEvent[], durable: boolean): Promise<void> {
    return this.#exclusive(async () => {
      for (;;) {
        if (this.#closing.signal.aborted) throw new DriverStopped("closed");
        const events = make(this.#state);
        if (events.length === 0) return;
        const { state: store, session } = this.#context;
        const at = new Date(this.#time.now()).toISOString();
        const expected = this.#state.version;
        const stored = asJson(events);
        try {
          await store.append(runStream(this.#state.runId), stored, { expected, session: session.id, at, durable });
        } catch (error) {
          if (!ConflictError.isInstance(error)) {
            this.#tellBroken(error);
            throw error;
          }
          await this.#reload();
          // Nothing is ever appended to an ended log: reloading would go on for ever.
          if (error.context.ended === true) throw new DriverStopped("the log has ended");
          continue;
        }
        this.#broken = false;
        stored.forEach((event, index) => {
          this.#take({ seq: expected + index, at, session: session.id, event });
        });
        this.#onChange();
        return;
      }
    });
  }

  /** Reads what others appended. @throws DriverStopped when another session took the lease. */
  sync(): Promise<void> {
    return this.#exclusive(() => this.#reload());
  }

  /** Resolves when nothing is being written any more. */
  async idle(): Promise<void> {
    await this.#tail.catch(() => undefined);
  }

  /** A log that cannot be written cannot hold its own alarm: listeners of this process hear of it, once until it works again. */
  #tellBroken(error: unknown): void {
    if (this.#broken) return;
    this.#broken = true;
    const { bus, clock, logger } = this.#context;
    const { runId, version } = this.#state;
    const { what, why, fix } = failureRecord(error);
    logger.error?.(`the log of run ${runId} cannot be written`, { runId, reason: what });
    bus.emit({
      v: 1,
      type: "alarm",
      cursor: encodeCursor({ stream: runStream(runId), seq: version - 1, index: 0 }),
      at: isoNow(clock),
      runId,
      id: "state-unwritable",
      what: `What happens to run ${runId} cannot be written down: ${what}`,
      why: `${why} The training goes on; nothing more is bought or ended until the state can be written again.`.trim(),
      fix: fix.length > 0 ? fix : ["Give the state its folder, room and permissions back."],
    });
  }

  async #reload(): Promise<void> {
    const stored = await this.#context.state.read(runStream(this.#state.runId), this.#state.version);
    for (const event of stored) this.#take(event);
    if (stored.length > 0) this.#onChange();
    if (this.#state.lease !== this.#context.session.id) {
      this.#closing.abort(new DriverStopped("lease lost"));
      throw new DriverStopped("lease lost");
    }
  }

  #take(stored: Parameters<typeof asLogged>[0]): void {
    const logged = asLogged(stored);
    const before = this.#state;
    this.#state = evolve(before, logged);
    for (const event of projectEvents(before, this.#state, logged)) this.#context.bus.emit(event);
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#tail.then(work, work);
    this.#tail = next.catch(() => undefined);
    return next;
  }
}
