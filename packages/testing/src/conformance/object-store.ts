import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ConflictError,
  NotFoundError,
  type ObjectInfo,
  type ObjectStore,
  RunctlError,
  UnsupportedCapabilityError,
} from "@runctl/core/provider";
import { joinKey, keyBelow } from "@runctl/core/seams";
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

/** An object store under test. */
export interface ObjectStoreSubject extends StoreSubject {
  store: ObjectStore;
  /** URI of an empty folder of its own. */
  base: string;
  /** Another client of the same store, as another process would have it. Absent: what needs two is not provable. */
  again?: (() => ObjectStore | Promise<ObjectStore>) | undefined;
  /** How many objects fill one page of a listing. Absent: paging is not provable. */
  pageSize?: number | undefined;
  /** Secrets in use, which may show nowhere. */
  secrets?: string[] | undefined;
}

const asFolder = (uri: string): string => (uri.endsWith("/") ? uri : `${uri}/`);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

async function keys(store: ObjectStore, base: string, prefix = asFolder(base), after?: string): Promise<string[]> {
  const found: string[] = [];
  for await (const info of store.list(prefix, { after })) found.push(keyBelow(base, info.uri));
  return found;
}

/** Names that have broken tools before. */
const ODD_NAMES = [
  "a space",
  "it's",
  'say "hi"',
  "new\nline",
  "emoji 🦀",
  "-leading",
  "trailing.",
  "per%20cent",
  "q?m#h",
  "ünï",
  "plus+&=",
  "back\\slash",
  "$(touch x)",
];

