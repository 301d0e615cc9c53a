import { TimeoutError } from "../errors/kinds.ts";

/** What a reader of a feed gets next. "lagged": it was too slow, the items buffered so far were dropped. */
export type FeedStep<T> = { kind: "item"; item: T } | { kind: "lagged" } | { kind: "end" };

export interface FeedOptions {
  /** Items held for a slow reader; above it all are dropped and the reader is told "lagged". Default 1,024. */
  limit?: number | undefined;
  /** Ends the feed: the reader's next step rejects with the signal's own reason. */
  signal?: AbortSignal | undefined;
  /** Called once, when the feed is over or its reader left: unsubscribe here. */
  onRelease?: (() => void) | undefined;
}

/** A bounded queue from pushes to one async reader. */
export interface Feed<T> extends AsyncIterable<T> {
  /** False when the item was not kept: the reader lags, left, or the feed is over. */
  push(item: T): boolean;
  /** No more items; the reader gets what is buffered first. */
  end(): void;
  /** As `end`, then the reader's next step rejects with `error`. */
  fail(error: unknown): void;
  /** The next step, for readers that can catch up by themselves. One at a time. */
  next(): Promise<FeedStep<T>>;
  /** The reader leaves: everything is let go. Repeating is fine. */
  release(): void;
}

/**
 * A feed for one reader. `for await` over it throws a retryable TimeoutError when the reader lags; `break` releases everything.
 */
export function createFeed<T>(options: FeedOptions = {}): Feed<T> {
  const limit = Math.max(1, options.limit ?? 1024);
  const { signal } = options;
  let items: T[] = [];
  // Taking from the front by index keeps each step constant in time.
  let head = 0;
  let lagged = false;
  let over: { failed: false } | { failed: true; error: unknown } | undefined;
  let released = false;
  let waiting: { resolve: (step: FeedStep<T>) => void; reject: (error: unknown) => void } | undefined;

  const release = (): void => {
    if (released) return;
    released = true;
    over ??= { failed: false };
    items = [];
    head = 0;
    lagged = false;
    signal?.removeEventListener("abort", onAbort);
    waiting?.resolve({ kind: "end" });
    waiting = undefined;
    options.onRelease?.();
  };

  /** The step that can be given now; undefined when the reader has to wait. */
  const ready = (): FeedStep<T> | undefined => {
    if (lagged) {
      lagged = false;
      return { kind: "lagged" };
    }
    if (head < items.length) {
      const item = items[head] as T;
      head += 1;
      if (head === items.length) {
        items = [];
        head = 0;
      }
      return { kind: "item", item };
    }
    return over === undefined ? undefined : { kind: "end" };
  };

  const wake = (): void => {
    if (waiting === undefined) return;
    const reader = waiting;
    if (over?.failed === true && !lagged && head >= items.length) {
      waiting = undefined;
      const { error } = over;
      release();
      reader.reject(error);
      return;
    }
    const step = ready();
    if (step === undefined) return;
    waiting = undefined;
    if (step.kind === "end") release();
    reader.resolve(step);
  };

  const finish = (how: NonNullable<typeof over>): void => {
    if (over !== undefined) return;
    over = how;
    wake();
  };

  const onAbort = (): void => {
    // An abort does not wait for the reader to work through the buffer.
    items = [];
    head = 0;
    lagged = false;
    over = { failed: true, error: signal?.reason };
    wake();
  };
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });

  const next = (): Promise<FeedStep<T>> =>
    new Promise((resolve, reject) => {
      waiting = { resolve, reject };
      wake();
    });

  return {
    push(item) {
      if (over !== undefined || lagged) return false;
      if (items.length - head >= limit) {
        items = [];
        head = 0;
        lagged = true;
        return false;
      }
      items.push(item);
      wake();
      return true;
    },
    end: () => finish({ failed: false }),
    fail: (error) => finish({ failed: true, error }),
    next,
    release,
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          const step = await next();
          if (step.kind === "end") return;
          if (step.kind === "lagged") {
            throw new TimeoutError({ what: `The reader fell more than ${limit} items behind.`, fix: ["Read again from the last cursor."] });
          }
          yield step.item;
        }
      } finally {
        release();
      }
    },
  };
}
