import type { StateStore, StreamInfo } from "@runctl/core";
import { type Clock, ConflictError, type Timer } from "@runctl/core/provider";
import { type PendingEvent, parseStreamName, toPending } from "@runctl/core/seams";
import type { Gate } from "./gate.ts";
import type { WorldState } from "./world-state.ts";

/** What is appended with `durable: false` is written after this long, as in `fileState`. */
const HOLD_MS = 50;

/** Events of one stream that are still in the process's memory. */
interface Held {
  events: PendingEvent[];
  /** Length of the stream that they were appended to. */
  base: number;
  timer?: Timer | undefined;
  /** A conflict met by a write in the background: the next append hears of it. */
  late?: ConflictError | undefined;
}

export interface GatedStateOptions {
  state: WorldState;
  gate: Gate;
  clock: Clock;
  /** The process's computer in its signs of life. */
  host: string;
  /** "dropped": appends that need not be durable stay in the process's memory for 50 ms and die with it. "kept": they are written at once. */
  unsynced: "dropped" | "kept";
  /** A fresh folder for the process's temporary files. */
  scratch: () => string;
  /** Sessions of processes that everybody can see to be dead. */
  isSeenDead: (session: string) => boolean;
  onSession: (session: string) => void;
}

/** The world's state as one process sees it: every call through its gate, unsynced appends in its own memory, as `fileState` has it. */
export function gatedState(options: GatedStateOptions): StateStore {
  const { state, gate, clock, unsynced } = options;
  const held = new Map<string, Held>();

  const heldOf = (stream: string): Held => {
    let entry = held.get(stream);
    if (entry === undefined) {
      entry = { events: [], base: 0 };
      held.set(stream, entry);
    }
    return entry;
  };

  const write = (stream: string, extra: PendingEvent[], expected?: number): { next: number } => {
    const entry = held.get(stream);
    if (entry === undefined || entry.events.length === 0) return state.appendNow(stream, extra, expected ?? state.lengthOf(stream));
    const batch = [...entry.events, ...extra];
    entry.timer?.cancel();
    held.delete(stream);
    return state.appendNow(stream, batch, entry.base);
  };

  /** Writes what is held, outside an append. */
  const settle = (stream: string): void => {
    try {
      write(stream, []);
    } catch (error) {
      if (!ConflictError.isInstance(error)) throw error;
      heldOf(stream).late = error;
    }
  };

  const flush = (stream: string): Promise<void> =>
    gate.call("state", "flush", stream, true, async () => {
      settle(stream);
    });

  return {
    kind: state.kind,
    stateId: () => gate.call("state", "stateId", "", false, () => state.stateId()),
    adopt: (stateId) => gate.call("state", "adopt", stateId, true, () => state.adopt(stateId)),
    async append(stream, events, appendOptions) {
      parseStreamName(stream);
      const pending = toPending(events, appendOptions);
      const types = events.map((event) => event.type).join(", ");
      const late = held.get(stream)?.late;
      if (late !== undefined) {
        held.delete(stream);
        throw late;
      }
      if (appendOptions.durable === false && unsynced === "dropped" && pending.length > 0) {
        return gate.call("state", "append", `${stream} (held) ${types}`, false, async () => {
          const entry = heldOf(stream);
          const length = state.lengthOf(stream);
          if (entry.events.length === 0) entry.base = length;
          if (entry.base !== length || entry.base + entry.events.length !== appendOptions.expected || state.isEnded(stream)) {
            if (entry.base !== length) entry.events = [];
            throw state.conflict(stream, appendOptions.expected);
          }
          entry.events.push(...pending);
          entry.timer ??= clock.timer(HOLD_MS, () => void flush(stream));
          return { next: entry.base + entry.events.length };
        });
      }
      return gate.call("state", "append", `${stream} ${types}`, true, async () => {
        const entry = held.get(stream);
        if (entry !== undefined && entry.events.length > 0 && entry.base + entry.events.length !== appendOptions.expected) {
          if (state.lengthOf(stream) !== entry.base) {
            entry.timer?.cancel();
            held.delete(stream);
          }
          throw state.conflict(stream, appendOptions.expected);
        }
        return write(stream, pending, appendOptions.expected);
      });
    },
    read(stream, from) {
      // What this process holds is written first, as `fileState` does.
      const holds = (held.get(stream)?.events.length ?? 0) > 0;
      return gate.call("state", "read", stream, holds, async () => {
        if (holds) settle(stream);
        return state.read(stream, from);
      });
    },
    async *list(prefix) {
      // The far side is looked at once; pages of it are no calls of their own.
      const holding = [...held].filter(([, entry]) => entry.events.length > 0).map(([stream]) => stream);
      const found = await gate.call("state", "list", prefix, holding.length > 0, async () => {
        for (const stream of holding) settle(stream);
        const all: StreamInfo[] = [];
        for await (const info of state.list(prefix)) all.push(info);
        return all;
      });
      yield* found;
    },
    compact: (stream, summary) =>
      gate.call("state", "compact", stream, true, async () => {
        if ((held.get(stream)?.events.length ?? 0) > 0) write(stream, []);
        await state.compact(stream, summary);
      }),
    beat(beat) {
      options.onSession(beat.session);
      // The process that simulates is alive as long as anybody looks: a simulated one must not be taken for it.
      const own = beat.pid === process.pid ? { ...beat, host: options.host, bootId: options.host, startTime: "" } : beat;
      return gate.call("state", "beat", beat.session, true, () => state.beat(own));
    },
    beats: () =>
      gate.call("state", "beats", "", false, async () => (await state.beats()).filter((beat) => !options.isSeenDead(beat.session))),
    endSession: (session) => gate.call("state", "endSession", session, true, () => state.endSession(session)),
    watch: (onChange) => state.watch((stream) => gate.deliver(() => onChange(stream))),
    /** Another one each time: a cache from an earlier call would make a history depend on the real disk's times. */
    get dataDir() {
      return options.scratch();
    },
    close: async () => undefined,
  };
}
