import type { ResourceRecord } from "../cost/resource-record.ts";
import { ConflictError } from "../errors/kinds.ts";
import type { Notice } from "../provider/plan.ts";
import type { StateStore, StreamInfo } from "../state/state-store.ts";
import { type Clock, isoNow } from "../util/clock.ts";
import { sha256Hex } from "../util/hash.ts";
import type { JsonObject } from "../util/json.ts";
import { KeyedMutex } from "../util/keyed-mutex.ts";
import { evolveResource, NEW_RESOURCE, type ResourceState } from "./evolve-resource.ts";
import type { ResourceEvent } from "./resource-events.ts";

/** A folded stream and where it stands. */
export interface LoadedResource {
  stream: string;
  /** Events so far: what an append must expect. */
  next: number;
  ended: boolean;
  state: ResourceState;
}

const READS_AT_ONCE = 16;

/** The `resource/<id>` streams, folded and cached: a read costs only what was appended since the last one. */
export class ResourceLog {
  readonly #state: StateStore;
  readonly #clock: Clock;
  readonly #session: string;
  readonly #cache = new Map<string, LoadedResource>();
  readonly #mutex = new KeyedMutex();

  constructor(state: StateStore, clock: Clock, session: string) {
    this.#state = state;
    this.#clock = clock;
    this.#session = session;
  }

  /** The stream of a resource that was not bought through an intent. Ids hold slashes and capitals, stream names do not. */
  static streamOf(resourceId: string): string {
    return `resource/h-${sha256Hex(resourceId).slice(0, 40)}`;
  }

  /** Every resource stream; those that cannot be read are named in `problems`, not skipped in silence. */
  async all(): Promise<{ resources: LoadedResource[]; problems: Notice[] }> {
    const infos: StreamInfo[] = [];
    for await (const info of this.#state.list("resource/")) infos.push(info);
    const resources: LoadedResource[] = [];
    const problems: Notice[] = [];
    for (let i = 0; i < infos.length; i += READS_AT_ONCE) {
      const batch = await Promise.all(infos.slice(i, i + READS_AT_ONCE).map((info) => this.#loadInfo(info, problems)));
      for (const loaded of batch) if (loaded !== undefined) resources.push(loaded);
    }
    return { resources, problems };
  }

  async load(stream: string): Promise<LoadedResource> {
    const known = this.#cache.get(stream) ?? { stream, next: 0, ended: false, state: NEW_RESOURCE };
    const events = await this.#state.read(stream, known.next);
    if (events.length === 0) return known;
    const state = events.reduce((folded, { event }) => evolveResource(folded, event as unknown as ResourceEvent), known.state);
    const loaded = { stream, next: known.next + events.length, ended: known.ended, state };
    this.#cache.set(stream, loaded);
    return loaded;
  }

  /**
   * Decides on the newest state and appends; decides again when somebody else was first. No events: nothing is written.
   * @throws what `decide` throws; ConflictError when the stream has ended.
   */
  update(
    stream: string,
    decide: (loaded: LoadedResource) => ResourceEvent[],
    options: { durable?: boolean } = {},
  ): Promise<LoadedResource> {
    return this.#mutex.run(stream, async () => {
      for (;;) {
        const loaded = await this.load(stream);
        const events = decide(loaded);
        if (events.length === 0) return loaded;
        try {
          const append = { expected: loaded.next, session: this.#session, at: isoNow(this.#clock), durable: options.durable ?? true };
          await this.#state.append(stream, events as unknown as JsonObject[], append);
          return await this.load(stream);
        } catch (error) {
          if (!ConflictError.isInstance(error) || error.context.ended === true) throw error;
        }
      }
    });
  }

  /** Closes a stream whose resource is gone: one file, and lists read its record from the index. */
  async end(stream: string): Promise<void> {
    const { state } = await this.load(stream);
    await this.#state.compact(stream, {
      v: 1,
      record: state.record as unknown as JsonObject,
      purchase: state.purchase,
      mirror: state.mirror,
    });
  }

  async #loadInfo(info: StreamInfo, problems: Notice[]): Promise<LoadedResource | undefined> {
    if (info.corrupt !== undefined) {
      problems.push(unreadable(info.stream, info.corrupt));
      return undefined;
    }
    const cached = this.#cache.get(info.stream);
    if (info.ended && cached?.ended === true) return cached;
    const summary = info.ended ? fromSummary(info) : undefined;
    try {
      const loaded = summary ?? { ...(await this.load(info.stream)), ended: info.ended };
      if (loaded.ended) this.#cache.set(info.stream, loaded);
      return loaded;
    } catch (error) {
      problems.push(unreadable(info.stream, error instanceof Error ? error.message : String(error)));
      return undefined;
    }
  }
}

function fromSummary(info: StreamInfo): LoadedResource | undefined {
  if (info.summary?.v !== 1) return undefined;
  const record = info.summary.record as unknown as ResourceRecord | undefined;
  const purchase = info.summary.purchase as ResourceState["purchase"];
  const mirror = info.summary.mirror === true;
  // `next` is unknown and not needed: nothing is appended to an ended stream.
  return { stream: info.stream, next: 0, ended: true, state: { record, purchase, mirror, usage: [] } };
}

function unreadable(stream: string, why: string): Notice {
  return {
    id: "state-unreadable",
    what: `The record ${stream} cannot be read.`,
    why,
    fix: ["Its resource may still cost money: look for it at the provider, then run reconcile()."],
  };
}
