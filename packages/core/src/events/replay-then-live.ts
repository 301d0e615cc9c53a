import { createFeed } from "./feed.ts";

/** Pushes of a live source: `end` when nothing more will come. */
export interface LiveSink<T> {
  push(item: T): void;
  end(): void;
  fail(error: unknown): void;
}

export interface ReplaySource<T, P> {
  /** Where the reader is already; undefined: the beginning. */
  after?: P | undefined;
  /** Everything stored behind `after`, in order. Read again whenever the reader lags. */
  replay(after: P | undefined): AsyncIterable<T>;
  /** Starts live pushes, returns how to stop them. An item must be in the replay before it is pushed. */
  subscribe(sink: LiveSink<T>): () => void;
  placeOf(item: T): P;
  /** Below 0 when `a` comes before `b`. */
  compare(a: P, b: P): number;
  /** Live items held for a slow reader; above it the reader catches up from the replay. Default 1,024. */
  limit?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * What was stored, then what happens, without a gap or a repeat, in bounded memory however slow the reader is. Subscribes at the first
 * step; `break`, an error or the signal let go of everything.
 * @throws the signal's own reason; whatever replay or the live source fail with
 */
export async function* replayThenLive<T, P>(source: ReplaySource<T, P>): AsyncGenerator<T, void, undefined> {
  source.signal?.throwIfAborted();
  let stop: (() => void) | undefined;
  const feed = createFeed<T>({ limit: source.limit, signal: source.signal, onRelease: () => stop?.() });
  let at = source.after;
  const isNew = (item: T): boolean => {
    const place = source.placeOf(item);
    if (at !== undefined && source.compare(place, at) <= 0) return false;
    at = place;
    return true;
  };
  try {
    // Subscribed before reading, so that nothing falls between the two.
    stop = source.subscribe(feed);
    for (;;) {
      for await (const item of source.replay(at)) {
        source.signal?.throwIfAborted();
        if (isNew(item)) yield item;
      }
      for (;;) {
        const step = await feed.next();
        if (step.kind === "end") return;
        if (step.kind === "lagged") break;
        if (isNew(step.item)) yield step.item;
      }
    }
  } finally {
    feed.release();
  }
}
