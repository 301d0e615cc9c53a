import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { fileState, fileStore, memoryState, memoryStore, type ObjectStore, type StateStore } from "@runctl/core";
import { NotFoundError } from "@runctl/core/provider";
import { describe, expect, it } from "vitest";
import { type ObjectStoreSubject, objectStoreCases, runObjectStoreConformance, testObjectStore } from "../src/conformance/object-store.ts";
import { runStateStoreConformance, type StateStoreSubject, stateStoreCases, testStateStore } from "../src/conformance/state-store.ts";

async function onDisk(root: boolean): Promise<ObjectStoreSubject> {
  const parent = await mkdtemp(join(tmpdir(), "runctl store 'ö' "));
  const make = () => (root ? fileStore({ root: parent }) : fileStore());
  return {
    store: make(),
    again: make,
    base: pathToFileURL(join(parent, "some folder")).href,
    pageSize: 40,
    dispose: () => rm(parent, { recursive: true }),
  };
}

async function stateOnDisk(): Promise<StateStoreSubject> {
  const parent = await mkdtemp(join(tmpdir(), "runctl state 'ö' "));
  const dir = join(parent, "deep", ".runctl");
  return { store: fileState(dir), again: () => fileState(dir), dispose: () => rm(parent, { recursive: true }) };
}

const inMemory = (): ObjectStoreSubject & { store: ObjectStore } => {
  const store = memoryStore();
  return { store, again: () => store, base: "memory://test", pageSize: 40 };
};

testObjectStore(() => onDisk(false), { describe, it, name: "object store conformance: file" });
testObjectStore(() => onDisk(true), { describe, it, name: "object store conformance: file with a root" });
testObjectStore(inMemory, { describe, it, name: "object store conformance: memory" });
testStateStore(stateOnDisk, { describe, it, name: "state store conformance: file" });
testStateStore(() => ({ store: memoryState() }), { describe, it, name: "state store conformance: memory" });

/** A store with some methods replaced. */
function but<T extends object>(good: T, change: (good: T) => Partial<T>): T {
  const own = change(good) as Record<PropertyKey, unknown>;
  return new Proxy(good, {
    get: (target, key) => {
      const value: unknown = key in own ? own[key] : Reflect.get(target, key, target);
      return typeof value === "function" && !(key in own) ? (value.bind(target) as unknown) : value;
    },
  });
}

