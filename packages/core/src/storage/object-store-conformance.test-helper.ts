import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConflictError, NotFoundError } from "../errors/kinds.ts";
import type { ObjectInfo, ObjectStore } from "../provider/object-store.ts";
import { asFolder, joinKey, keyBelow } from "./location.ts";

/** One rule every object store must keep. `base` is an empty folder URI of its own for each case. */
export interface StoreCase {
  name: string;
  run(store: ObjectStore, base: string): Promise<void>;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

async function keys(store: ObjectStore, base: string, prefix = asFolder(base), after?: string): Promise<string[]> {
  const found: string[] = [];
  for await (const info of store.list(prefix, { after })) found.push(keyBelow(base, info.uri));
  return found;
}

/** Names that have broken tools before. */
export const ODD_NAMES = [
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

/** The conformance table of object stores. */
export const objectStoreCases: StoreCase[] = [
  {
    name: "gives back what was put, from text, bytes and a file",
    async run(store, base) {
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
    name: "does not change stored bytes when the caller's buffer changes",
    async run(store, base) {
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
    name: "reads ranges: start inclusive, end exclusive, past the end left out",
    async run(store, base) {
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
    name: "says missing in each of the ways",
    async run(store, base) {
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
    name: "creates only what is not there with ifNoneMatch",
    async run(store, base) {
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
    name: "replaces only the version asked for with ifMatch",
    async run(store, base) {
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
    name: "never repeats an etag, also for the same bytes in quick succession",
    async run(store, base) {
      const uri = joinKey(base, "aba");
      const seen = new Set<string>();
      for (let n = 0; n < 60; n += 1) seen.add((await store.put(uri, n % 2 === 0 ? "aaaa" : "bbbb")).etag);
      assert.equal(seen.size, 60);
    },
  },
  {
    name: "loses no update of concurrent read-modify-write",
    async run(store, base) {
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
    name: "shows a reader whole objects only",
    async run(store, base) {
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
    name: "lists in byte order, by prefix, after a place, with sizes and etags as head tells",
    async run(store, base) {
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
    name: "keeps odd names through put, list, get and delete",
    async run(store, base) {
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
    name: "deletes one object and not its neighbours",
    async run(store, base) {
      for (const key of ["run1/a", "run10/a", "run1/b"]) await store.put(joinKey(base, key), key);
      await store.delete(joinKey(base, "run1/a"));
      await store.delete(joinKey(base, "run1/a"));
      assert.deepEqual(await keys(store, base), ["run1/b", "run10/a"]);
    },
  },
  {
    name: "rejects with the signal's own reason",
    async run(store, base) {
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
];
