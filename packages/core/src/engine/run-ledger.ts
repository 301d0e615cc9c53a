import type { ResourceRecord, ResourceSource } from "../cost/resource-record.ts";
import type { StateStore } from "../state/state-store.ts";
import { evolve } from "./evolve.ts";
import { asLogged } from "./run-log.ts";
import { endedRunOf, recordsOf } from "./run-records.ts";
import type { RunState } from "./run-state.ts";

/**
 * The machines of all runs of a state store, as the tracker and the cost reports see them. Of runs that go on only what is new is
 * read: sums are asked for again and again while a thousand runs train.
 */
export class RunLedger implements ResourceSource {
  readonly #store: StateStore;
  readonly #driven: (runId: string) => RunState | undefined;
  readonly #known = new Map<string, { state: RunState; records: ResourceRecord[] }>();

  /** `driven`: the state of a run that this process drives, which needs no reading. */
  constructor(store: StateStore, driven: (runId: string) => RunState | undefined) {
    this.#store = store;
    this.#driven = driven;
  }

  async *records(options?: { from?: string | undefined }): AsyncGenerator<ResourceRecord> {
    const from = options?.from === undefined ? undefined : Date.parse(options.from);
    const stateId = await this.#store.stateId();
    for await (const info of this.#store.list("run/")) {
      const ended = info.ended ? endedRunOf(info.summary) : undefined;
      if (ended !== undefined) {
        this.#known.delete(info.stream);
        if (from === undefined || Date.parse(ended.run.endedAt ?? "") >= from) yield* ended.records;
        continue;
      }
      // A run that cannot be read is reported by reconcile and by runs.list; the rest must still add up.
      if (info.corrupt === undefined) yield* await this.#live(info.stream, stateId).catch(() => []);
    }
  }

  async #live(stream: string, stateId: string): Promise<ResourceRecord[]> {
    const known = this.#known.get(stream);
    let state = this.#driven(stream.slice("run/".length)) ?? known?.state;
    if (state === undefined || state === known?.state) {
      for (const stored of await this.#store.read(stream, state?.version ?? 0)) state = evolve(state, asLogged(stored));
    }
    if (state === undefined) return [];
    if (state === known?.state) return known.records;
    const records = recordsOf(state, stateId);
    this.#known.set(stream, { state, records });
    return records;
  }
}