const objectSaboteurs: Array<[id: string, breaks: string, change: (good: ObjectStore) => Partial<ObjectStore>]> = [
  [
    "object-round-trip",
    "stores text in another encoding",
    (good) => ({ put: (uri, body, o) => good.put(uri, typeof body === "string" ? Buffer.from(body, "latin1") : body, o) }),
  ],
  [
    "object-own-copy",
    "hands out its own bytes",
    (good) => {
      const kept = new Map<string, Uint8Array>();
      return {
        get: async (uri, o) => {
          const found = kept.get(uri) ?? (await good.get(uri, o));
          kept.set(uri, found);
          return found;
        },
      };
    },
  ],
  [
    "object-ranges",
    "takes the end as inclusive",
    (good) => ({
      get: (uri, o) => good.get(uri, o?.range?.end === undefined ? o : { ...o, range: { start: o.range.start, end: o.range.end + 1 } }),
    }),
  ],
  ["object-missing", "a missing object is empty", (good) => ({ get: (uri, o) => good.get(uri, o).catch(() => new Uint8Array()) })],
  [
    "object-if-none-match",
    "does not look at ifNoneMatch",
    (good) => ({ put: (uri, body, { ifNoneMatch: _, ...o } = {}) => good.put(uri, body, o) }),
  ],
  ["object-if-match", "does not look at ifMatch", (good) => ({ put: (uri, body, { ifMatch: _, ...o } = {}) => good.put(uri, body, o) })],
  [
    "object-etags",
    "takes a hash of the bytes for a version",
    (good) => ({
      put: async (uri, body, o) => {
        await good.put(uri, body, o);
        return { etag: String(body) };
      },
    }),
  ],
  [
    "object-no-lost-update",
    "compares and writes in two steps",
    (good) => ({
      put: async (uri, body, { ifMatch, ...o } = {}) => {
        if (ifMatch !== undefined && (await good.head(uri))?.etag !== ifMatch) return good.put(uri, body, { ifMatch: "no" });
        return good.put(uri, body, o);
      },
    }),
  ],
  [
    "object-whole",
    "writes in two halves",
    (good) => ({
      put: async (uri, body, o) => {
        if (typeof body === "string" && body.length > 1000) {
          await good.put(uri, body.slice(0, 1000), o);
          await new Promise<void>((resolve) => setImmediate(resolve));
        }
        return good.put(uri, body, o);
      },
    }),
  ],
  [
    "object-list",
    "lists in the order of creation backwards",
    (good) => ({
      list: async function* (...args) {
        const found = [];
        for await (const info of good.list(...args)) found.unshift(info);
        yield* found;
      },
    }),
  ],
  ["object-odd-names", "trims names", (good) => ({ put: (uri, ...rest) => good.put(uri.replaceAll("%", ""), ...rest) })],
  [
    "object-delete",
    "deletes by prefix",
    (good) => ({
      delete: async (uri) => {
        for await (const info of good.list(uri.replace(/\/[^/]*$/, ""))) await good.delete(info.uri);
      },
    }),
  ],
  ["object-abort", "does not look at the signal", (good) => ({ get: (uri, { signal: _, ...o } = {}) => good.get(uri, o) })],
  ["object-two-clients", "another client sees nothing", () => ({})],
  [
    "object-list-pages",
    "lists one page",
    (good) => ({
      list: async function* (...args) {
        let n = 0;
        for await (const info of good.list(...args)) {
          n += 1;
          if (n <= 40) yield info;
        }
      },
    }),
  ],
  [
    "object-host-access",
    "puts the key among the settings",
    () => ({ hostAccess: async () => ({ kind: "s3", settings: { key: "hush" }, secrets: { key: "hush" } }) }),
  ],
  [
    "object-errors",
    "throws raw errors",
    (good) => ({ get: (uri, o) => good.get(uri, o).catch(() => Promise.reject(new Error("HTTP 404"))) }),
  ],
];

it("every rule for object stores has a saboteur", () => {
  expect(objectSaboteurs.map(([id]) => id).sort()).toEqual(objectStoreCases.map((one) => one.id).sort());
});

it.each(objectSaboteurs)("%s: %s is named by the suite", async (id, _breaks, change) => {
  const report = await runObjectStoreConformance(
    () => {
      const good = inMemory();
      return { ...good, store: but(good.store, change), again: () => (id === "object-two-clients" ? memoryStore() : good.store) };
    },
    { only: [id] },
  );
  expect(report.cases.find((one) => one.id === id)).toMatchObject({ status: "failed" });
});

