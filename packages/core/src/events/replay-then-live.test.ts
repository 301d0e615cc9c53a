import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { settle } from "../../test/support/manual-clock.ts";
import { createFeed } from "./feed.ts";
import { type LiveSink, replayThenLive } from "./replay-then-live.ts";

/** A log that grows, with pages as replay and pushes as live source. */
class Log {
  readonly items: number[] = [];
  readonly sinks = new Set<LiveSink<number>>();
  replays = 0;

  add(count: number): void {
    for (let n = 0; n < count; n += 1) {
      const item = this.items.length;
      this.items.push(item);
      for (const sink of this.sinks) sink.push(item);
    }
  }

  end(): void {
    for (const sink of this.sinks) sink.end();
  }

  follow(options: { after?: number; limit?: number; signal?: AbortSignal } = {}): AsyncGenerator<number, void, undefined> {
    const log = this;
    return replayThenLive<number, number>({
      ...options,
      async *replay(after) {
        log.replays += 1;
        // A read is a snapshot: what is added meanwhile is not in it.
        const stored = log.items.length;
        for (let at = after === undefined ? 0 : after + 1; at < stored; at += 1) yield log.items[at] ?? -1;
      },
      subscribe(sink) {
        log.sinks.add(sink);
        return () => log.sinks.delete(sink);
      },
      placeOf: (item) => item,
      compare: (a, b) => a - b,
    });
  }
}

const upTo = (count: number, from = 0): number[] => Array.from({ length: count - from }, (_, n) => n + from);

describe("replayThenLive", () => {
  it("S-06 replays, then follows, without gap or repeat, and ends", async () => {
    const log = new Log();
    log.add(5);
    const seen: number[] = [];
    const reading = (async () => {
      for await (const item of log.follow()) {
        seen.push(item);
        // What arrives while the replay is being read comes live.
        if (item === 2) log.add(3);
      }
    })();
    await settle();
    log.add(4);
    log.end();
    await reading;
    expect(seen).toEqual(upTo(12));
    expect(log.sinks.size).toBe(0);
  });

  it("S-06 goes on after a cursor", async () => {
    const log = new Log();
    log.add(10);
    const reader = log.follow({ after: 6 });
    expect([(await reader.next()).value, (await reader.next()).value, (await reader.next()).value]).toEqual([7, 8, 9]);
    await reader.return();
  });

  it("100,000 events through a slow reader: bounded buffer, none lost, none twice", async () => {
    const log = new Log();
    log.add(10);
    const limit = 100;
    let next = 0;
    for await (const item of log.follow({ limit })) {
      if (item !== next) expect(item).toBe(next);
      next += 1;
      // The source is ten times faster than the reader.
      if (log.items.length < 100_000) log.add(10);
      else log.end();
    }
    expect(next).toBe(100_000);
    expect(log.replays).toBeGreaterThan(2);
    expect(log.sinks.size).toBe(0);
  });

  it("P-31 break, an error of the reader and return leave no listener", async () => {
    const log = new Log();
    log.add(3);
    const { signal } = new AbortController();
    for await (const item of log.follow({ signal })) if (item === 1) break;
    await expect(
      (async () => {
        for await (const _item of log.follow({ signal })) throw new Error("reader");
      })(),
    ).rejects.toThrow("reader");
    const live = log.follow({ signal, after: 2 });
    const pending = live.next();
    await settle();
    expect(log.sinks.size).toBe(1);
    log.end();
    expect((await pending).done).toBe(true);
    expect(log.sinks.size).toBe(0);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("P-30 an abort rejects a waiting reader with the caller's reason and releases", async () => {
    const log = new Log();
    const controller = new AbortController();
    const waiting = log.follow({ signal: controller.signal }).next();
    await settle();
    controller.abort("mine");
    await expect(waiting).rejects.toBe("mine");
    expect(log.sinks.size).toBe(0);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });

  it("a failing replay or live source reaches the reader", async () => {
    const log = new Log();
    const waiting = log.follow().next();
    await settle();
    for (const sink of log.sinks) sink.fail(new Error("live"));
    await expect(waiting).rejects.toThrow("live");
    expect(log.sinks.size).toBe(0);
  });
});

describe("createFeed", () => {
  it("gives what is buffered before it ends or fails", async () => {
    const feed = createFeed<number>();
    feed.push(1);
    feed.push(2);
    feed.fail(new Error("x"));
    expect(feed.push(3)).toBe(false);
    const seen: number[] = [];
    await expect(
      (async () => {
        for await (const item of feed) seen.push(item);
      })(),
    ).rejects.toThrow("x");
    expect(seen).toEqual([1, 2]);
  });

  it("tells a slow reader that it lags instead of growing", async () => {
    const feed = createFeed<number>({ limit: 3 });
    expect([1, 2, 3, 4, 5].map((item) => feed.push(item))).toEqual([true, true, true, false, false]);
    expect(await feed.next()).toEqual({ kind: "lagged" });
    expect(feed.push(6)).toBe(true);
    expect(await feed.next()).toEqual({ kind: "item", item: 6 });
    [1, 2, 3, 4].map((item) => feed.push(item));
    await expect(
      (async () => {
        for await (const _item of feed) expect.unreachable();
      })(),
    ).rejects.toMatchObject({ code: "RUNCTL_TIMEOUT", retryable: true });
  });

  it("P-31 releases once, also when the reader leaves while waiting", async () => {
    let released = 0;
    const feed = createFeed<number>({ onRelease: () => (released += 1) });
    const waiting = feed.next();
    feed.release();
    feed.release();
    expect(await waiting).toEqual({ kind: "end" });
    expect(released).toBe(1);
  });
});
