import type { AppendOptions, SessionBeat, StateStore, StoredEvent, StreamInfo } from "@runctl/core";
import { type ConflictError, type JsonObject, NotFoundError, type Random, randomId } from "@runctl/core/provider";
import { appendConflict, cannotAdopt, numbered, type PendingEvent, parseStreamName, toPending } from "@runctl/core/seams";

interface Stream {
  /** JSON texts, so that nobody shares an object with the store. */
  events: string[];
  summary?: string | undefined;
}

/**
 * The state store of a simulated world: in memory, outliving every process. Controllers see it through their gates
 * (gated-state.ts); used directly it is an ordinary StateStore, for looking at what the world holds.
 */
export class WorldState implements StateStore {
  readonly kind = "memory";
  readonly #streams = new Map<string, Stream>();
  readonly #beats = new Map<string, SessionBeat>();
  readonly #watchers = new Set<(stream: string) => void>();
  #id: string;

  constructor(options: { random: Random }) {
    this.#id = randomId(options.random);
  }

  /** The id of this state: what "ours" means. */
  get id(): string {
    return this.#id;
  }

  /** Names of all streams, in the order in which they began. */
  get streams(): readonly string[] {
    return [...this.#streams.keys()];
  }

  /** A stream as it lies on the disk: one JSON text an event, and the summary of an ended one. Equal histories are equal bytes. */
  texts(stream: string): { events: readonly string[]; summary?: string | undefined } {
    return this.#streams.get(stream) ?? { events: [] };
  }

  lengthOf(stream: string): number {
    return this.#streams.get(stream)?.events.length ?? 0;
  }

  isEnded(stream: string): boolean {
    return this.#streams.get(stream)?.summary !== undefined;
  }

  /** What an append that expects another version gets. */
  conflict(stream: string, expected: number): ConflictError {
    return appendConflict(stream, expected, this.lengthOf(stream), this.isEnded(stream));
  }

  /** Appends at once. @throws ConflictError when `expected` is not the stream's length, or the stream has ended. */
  appendNow(stream: string, pending: PendingEvent[], expected: number): { next: number } {
    const known = this.#streams.get(stream) ?? { events: [] };
    const next = known.events.length;
    const ended = known.summary !== undefined;
    if (expected !== next || ended) throw appendConflict(stream, expected, next, ended);
    if (pending.length === 0) return { next };
    for (const event of numbered(pending, next)) known.events.push(JSON.stringify(event));
    this.#streams.set(stream, known);
    this.#changed(stream);
    return { next: known.events.length };
  }

  async stateId(): Promise<string> {
    return this.#id;
  }

  async adopt(stateId: string): Promise<void> {
    const [held] = this.#streams.keys();
    if (held !== undefined && this.#id !== stateId) throw cannotAdopt(held);
    this.#id = stateId;
  }

  async append(stream: string, events: JsonObject[], options: AppendOptions): Promise<{ next: number }> {
    parseStreamName(stream);
    return this.appendNow(stream, toPending(events, options), options.expected);
  }

  async read(stream: string, from = 0): Promise<StoredEvent[]> {
    parseStreamName(stream);
    const events = this.#streams.get(stream)?.events;
    if (events === undefined || from >= events.length) return [];
    return events.slice(Math.max(0, from)).map((text) => JSON.parse(text) as StoredEvent);
  }

  async *list(prefix: string): AsyncGenerator<StreamInfo> {
    const names = [...this.#streams.keys()].filter((name) => name.startsWith(prefix)).sort();
    for (const stream of names.reverse()) {
      const summary = this.#streams.get(stream)?.summary;
      yield summary === undefined ? { stream, ended: false } : { stream, ended: true, summary: JSON.parse(summary) as JsonObject };
    }
  }

  async compact(stream: string, summary: JsonObject): Promise<void> {
    parseStreamName(stream);
    const known = this.#streams.get(stream);
    if (known === undefined) throw new NotFoundError({ what: `There is no stream ${stream} to end.`, context: { stream } });
    if (known.summary !== undefined) return;
    known.summary = JSON.stringify(summary);
    this.#changed(stream);
  }

  async beat(beat: SessionBeat): Promise<void> {
    this.#beats.set(beat.session, { ...beat });
  }

  async beats(): Promise<SessionBeat[]> {
    return [...this.#beats.values()].map((beat) => ({ ...beat }));
  }

  async endSession(session: string): Promise<void> {
    this.#beats.delete(session);
  }

  watch(onChange: (stream: string) => void): () => void {
    const watcher = (stream: string): void => onChange(stream);
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  async close(): Promise<void> {
    this.#watchers.clear();
  }

  #changed(stream: string): void {
    for (const watcher of this.#watchers) queueMicrotask(() => this.#watchers.has(watcher) && watcher(stream));
  }
}
