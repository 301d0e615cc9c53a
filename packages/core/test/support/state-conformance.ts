import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConflictError, NotFoundError, ValidationError } from "../../src/errors/kinds.ts";
import type { AppendOptions, SessionBeat, StateStore, StreamInfo } from "../../src/state/state-store.ts";

/** What a state store under test needs: a fresh store, and where possible a second one on the same state. */
export interface StateSubject {
  store: StateStore;
  /** Another store on the same state, as another process would open it. Absent for stores that live in one process. */
  again?: (() => StateStore) | undefined;
  cleanup(): Promise<void>;
}

const AT = "2026-11-22T00:00:00.000Z";

/** Append options for tests. */
export function at(expected: number, more: Partial<AppendOptions> = {}): AppendOptions {
  return { expected, session: "s1", at: AT, ...more };
}

/** All of an async iterable. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** The rules that every StateStore keeps; each implementation runs them. */
export function stateConformance(name: string, open: () => Promise<StateSubject>): void {
  describe(`state store conformance: ${name}`, () => {
    let subject: StateSubject;
    let store: StateStore;
    beforeEach(async () => {
      subject = await open();
      store = subject.store;
    });
    afterEach(async () => {
      await store.close();
      await subject.cleanup();
    });

    it("numbers events from 0 without a gap and reads them back as they were", async () => {
      const odd = { text: 'line\n"quote" \u2028 😀 $(touch pwned)', nested: { list: [1, null, { deep: true }] }, gone: undefined };
      expect(await store.append("run/a", [odd, { n: 1 }], at(0))).toEqual({ next: 2 });
      expect(await store.append("run/a", [{ n: 2 }], at(2, { session: "s2" }))).toEqual({ next: 3 });
      const { gone: _gone, ...kept } = odd;
      expect(await store.read("run/a")).toEqual([
        { seq: 0, at: AT, session: "s1", event: kept },
        { seq: 1, at: AT, session: "s1", event: { n: 1 } },
        { seq: 2, at: AT, session: "s2", event: { n: 2 } },
      ]);
      expect((await store.read("run/a", 1)).map((event) => event.seq)).toEqual([1, 2]);
      expect(await store.read("run/a", 3)).toEqual([]);
      expect(await store.read("run/a", 99)).toEqual([]);
    });

    it("keeps its own copy of what it was given and hands out copies", async () => {
      const event = { list: [1] };
      await store.append("run/a", [event], at(0, { durable: false }));
      event.list.push(2);
      const [first] = await store.read("run/a");
      expect(first?.event).toEqual({ list: [1] });
      if (first !== undefined) first.event.list = "changed";
      expect((await store.read("run/a"))[0]?.event).toEqual({ list: [1] });
    });

    it("gives nothing for a stream that does not exist", async () => {
      expect(await store.read("run/none")).toEqual([]);
      expect(await all(store.list(""))).toEqual([]);
    });

    it.each([[1], [5], [-1]])("refuses an append at %i of an empty stream and writes nothing", async (expected) => {
      await expect(store.append("run/a", [{ n: 1 }], at(expected))).rejects.toSatisfy(ConflictError.isInstance);
      expect(await store.read("run/a")).toEqual([]);
    });

    it("refuses an append in the middle of an earlier batch", async () => {
      await store.append("run/a", [{ n: 0 }, { n: 1 }, { n: 2 }], at(0));
      await expect(store.append("run/a", [{ n: 9 }], at(1))).rejects.toMatchObject({ context: { expected: 1, actual: 3 } });
      expect((await store.read("run/a")).map((event) => event.event.n)).toEqual([0, 1, 2]);
    });

    it("lets one of several appenders at the same version win", async () => {
      await store.append("run/a", [{ n: "first" }], at(0));
      const tries = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => store.append("run/a", [{ n }, { n }], at(1))));
      expect(tries.filter((result) => result.status === "fulfilled")).toHaveLength(1);
      for (const result of tries) if (result.status === "rejected") expect(ConflictError.isInstance(result.reason)).toBe(true);
      expect(await store.read("run/a")).toHaveLength(3);
    });

    it("keeps the order of appends that need not be durable", async () => {
      for (let n = 0; n < 5; n += 1) expect(await store.append("run/a", [{ n }], at(n, { durable: false }))).toEqual({ next: n + 1 });
      await store.append("run/a", [{ n: 5 }], at(5));
      await store.append("run/a", [{ n: 6 }], at(6, { durable: false }));
      expect((await store.read("run/a")).map((event) => [event.seq, event.event.n])).toEqual([0, 1, 2, 3, 4, 5, 6].map((n) => [n, n]));
    });

    it("an append of no events checks the version and writes nothing", async () => {
      expect(await store.append("run/a", [], at(0))).toEqual({ next: 0 });
      await expect(store.append("run/a", [], at(1))).rejects.toSatisfy(ConflictError.isInstance);
      expect(await all(store.list(""))).toEqual([]);
    });

    it.each([
      "",
      "run",
      "run/",
      "run/../x",
      "run/A",
      "run/a/b",
      "runs/a",
      "run/-a",
      "other/a",
      "project/x",
      `run/${"a".repeat(65)}`,
      "run/a\n",
    ])("refuses the stream name %j", async (stream) => {
      await expect((async () => store.append(stream, [{ n: 1 }], at(0)))()).rejects.toSatisfy(ValidationError.isInstance);
      await expect((async () => store.read(stream))()).rejects.toSatisfy(ValidationError.isInstance);
      await expect((async () => store.compact(stream, {}))()).rejects.toSatisfy(ValidationError.isInstance);
    });

    it("refuses events that are not JSON", async () => {
      const cyclic: Record<string, unknown> = {};
      cyclic.self = cyclic;
      await expect((async () => store.append("run/a", [cyclic as never], at(0)))()).rejects.toSatisfy(ValidationError.isInstance);
      await expect((async () => store.append("run/a", ["text" as never], at(0)))()).rejects.toSatisfy(ValidationError.isInstance);
      expect(await store.read("run/a")).toEqual([]);
    });

    it("ends a stream: same events, a summary, no more appends, repeating is fine", async () => {
      await store.append("run/a", [{ n: 0 }], at(0));
      await store.append("run/a", [{ n: 1 }, { n: 2 }], at(1, { durable: false }));
      const before = await store.read("run/a");
      await store.compact("run/a", { status: "succeeded" });
      await store.compact("run/a", { status: "other" });
      expect(await store.read("run/a")).toEqual(before);
      expect(await store.read("run/a", 2)).toEqual(before.slice(2));
      expect(await all(store.list("run/"))).toEqual([{ stream: "run/a", ended: true, summary: { status: "succeeded" } }]);
      for (const expected of [0, 3, 4]) {
        await expect(store.append("run/a", [{ n: 3 }], at(expected))).rejects.toMatchObject({
          code: "RUNCTL_CONFLICT",
          context: { ended: true },
        });
      }
      await expect(store.append("run/a", [{ n: 3 }], at(3, { durable: false }))).rejects.toSatisfy(ConflictError.isInstance);
      expect(await store.read("run/a")).toEqual(before);
    });

    it("does not end a stream that does not exist", async () => {
      await expect(store.compact("run/none", {})).rejects.toSatisfy(NotFoundError.isInstance);
      expect(await all(store.list(""))).toEqual([]);
    });

    it("lists by prefix, newest first by name", async () => {
      for (const stream of ["run/2026-01", "run/2026-03", "resource/m-1", "project", "run/2025-12", "run/2026-02"]) {
        await store.append(stream, [{ n: 0 }], at(0));
      }
      await store.compact("run/2026-02", { n: 2 });
      await store.compact("resource/m-1", { gone: true });
      const names = (infos: StreamInfo[]): string[] => infos.map((info) => info.stream);
      expect(names(await all(store.list("run/")))).toEqual(["run/2026-03", "run/2026-02", "run/2026-01", "run/2025-12"]);
      expect(names(await all(store.list("run/2026")))).toEqual(["run/2026-03", "run/2026-02", "run/2026-01"]);
      expect(names(await all(store.list("r")))).toEqual(["run/2026-03", "run/2026-02", "run/2026-01", "run/2025-12", "resource/m-1"]);
      expect(names(await all(store.list("")))).toHaveLength(6);
      expect(await all(store.list("project"))).toEqual([{ stream: "project", ended: false }]);
      expect(await all(store.list("project/"))).toEqual([]);
      expect(await all(store.list("x"))).toEqual([]);
    });

    it("may be left in the middle of a list", async () => {
      for (const stream of ["run/a", "run/b", "run/c"]) await store.append(stream, [{ n: 0 }], at(0));
      for await (const info of store.list("run/")) {
        expect(info.stream).toBe("run/c");
        break;
      }
      expect(await all(store.list("run/"))).toHaveLength(3);
    });

    it("P-03: takes over a lost store's id while it is empty, and never afterwards", async () => {
      await store.adopt("lostid");
      expect(await store.stateId()).toBe("lostid");
      await store.append("run/r1", [{ type: "x" }], at(0));
      await store.adopt("lostid");
      await expect(store.adopt("another")).rejects.toMatchObject({ code: "RUNCTL_CONFLICT" });
      expect(await store.stateId()).toBe("lostid");
    });

    it("has one id", async () => {
      const id = await store.stateId();
      expect(id).toMatch(/^[a-z0-9]{10,40}$/);
      expect(await store.stateId()).toBe(id);
    });

    it("keeps the newest beat of each session until it ends", async () => {
      const beat: SessionBeat = { session: "s1", n: 1, host: "h", bootId: "b", pid: 1, startTime: "2", at: AT };
      expect(await store.beats()).toEqual([]);
      await store.beat(beat);
      await store.beat({ ...beat, session: "s2" });
      await store.beat({ ...beat, n: 2 });
      expect(await store.beats()).toEqual([
        { ...beat, n: 2 },
        { ...beat, session: "s2" },
      ]);
      await store.endSession("s1");
      await store.endSession("s1");
      expect((await store.beats()).map((other) => other.session)).toEqual(["s2"]);
    });

    it("calls watchers after a change, and not after they left", async () => {
      const { watch } = store;
      if (watch === undefined) return;
      let left = 0;
      const leave = watch.call(store, () => {
        left += 1;
      });
      leave();
      leave();
      await new Promise<void>((resolve, reject) => {
        const stop = watch.call(store, () => {
          stop();
          resolve();
        });
        store.append("run/a", [{ n: 0 }], at(0)).catch(reject);
      });
      expect(left).toBe(0);
    });

    it("tells a watcher which stream changed, if it tells one at all", async () => {
      const { watch } = store;
      if (watch === undefined) return;
      await store.append("run/b", [{ n: 0 }], at(0));
      const told: Array<string | undefined> = [];
      const heard = new Promise<void>((resolve) => {
        watch.call(store, (stream) => {
          told.push(stream);
          if (stream === undefined || stream === "resource/a") resolve();
        });
      });
      await store.append("resource/a", [{ n: 0 }], at(0));
      await heard;
      // The first append's own hint may still be on its way.
      expect(told.filter((stream) => stream !== undefined && stream !== "run/b")).toEqual(told.includes(undefined) ? [] : ["resource/a"]);
    });

    it("shows another opener of the same state everything", async () => {
      if (subject.again === undefined) return;
      const other = subject.again();
      try {
        expect(await other.stateId()).toBe(await store.stateId());
        await store.append("run/a", [{ n: 0 }], at(0));
        expect(await other.read("run/a")).toHaveLength(1);
        await other.append("run/a", [{ n: 1 }], at(1));
        await expect(store.append("run/a", [{ n: "x" }], at(1))).rejects.toSatisfy(ConflictError.isInstance);
        await store.append("run/a", [{ n: 2 }], at(2));
        await other.compact("run/a", { done: true });
        await expect(store.append("run/a", [{ n: 3 }], at(3))).rejects.toMatchObject({ context: { ended: true } });
        expect(await store.read("run/a")).toHaveLength(3);
        expect(await all(store.list("run/"))).toEqual([{ stream: "run/a", ended: true, summary: { done: true } }]);
      } finally {
        await other.close();
      }
    });

    it("tells the next append of a conflict that was met late", async () => {
      if (subject.again === undefined) return;
      const other = subject.again();
      try {
        await store.append("run/a", [{ n: 0 }], at(0));
        await store.append("run/a", [{ n: "held" }], at(1, { durable: false }));
        await other.append("run/a", [{ n: 1 }], at(1));
        expect((await store.read("run/a")).map((event) => event.event.n)).toEqual([0, 1]);
        await expect(store.append("run/a", [{ n: 2 }], at(2))).rejects.toMatchObject({ code: "RUNCTL_CONFLICT", context: { actual: 2 } });
        await store.append("run/a", [{ n: 2 }], at(2));
        expect((await other.read("run/a")).map((event) => event.event.n)).toEqual([0, 1, 2]);
      } finally {
        await other.close();
      }
    });
  });
}