/** Every rule for object stores, as data. */
export const objectStoreCases: ReadonlyArray<StoreCase<ObjectStoreSubject>> = [
  {
    id: "object-round-trip",
    title: "gives back what was put, from text, bytes and a file",
    async run({ store, base }) {
      const folder = await mkdtemp(join(tmpdir(), "runctl-conformance-"));
      try {
        await writeFile(join(folder, "body"), "from a file");
        await store.put(joinKey(base, "text"), "täxt");
        await store.put(joinKey(base, "deep/er/bytes"), Uint8Array.of(0, 255, 10, 13));
        await store.put(joinKey(base, "file"), { file: join(folder, "body") });
        await store.put(joinKey(base, "empty"), "");
        assert.equal(text(await store.get(joinKey(base, "text"))), "täxt");
        assert.deepEqual([...(await store.get(joinKey(base, "deep/er/bytes")))], [0, 255, 10, 13]);
        assert.equal(text(await store.get(joinKey(base, "file"))), "from a file");
        assert.equal((await store.get(joinKey(base, "empty"))).byteLength, 0);
        assert.deepEqual(await readdir(folder), ["body"]);
        await store.getToFile?.(joinKey(base, "text"), join(folder, "sub", "copy"));
        if (store.getToFile !== undefined) assert.equal(await readFile(join(folder, "sub", "copy"), "utf8"), "täxt");
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  },
  {
    id: "object-own-copy",
    title: "does not change stored bytes when the caller's buffer changes",
    async run({ store, base }) {
      const mine = Buffer.from("before");
      await store.put(joinKey(base, "x"), mine);
      mine.fill(0);
      const got = await store.get(joinKey(base, "x"));
      assert.equal(text(got), "before");
      got.fill(0);
      assert.equal(text(await store.get(joinKey(base, "x"))), "before");
    },
  },
  {
    id: "object-ranges",
    title: "reads ranges: start inclusive, end exclusive, past the end left out",
    async run({ store, base }) {
      const uri = joinKey(base, "range");
      await store.put(uri, "0123456789");
      const range = async (start: number, end?: number): Promise<string> => text(await store.get(uri, { range: { start, end } }));
      assert.equal(await range(0, 3), "012");
      assert.equal(await range(7), "789");
      assert.equal(await range(8, 100), "89");
      assert.equal(await range(10), "");
      assert.equal(await range(50, 60), "");
      assert.equal(await range(3, 3), "");
    },
  },
  {
    id: "object-missing",
    title: "says missing in each of the ways",
    async run({ store, base }) {
      await store.put(joinKey(base, "folder/inside"), "x");
      for (const key of ["nothing", "folder", "nothing/below"]) {
        assert.equal(await store.head(joinKey(base, key)), undefined);
        await assert.rejects(store.get(joinKey(base, key)), (error) => NotFoundError.isInstance(error));
      }
      await store.delete(joinKey(base, "nothing"));
      await store.delete(joinKey(base, "no/such/folder"));
      assert.deepEqual(await keys(store, joinKey(base, "no/such")), []);
    },
  },
  {
    id: "object-if-none-match",
    title: "creates only what is not there with ifNoneMatch",
    async run({ store, base }) {
      const uri = joinKey(base, "once");
      await store.put(uri, "first", { ifNoneMatch: "*" });
      await assert.rejects(store.put(uri, "second", { ifNoneMatch: "*" }), (error) => ConflictError.isInstance(error));
      assert.equal(text(await store.get(uri)), "first");
      const many = await Promise.allSettled(
        [1, 2, 3, 4, 5, 6, 7, 8].map((n) => store.put(joinKey(base, "race"), `${n}`, { ifNoneMatch: "*" })),
      );
      const won = many.flatMap((result, n) => (result.status === "fulfilled" ? [n + 1] : []));
      assert.equal(won.length, 1);
      assert.equal(text(await store.get(joinKey(base, "race"))), `${won[0]}`);
    },
  },
  {
    id: "object-if-match",
    title: "replaces only the version asked for with ifMatch",
    async run({ store, base }) {
      const uri = joinKey(base, "cas");
      await assert.rejects(store.put(uri, "x", { ifMatch: "never-seen" }), (error) => ConflictError.isInstance(error));
      assert.equal(await store.head(uri), undefined);
      const one = await store.put(uri, "one");
      const two = await store.put(uri, "two", { ifMatch: one.etag });
      assert.notEqual(one.etag, two.etag);
      await assert.rejects(store.put(uri, "late", { ifMatch: one.etag }), (error) => ConflictError.isInstance(error));
      assert.equal(text(await store.get(uri)), "two");
      assert.equal((await store.head(uri))?.etag, two.etag);
      await store.delete(uri);
      await assert.rejects(store.put(uri, "back", { ifMatch: two.etag }), (error) => ConflictError.isInstance(error));
      assert.equal(await store.head(uri), undefined);
    },
  },
  {
    id: "object-etags",
    title: "never repeats an etag, also for the same bytes in quick succession",
    async run({ store, base }) {
      const uri = joinKey(base, "aba");
      const seen = new Set<string>();
      for (let n = 0; n < 60; n += 1) seen.add((await store.put(uri, n % 2 === 0 ? "aaaa" : "bbbb")).etag);
      assert.equal(seen.size, 60);
    },
  },
  {
    id: "object-no-lost-update",
    title: "loses no update of concurrent read-modify-write",
    async run({ store, base }) {
      const uri = joinKey(base, "counter");
      await store.put(uri, "0");
      await Promise.all(
        [1, 2, 3, 4].map(async () => {
          for (let done = 0; done < 10; ) {
            const { etag } = (await store.head(uri)) ?? { etag: "" };
            const value = Number(text(await store.get(uri)));
            try {
              await store.put(uri, `${value + 1}`, { ifMatch: etag });
              done += 1;
            } catch (error) {
              assert.ok(ConflictError.isInstance(error), String(error));
            }
          }
        }),
      );
      assert.equal(text(await store.get(uri)), "40");
    },
  },
  {
    id: "object-whole",
    title: "shows a reader whole objects only",
    async run({ store, base }) {
      const uri = joinKey(base, "whole");
      const bodies = ["a", "b", "c"].map((letter) => letter.repeat(300_000));
      await store.put(uri, bodies[0] ?? "");
      let writing = true;
      const writer = (async () => {
        for (let n = 0; n < 30; n += 1) await store.put(uri, bodies[n % 3] ?? "");
        writing = false;
      })();
      while (writing) assert.ok(bodies.includes(text(await store.get(uri))), "half an object was read");
      await writer;
    },
  },
  {
    id: "object-list",
    title: "lists in byte order, by prefix, after a place, with sizes and etags as head tells",
    async run({ store, base }) {
      const names = ["b/x", "a-1", "a/2/y", "a/1", "a.txt", "a", "ab", "c", "b/x.y"].filter((name) => !(name === "a"));
      for (const name of names) await store.put(joinKey(base, name), name);
      const all = await keys(store, base);
      assert.deepEqual(all, [...names].sort());
      assert.deepEqual(
        await keys(store, base, joinKey(base, "a")),
        all.filter((name) => name.startsWith("a")),
      );
      assert.deepEqual(await keys(store, base, `${joinKey(base, "a")}/`), ["a/1", "a/2/y"]);
      for (const place of all) {
        assert.deepEqual(
          await keys(store, base, asFolder(base), joinKey(base, place)),
          all.filter((name) => name > place),
          `after ${place}`,
        );
      }
      assert.deepEqual(
        await keys(store, base, asFolder(base), joinKey(base, "a/1x")),
        all.filter((name) => name > "a/1x"),
      );
      for await (const info of store.list(asFolder(base))) {
        const head: ObjectInfo | undefined = await store.head(info.uri);
        assert.deepEqual(info, head);
        assert.equal(info.sizeBytes, keyBelow(base, info.uri).length);
        assert.equal(new Date(info.modifiedAt).toISOString(), info.modifiedAt);
      }
    },
  },
  {
    id: "object-odd-names",
    title: "keeps odd names through put, list, get and delete",
    async run({ store, base }) {
      for (const name of ODD_NAMES) await store.put(joinKey(base, `${name}/${name}`), name);
      const found = await keys(store, base);
      assert.deepEqual([...found].sort(), ODD_NAMES.map((name) => `${name}/${name}`).sort());
      for await (const info of store.list(asFolder(base)))
        assert.equal(`${text(await store.get(info.uri))}`, keyBelow(base, info.uri).split("/")[1]);
      for (const name of ODD_NAMES) await store.delete(joinKey(base, `${name}/${name}`));
      assert.deepEqual(await keys(store, base), []);
    },
  },
  {
    id: "object-delete",
    title: "deletes one object and not its neighbours",
    async run({ store, base }) {
      for (const key of ["run1/a", "run10/a", "run1/b"]) await store.put(joinKey(base, key), key);
      await store.delete(joinKey(base, "run1/a"));
      await store.delete(joinKey(base, "run1/a"));
      assert.deepEqual(await keys(store, base), ["run1/b", "run10/a"]);
    },
  },
  {
    id: "object-abort",
    title: "rejects with the signal's own reason",
    async run({ store, base }) {
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);
      const same = (error: unknown): boolean => error === reason;
      await store.put(joinKey(base, "x"), "x");
      await assert.rejects(store.put(joinKey(base, "y"), "y", { signal }), same);
      await assert.rejects(store.get(joinKey(base, "x"), { signal }), same);
      await assert.rejects(store.head(joinKey(base, "x"), { signal }), same);
      await assert.rejects(async () => {
        for await (const _ of store.list(asFolder(base), { signal }));
      }, same);
      assert.equal(await store.head(joinKey(base, "y")), undefined);
    },
  },
  {
    id: "object-two-clients",
    title: "two clients of one store are one store: create-only has one winner, versions count for both",
    async run({ store, base, again }) {
      if (again === undefined) throw new CannotSay("not-provable", "hook again (a second client of the same store) is missing");
      const other = await again();
      const uri = joinKey(base, "shared");
      const tries = await Promise.allSettled([store, other, store, other].map((one, n) => one.put(uri, `${n}`, { ifNoneMatch: "*" })));
      assert.equal(tries.filter(({ status }) => status === "fulfilled").length, 1, "Create-only by two clients must have one winner.");
      const { etag } = (await other.head(uri)) ?? { etag: "" };
      await store.put(uri, "newer", { ifMatch: etag });
      await assert.rejects(other.put(uri, "late", { ifMatch: etag }), (error) => ConflictError.isInstance(error));
      assert.equal(text(await other.get(uri)), "newer");
    },
  },
  {
    id: "object-list-pages",
    title: "a listing of three pages is whole and in order",
    async run({ store, base, pageSize }) {
      if (pageSize === undefined) throw new CannotSay("not-provable", "pageSize of the subject is missing");
      const names = Array.from({ length: pageSize * 2 + 1 }, (_, n) => `n${String(n).padStart(6, "0")}`);
      for (const name of names) await store.put(joinKey(base, name), "");
      assert.deepEqual(await keys(store, base), names);
      const middle = names[pageSize] ?? "";
      assert.deepEqual(await keys(store, base, asFolder(base), joinKey(base, middle)), names.slice(pageSize + 1));
    },
  },
  {
    id: "object-host-access",
    title: "tells the host how to reach it, with secrets apart from settings",
    async run({ store, base, secrets = [] }) {
      for (const mode of ["read", "write"] as const) {
        const access = await store.hostAccess(base, { mode, ttlMs: 3_600_000 }).catch((error: unknown) => {
          if (!UnsupportedCapabilityError.isInstance(error)) throw error;
          throw new CannotSay("not-applicable", "hosts cannot reach this store, and it says so");
        });
        assert.ok(["s3", "file", "command"].includes(access.kind), `The kind ${access.kind} is not known to the host agent.`);
        assert.equal(access.kind === "command", access.command !== undefined, 'kind "command" and a command belong together.');
        const open = JSON.stringify([access.settings, access.command ?? ""]);
        for (const secret of [...secrets, ...Object.values(access.secrets)])
          assert.ok(secret === "" || !open.includes(secret), "A secret stands among the settings, which are logged.");
        assert.ok(access.expiresAt === undefined || Number.isFinite(Date.parse(access.expiresAt)), "expiresAt is no time.");
      }
    },
  },
  {
    id: "object-errors",
    title: "errors are runctl errors and show no secret",
    async run({ store, base, secrets = [] }) {
      const errors: unknown[] = [];
      const keep = (error: unknown): void => void errors.push(error);
      await store.get(joinKey(base, "missing")).catch(keep);
      await store.put(joinKey(base, "x"), "x", { ifMatch: "none" }).catch(keep);
      await store.put(joinKey(base, "y"), { file: "/no/such/file/of/anybody" }).catch(keep);
      await (async () => store.head("no-such-scheme://x/y"))().catch(keep);
      assert.equal(errors.length, 4, "A missing object, a wrong version, a missing file and another scheme are errors, all four.");
      for (const error of errors) {
        assert.ok(RunctlError.is(error), `It threw the raw error ${String(error)}.`);
        for (const secret of secrets)
          assert.ok(secret === "" || !`${error.message}${JSON.stringify(error)}`.includes(secret), "An error shows a secret.");
      }
      assert.equal(await store.head(joinKey(base, "x")), undefined);
      assert.equal(await store.head(joinKey(base, "y")), undefined, "A put that failed left an object.");
    },
  },
];

const KIND: StoreKind<ObjectStoreSubject> = {
  kind: "object-store",
  cases: objectStoreCases,
  nameOf: ({ store }) => store.scheme,
  close: async () => undefined,
};

/**
 * Registers every rule for object stores with a test runner.
 * @throws ConfigurationError when no runner is found.
 */
export function testObjectStore(factory: StoreFactory<ObjectStoreSubject>, options: TestStoreOptions = {}): void {
  registerStore(KIND, factory, options);
}

/** Runs every rule for object stores without a runner. Writes below `base` only. */
export function runObjectStoreConformance(
  factory: StoreFactory<ObjectStoreSubject>,
  options: StoreConformanceOptions = {},
): Promise<ConformanceReport> {
  return runStore(KIND, factory, options);
}
