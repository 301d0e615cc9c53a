import assert from "node:assert/strict";
import type { AppendOptions, SessionBeat, StateStore, StreamInfo } from "@runctl/core";
import { ConflictError, NotFoundError, RunctlError, ValidationError } from "@runctl/core/provider";
import { CannotSay } from "./case.ts";
import type { ConformanceReport } from "./report.ts";
import {
  registerStore,
  runStore,
  type StoreCase,
  type StoreConformanceOptions,
  type StoreFactory,
  type StoreKind,
  type StoreSubject,
  type TestStoreOptions,
} from "./store-suite.ts";

/** A state store under test: fresh and empty. */
export interface StateStoreSubject extends StoreSubject {
  store: StateStore;
  /** Another store on the same state, as another process would open it. Absent: what needs two is not provable. */
  again?: (() => StateStore) | undefined;
}

const AT = "2026-11-22T00:00:00.000Z";
const at = (expected: number, more: Partial<AppendOptions> = {}): AppendOptions => ({ expected, session: "s1", at: AT, ...more });

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** Rejected with this kind of error, and this much of its context. */
async function rejects(
  work: () => Promise<unknown>,
  is: (error: unknown) => boolean,
  context: Record<string, unknown> = {},
): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(is(error), `Another error was due than ${String(error)}.`);
    const found = RunctlError.is(error) ? error.context : {};
    assert.deepEqual({ ...found, ...context }, { ...found }, "The error's context is another.");
    return true;
  });
}

/** Two stores on the same state, or the word that it cannot be shown. */
async function both({ store, again }: StateStoreSubject, work: (one: StateStore, other: StateStore) => Promise<void>): Promise<void> {
  if (again === undefined) throw new CannotSay("not-provable", "hook again (a second store on the same state) is missing");
  const other = again();
  try {
    await work(store, other);
  } finally {
    await other.close();
  }
}

const names = (infos: StreamInfo[]): string[] => infos.map((info) => info.stream);
const numbers = async (store: StateStore, stream: string): Promise<unknown[]> => (await store.read(stream)).map((event) => event.event.n);
const BAD_NAMES = [
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
];
const BEAT: SessionBeat = { session: "s1", n: 1, host: "h", bootId: "b", pid: 1, startTime: "2", at: AT };