const stateSaboteurs: Array<[id: string, breaks: string, change: (good: StateStore) => Partial<StateStore>]> = [
  [
    "state-append-read",
    "counts from 1",
    (good) => ({ read: async (...args) => (await good.read(...args)).map((event) => ({ ...event, seq: event.seq + 1 })) }),
  ],
  [
    "state-own-copy",
    "hands out its own events",
    (good) => {
      const kept = new Map<string, ReturnType<StateStore["read"]>>();
      return {
        read: (stream, from) => {
          const found = kept.get(stream) ?? good.read(stream, from);
          kept.set(stream, found);
          return found;
        },
      };
    },
  ],
  [
    "state-empty",
    "invents a stream",
    () => ({
      list: async function* () {
        yield { stream: "run/none", ended: false };
      },
    }),
  ],
  [
    "state-expected",
    "appends at the end wherever it was expected",
    (good) => ({ append: async (stream, events, o) => good.append(stream, events, { ...o, expected: (await good.read(stream)).length }) }),
  ],
  [
    "state-one-winner",
    "asks again when it lost",
    (good) => ({
      append: (stream, events, o) =>
        good.append(stream, events, o).catch(async () => good.append(stream, events, { ...o, expected: (await good.read(stream)).length })),
    }),
  ],
  [
    "state-undurable-order",
    "leaves out what need not be durable",
    (good) => ({
      append: async (stream, events, o) => (o.durable === false ? { next: o.expected + events.length } : good.append(stream, events, o)),
    }),
  ],
  [
    "state-append-nothing",
    "an append of nothing always succeeds",
    (good) => ({ append: async (stream, events, o) => (events.length === 0 ? { next: o.expected } : good.append(stream, events, o)) }),
  ],
  [
    "state-names",
    "makes names fit",
    (good) => ({ read: (stream, from) => good.read(/^run\/[a-z0-9][a-z0-9-]*$/.test(stream) ? stream : "run/a", from) }),
  ],
  [
    "state-json",
    "stores what it can of what is no JSON",
    (good) => ({
      append: (stream, events, o) =>
        good.append(
          stream,
          events.filter((event) => typeof event === "object" && !("self" in event)),
          o,
        ),
    }),
  ],
  [
    "state-compact",
    "the last summary wins",
    (good) => {
      let last: Record<string, unknown> = {};
      return {
        compact: async (stream, summary) => {
          last = summary;
          await good.compact(stream, summary);
        },
        list: async function* (prefix) {
          for await (const info of good.list(prefix)) yield info.ended ? { ...info, summary: last as never } : info;
        },
      };
    },
  ],
  [
    "state-compact-missing",
    "ends what never was",
    (good) => ({
      compact: (stream, summary) =>
        good.compact(stream, summary).catch((error: unknown) => (NotFoundError.isInstance(error) ? undefined : Promise.reject(error))),
    }),
  ],
  [
    "state-list",
    "lists oldest first",
    (good) => ({
      list: async function* (prefix) {
        const found = [];
        for await (const info of good.list(prefix)) found.unshift(info);
        yield* found;
      },
    }),
  ],
  [
    "state-list-left",
    "ends its iterator for ever when one is left",
    (good) => {
      let over = false;
      return {
        list: async function* (prefix) {
          if (over) return;
          try {
            for await (const info of good.list(prefix)) yield info;
          } finally {
            over = true;
          }
        },
      };
    },
  ],
  [
    "state-adopt",
    "adopts at any time",
    (good) => {
      let id: string | undefined;
      return {
        adopt: async (given) => {
          id = given;
        },
        stateId: async () => id ?? good.stateId(),
      };
    },
  ],
  [
    "state-id",
    "a new id each time",
    () => {
      let n = 0;
      return {
        stateId: async () => {
          n += 1;
          return `abcdefghij${n}`;
        },
      };
    },
  ],
  [
    "state-beats",
    "keeps the first beat",
    (good) => {
      const seen = new Set<string>();
      return {
        beat: async (beat) => {
          if (!seen.has(beat.session)) await good.beat(beat);
          seen.add(beat.session);
        },
      };
    },
  ],
  [
    "state-watch",
    "calls who has left",
    (good) => ({
      watch: (onChange) => {
        good.watch?.(onChange);
        return () => undefined;
      },
    }),
  ],
  [
    "state-watch-stream",
    "names another stream",
    (good) => ({
      watch: (onChange) =>
        good.watch?.((stream) => {
          onChange("run/x");
          onChange(stream);
        }) ?? (() => undefined),
    }),
  ],
  ["state-two-openers", "the other has a state of its own", () => ({})],
  [
    "state-late-conflict",
    "forgets that it lost",
    (good) => ({ append: (stream, events, o) => good.append(stream, events, o).catch(() => ({ next: o.expected + events.length })) }),
  ],
];

it("every rule for state stores has a saboteur", () => {
  expect(stateSaboteurs.map(([id]) => id).sort()).toEqual(stateStoreCases.map((one) => one.id).sort());
});

it.each(stateSaboteurs)("%s: %s is named by the suite", async (id, _breaks, change) => {
  const report = await runStateStoreConformance(
    async () => {
      const good = await stateOnDisk();
      return { ...good, store: but(good.store, change), again: id === "state-two-openers" ? () => memoryState() : good.again };
    },
    { only: [id] },
  );
  expect(report.cases.find((one) => one.id === id)).toMatchObject({ status: "failed" });
});
