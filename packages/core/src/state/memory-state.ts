import { NotFoundError } from "../errors/kinds.ts";
import type { JsonObject } from "../util/json.ts";
import { type Random, randomId, systemRandom } from "../util/random.ts";
import { appendConflict, cannotAdopt, numbered, toPending } from "./state-conflicts.ts";
import type { SessionBeat, StateStore, StoredEvent, StreamName } from "./state-store.ts";
import { parseStreamName } from "./stream-name.ts";

interface MemoryStream {
  /** JSON texts, so that nobody shares an object with the store. */
  events: string[];
  summary?: string | undefined;
}

/**
 * A state store in this process's memory: for tests and throw-away use. Everything is gone with the process.
 * `close()` only drops watchers, so that a second driver in the same process finds what the first one left.
 */
export function memoryState(options: { random?: Random | undefined } = {}): StateStore {
  const streams = new Map<string, MemoryStream>();
  const beats = new Map<string, string>();
  const watchers = new Set<(stream: StreamName) => void>();
  let id = randomId(options.random ?? systemRandom);

  const changed = (stream: StreamName): void => {
    for (const watcher of watchers) queueMicrotask(() => watchers.has(watcher) && watcher(stream));
  };

  return {
    kind: "memory",
    async stateId() {
      return id;
    },
    async adopt(wanted) {
      const [held] = streams.keys();
      if (held !== undefined && id !== wanted) throw cannotAdopt(held);
      id = wanted;
    },
    async append(stream, events, appendOptions) {
      parseStreamName(stream);
      const pending = toPending(events, appendOptions);
      const known = streams.get(stream) ?? { events: [] };
      const next = known.events.length;
      const ended = known.summary !== undefined;
      if (appendOptions.expected !== next || ended) throw appendConflict(stream, appendOptions.expected, next, ended);
      if (pending.length === 0) return { next };
      known.events.push(...numbered(pending, next).map((event) => JSON.stringify(event)));
      streams.set(stream, known);
      changed(stream);
      return { next: known.events.length };
    },
    async read(stream, from = 0) {
      parseStreamName(stream);
      return (streams.get(stream)?.events ?? []).slice(Math.max(0, from)).map((text) => JSON.parse(text) as StoredEvent);
    },
    async *list(prefix) {
      const names = [...streams.keys()].filter((name) => name.startsWith(prefix)).sort();
      for (const stream of names.reverse()) {
        const summary = streams.get(stream)?.summary;
        yield summary === undefined ? { stream, ended: false } : { stream, ended: true, summary: JSON.parse(summary) as JsonObject };
      }
    },
    async compact(stream, summary) {
      parseStreamName(stream);
      const known = streams.get(stream);
      if (known === undefined) throw new NotFoundError({ what: `There is no stream ${stream} to end.`, context: { stream } });
      if (known.summary !== undefined) return;
      known.summary = JSON.stringify(summary);
      changed(stream);
    },
    async beat(beat) {
      beats.set(beat.session, JSON.stringify(beat));
    },
    async beats() {
      return [...beats.values()].map((text) => JSON.parse(text) as SessionBeat);
    },
    async endSession(session) {
      beats.delete(session);
    },
    watch(onChange) {
      const watcher = (stream: StreamName): void => onChange(stream);
      watchers.add(watcher);
      return () => void watchers.delete(watcher);
    },
    async close() {
      watchers.clear();
    },
  };
}
