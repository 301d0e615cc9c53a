import { EventEmitter } from "eventemitter3";
import { type Logger, silentLogger } from "../util/logger.ts";

/**
 * Live events inside this process. A listener that throws or rejects breaks nothing: the others are called, the failure goes to the
 * logger. Listeners added or removed during an event count from the next one.
 */
export class EventBus<E extends { type: string }> {
  // A prefix keeps event types apart from the "any" channel; eventemitter3 gives "error" no special meaning.
  readonly #emitter = new EventEmitter<string>();
  readonly #logger: Logger;

  constructor(logger: Logger = silentLogger) {
    this.#logger = logger;
  }

  /** Calls `listener` for events of `type`. Returns how to stop; repeating is fine. */
  on<K extends E["type"]>(type: K, listener: (event: Extract<E, { type: K }>) => void): () => void {
    return this.#add(`type:${type}`, listener as (event: E) => void);
  }

  /** Calls `listener` for every event. Returns how to stop; repeating is fine. */
  onAny(listener: (event: E) => void): () => void {
    return this.#add("any", listener);
  }

  /** Tells the listeners of the event's type, then those of all events. Never throws. */
  emit(event: E): void {
    this.#emitter.emit(`type:${event.type}`, event);
    this.#emitter.emit("any", event);
  }

  /** How many listeners there are. */
  get listenerCount(): number {
    return this.#emitter.eventNames().reduce((sum, name) => sum + this.#emitter.listenerCount(name), 0);
  }

  /** Lets go of all listeners. */
  clear(): void {
    this.#emitter.removeAllListeners();
  }

  #add(channel: string, listener: (event: E) => void): () => void {
    const guarded = (event: E): void => {
      try {
        // A listener may be an async function all the same: its rejection must not end the process.
        const result: unknown = listener(event);
        if (result instanceof Promise) result.catch((error: unknown) => this.#report(event, error));
      } catch (error) {
        this.#report(event, error);
      }
    };
    this.#emitter.on(channel, guarded);
    return () => void this.#emitter.off(channel, guarded);
  }

  #report(event: E, error: unknown): void {
    try {
      this.#logger.error?.("an event listener failed", { type: event.type, error: error instanceof Error ? error.message : String(error) });
    } catch {
      // A logger that throws breaks nothing either.
    }
  }
}