/** Every rule for state stores, as data. */
export const stateStoreCases: ReadonlyArray<StoreCase<StateStoreSubject>> = [
  {
    id: "state-append-read",
    title: "numbers events from 0 without a gap and reads them back as they were",
    async run({ store }) {
      const odd = { text: 'line\n"quote" \u2028 😀 $(touch pwned)', nested: { list: [1, null, { deep: true }] }, gone: undefined };
      assert.deepEqual(await store.append("run/a", [odd as never, { n: 1 }], at(0)), { next: 2 });
      assert.deepEqual(await store.append("run/a", [{ n: 2 }], at(2, { session: "s2" })), { next: 3 });
      const { gone: _gone, ...kept } = odd;
      assert.deepEqual(await store.read("run/a"), [
        { seq: 0, at: AT, session: "s1", event: kept },
        { seq: 1, at: AT, session: "s1", event: { n: 1 } },
        { seq: 2, at: AT, session: "s2", event: { n: 2 } },
      ]);
      assert.deepEqual(
        (await store.read("run/a", 1)).map((event) => event.seq),
        [1, 2],
      );
      assert.deepEqual(await store.read("run/a", 3), []);
      assert.deepEqual(await store.read("run/a", 99), []);
    },
  },
  {
    id: "state-own-copy",
    title: "keeps its own copy of what it was given and hands out copies",
    async run({ store }) {
      const list = [1];
      await store.append("run/a", [{ list }], at(0, { durable: false }));
      list.push(2);
      const [first] = await store.read("run/a");
      assert.deepEqual(first?.event.list, [1]);
      if (first !== undefined) Object.assign(first.event, { list: "changed" });
      assert.deepEqual((await store.read("run/a"))[0]?.event.list, [1]);
    },
  },
  {
    id: "state-empty",
    title: "gives nothing for a stream that does not exist",
    async run({ store }) {
      assert.deepEqual(await store.read("run/none"), []);
      assert.deepEqual(await all(store.list("")), []);
    },
  },
  {
    id: "state-expected",
    title: "refuses an append at another place than the end, and writes nothing",
    async run({ store }) {
      for (const expected of [1, 5, -1]) {
        await rejects(() => store.append("run/a", [{ n: 1 }], at(expected)), ConflictError.isInstance);
        assert.deepEqual(await store.read("run/a"), []);
      }
      await store.append("run/a", [{ n: 0 }, { n: 1 }, { n: 2 }], at(0));
      await rejects(() => store.append("run/a", [{ n: 9 }], at(1)), ConflictError.isInstance, { expected: 1, actual: 3 });
      assert.deepEqual(await numbers(store, "run/a"), [0, 1, 2]);
    },
  },
  {
    id: "state-one-winner",
    title: "lets one of several appenders at the same version win",
    async run({ store }) {
      await store.append("run/a", [{ n: "first" }], at(0));
      const tries = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => store.append("run/a", [{ n }, { n }], at(1))));
      assert.equal(tries.filter((result) => result.status === "fulfilled").length, 1, "Not one winner.");
      for (const result of tries)
        if (result.status === "rejected") assert.ok(ConflictError.isInstance(result.reason), String(result.reason));
      assert.equal((await store.read("run/a")).length, 3);
    },
  },
  {
    id: "state-undurable-order",
    title: "keeps the order of appends that need not be durable",
    async run({ store }) {
      for (let n = 0; n < 5; n += 1) assert.deepEqual(await store.append("run/a", [{ n }], at(n, { durable: false })), { next: n + 1 });
      await store.append("run/a", [{ n: 5 }], at(5));
      await store.append("run/a", [{ n: 6 }], at(6, { durable: false }));
      assert.deepEqual(
        (await store.read("run/a")).map((event) => [event.seq, event.event.n]),
        [0, 1, 2, 3, 4, 5, 6].map((n) => [n, n]),
      );
    },
  },
  {
    id: "state-append-nothing",
    title: "an append of no events checks the version and writes nothing",
    async run({ store }) {
      assert.deepEqual(await store.append("run/a", [], at(0)), { next: 0 });
      await rejects(() => store.append("run/a", [], at(1)), ConflictError.isInstance);
      assert.deepEqual(await all(store.list("")), []);
    },
  },
  {
    id: "state-names",
    title: "refuses names that are no streams",
    async run({ store }) {
      for (const stream of BAD_NAMES) {
        await rejects(async () => store.append(stream, [{ n: 1 }], at(0)), ValidationError.isInstance);
        await rejects(async () => store.read(stream), ValidationError.isInstance);
        await rejects(async () => store.compact(stream, {}), ValidationError.isInstance);
      }
    },
  },
  {
    id: "state-json",
    title: "refuses events that are not JSON",
    async run({ store }) {
      const cyclic: Record<string, unknown> = {};
      cyclic.self = cyclic;
      await rejects(async () => store.append("run/a", [cyclic as never], at(0)), ValidationError.isInstance);
      await rejects(async () => store.append("run/a", ["text" as never], at(0)), ValidationError.isInstance);
      assert.deepEqual(await store.read("run/a"), []);
    },
  },
  {
    id: "state-compact",
    title: "ends a stream: same events, a summary, no more appends, repeating is fine",
    async run({ store }) {
      await store.append("run/a", [{ n: 0 }], at(0));
      await store.append("run/a", [{ n: 1 }, { n: 2 }], at(1, { durable: false }));
      const before = await store.read("run/a");
      await store.compact("run/a", { status: "succeeded" });
      await store.compact("run/a", { status: "other" });
      assert.deepEqual(await store.read("run/a"), before);
      assert.deepEqual(await store.read("run/a", 2), before.slice(2));
      assert.deepEqual(await all(store.list("run/")), [{ stream: "run/a", ended: true, summary: { status: "succeeded" } }]);
      for (const expected of [0, 3, 4])
        await rejects(() => store.append("run/a", [{ n: 3 }], at(expected)), ConflictError.isInstance, { ended: true });
      await rejects(() => store.append("run/a", [{ n: 3 }], at(3, { durable: false })), ConflictError.isInstance);
      assert.deepEqual(await store.read("run/a"), before);
    },
  },
  {
    id: "state-compact-missing",
    title: "does not end a stream that does not exist",
    async run({ store }) {
      await rejects(() => store.compact("run/none", {}), NotFoundError.isInstance);
      assert.deepEqual(await all(store.list("")), []);
    },
  },
  {
    id: "state-list",
    title: "lists by prefix, newest first by name",
    async run({ store }) {
      const streams = ["run/2026-01", "run/2026-03", "resource/m-1", "project", "run/2025-12", "run/2026-02"];
      for (const stream of streams) await store.append(stream, [{ n: 0 }], at(0));
      await store.compact("run/2026-02", { n: 2 });
      await store.compact("resource/m-1", { gone: true });
      const runs = ["run/2026-03", "run/2026-02", "run/2026-01", "run/2025-12"];
      assert.deepEqual(names(await all(store.list("run/"))), runs);
      assert.deepEqual(names(await all(store.list("run/2026"))), runs.slice(0, 3));
      assert.deepEqual(names(await all(store.list("r"))), [...runs, "resource/m-1"]);
      assert.equal((await all(store.list(""))).length, 6);
      assert.deepEqual(await all(store.list("project")), [{ stream: "project", ended: false }]);
      assert.deepEqual(await all(store.list("project/")), []);
      assert.deepEqual(await all(store.list("x")), []);
    },
  },
  {
    id: "state-list-left",
    title: "may be left in the middle of a list",
    async run({ store }) {
      for (const stream of ["run/a", "run/b", "run/c"]) await store.append(stream, [{ n: 0 }], at(0));
      for await (const info of store.list("run/")) {
        assert.equal(info.stream, "run/c");
        break;
      }
      assert.equal((await all(store.list("run/"))).length, 3);
    },
  },
  {
    id: "state-adopt",
    title: "P-03: takes over a lost store's id while it is empty, and never afterwards",
    async run({ store }) {
      await store.adopt("lostid");
      assert.equal(await store.stateId(), "lostid");
      await store.append("run/r1", [{ type: "x" }], at(0));
      await store.adopt("lostid");
      await rejects(() => store.adopt("another"), ConflictError.isInstance);
      assert.equal(await store.stateId(), "lostid");
    },
  },
  {
    id: "state-id",
    title: "has one id",
    async run({ store }) {
      const id = await store.stateId();
      assert.match(id, /^[a-z0-9]{10,40}$/);
      assert.equal(await store.stateId(), id);
    },
  },
  {
    id: "state-beats",
    title: "keeps the newest beat of each session until it ends",
    async run({ store }) {
      assert.deepEqual(await store.beats(), []);
      await store.beat(BEAT);
      await store.beat({ ...BEAT, session: "s2" });
      await store.beat({ ...BEAT, n: 2 });
      const beats = async (): Promise<SessionBeat[]> => (await store.beats()).sort((a, b) => a.session.localeCompare(b.session));
      assert.deepEqual(await beats(), [
        { ...BEAT, n: 2 },
        { ...BEAT, session: "s2" },
      ]);
      await store.endSession("s1");
      await store.endSession("s1");
      assert.deepEqual(
        (await beats()).map((beat) => beat.session),
        ["s2"],
      );
    },
  },
  {
    id: "state-watch",
    title: "calls watchers after a change, and not after they left",
    async run({ store }) {
      const { watch } = store;
      if (watch === undefined) throw new CannotSay("not-applicable", "the store has no watch()");
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
      assert.equal(left, 0, "A watcher was called after it had left.");
    },
  },
  {
    id: "state-watch-stream",
    title: "tells a watcher which stream changed, if it tells one at all",
    async run({ store }) {
      const { watch } = store;
      if (watch === undefined) throw new CannotSay("not-applicable", "the store has no watch()");
      await store.append("run/b", [{ n: 0 }], at(0));
      const told: Array<string | undefined> = [];
      let stop: () => void = () => undefined;
      const heard = new Promise<void>((resolve) => {
        stop = watch.call(store, (stream) => {
          told.push(stream);
          if (stream === undefined || stream === "resource/a") resolve();
        });
      });
      await store.append("resource/a", [{ n: 0 }], at(0));
      await heard;
      stop();
      // The first append's own hint may still be on its way.
      const others = told.filter((stream) => stream !== undefined && stream !== "run/b");
      assert.deepEqual(others, told.includes(undefined) ? [] : ["resource/a"], "It named another stream than the one that changed.");
    },
  },
  {
    id: "state-two-openers",
    title: "shows another opener of the same state everything",
    run: (subject) =>
      both(subject, async (store, other) => {
        assert.equal(await other.stateId(), await store.stateId());
        await store.append("run/a", [{ n: 0 }], at(0));
        assert.equal((await other.read("run/a")).length, 1);
        await other.append("run/a", [{ n: 1 }], at(1));
        await rejects(() => store.append("run/a", [{ n: "x" }], at(1)), ConflictError.isInstance);
        await store.append("run/a", [{ n: 2 }], at(2));
        await other.compact("run/a", { done: true });
        await rejects(() => store.append("run/a", [{ n: 3 }], at(3)), ConflictError.isInstance, { ended: true });
        assert.equal((await store.read("run/a")).length, 3);
        assert.deepEqual(await all(store.list("run/")), [{ stream: "run/a", ended: true, summary: { done: true } }]);
      }),
  },
  {
    id: "state-late-conflict",
    title: "tells the next append of a conflict that was met late",
    run: (subject) =>
      both(subject, async (store, other) => {
        await store.append("run/a", [{ n: 0 }], at(0));
        await store.append("run/a", [{ n: "held" }], at(1, { durable: false }));
        await other.append("run/a", [{ n: 1 }], at(1));
        assert.deepEqual(await numbers(store, "run/a"), [0, 1]);
        await rejects(() => store.append("run/a", [{ n: 2 }], at(2)), ConflictError.isInstance, { actual: 2 });
        await store.append("run/a", [{ n: 2 }], at(2));
        assert.deepEqual(await numbers(other, "run/a"), [0, 1, 2]);
      }),
  },
];

const KIND: StoreKind<StateStoreSubject> = {
  kind: "state-store",
  cases: stateStoreCases,
  nameOf: ({ store }) => store.kind,
  close: ({ store }) => store.close(),
};

/**
 * Registers every rule for state stores with a test runner.
 * @throws ConfigurationError when no runner is found.
 */
export function testStateStore(factory: StoreFactory<StateStoreSubject>, options: TestStoreOptions = {}): void {
  registerStore(KIND, factory, options);
}

/** Runs every rule for state stores without a runner. */
export function runStateStoreConformance(
  factory: StoreFactory<StateStoreSubject>,
  options: StoreConformanceOptions = {},
): Promise<ConformanceReport> {
  return runStore(KIND, factory, options);
}
