/** Something that happened in the cloud. */
export interface CloudEvent {
  /** Milliseconds of the cloud's clock. */
  at: number;
  kind:
    | "call"
    | "fault"
    | "made"
    | "running"
    | "stopped"
    | "started"
    | "ended"
    | "notice"
    | "rebalance"
    | "maintenance"
    | "powered-off"
    | "queued"
    | "hung"
    | "tagged"
    | "volume";
  /** The operation, for "call" and "fault". */
  op?: string | undefined;
  /** The client that called, by name. */
  client?: string | undefined;
  account?: string | undefined;
  /** Id of the machine or volume. */
  id?: string | undefined;
  detail?: string | undefined;
}

/** The newest events, at most twice `keep` and at least `keep` of them where so many happened. */
export class CloudEvents {
  readonly #keep: number;
  readonly #listener: ((event: CloudEvent) => void) | undefined;
  #events: CloudEvent[] = [];

  constructor(keep: number, listener?: ((event: CloudEvent) => void) | undefined) {
    this.#keep = keep;
    this.#listener = listener;
  }

  get list(): readonly CloudEvent[] {
    return this.#events;
  }

  /** Whether anybody would see an event: building one costs. */
  get wanted(): boolean {
    return this.#keep > 0 || this.#listener !== undefined;
  }

  push(event: CloudEvent): void {
    this.#listener?.(event);
    if (this.#keep === 0) return;
    this.#events.push(event);
    if (this.#events.length >= 2 * this.#keep) this.#events = this.#events.slice(-this.#keep);
  }
}
