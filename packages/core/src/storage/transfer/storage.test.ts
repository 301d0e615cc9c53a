import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ObjectStore } from "../../provider/object-store.ts";
import type { Clock } from "../../util/clock.ts";
import { fileStore } from "../file-store.ts";
import { pathToFileUri } from "../file-uri.ts";
import { memoryStore } from "../memory-store.ts";
import { ODD_NAMES } from "../odd-names.test-helper.ts";
import { createStoreRegistry } from "../store-registry.ts";
import { downloadTree } from "./download-tree.ts";
import { createStorage } from "./storage.ts";
import type { Storage } from "./transfer-types.ts";

let dir = "";
let memory: ObjectStore;
let puts: string[] = [];
/** A store that is far away: reading it to compare is not free. */
let far: ObjectStore;
let storage: Storage;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "runctl-transfer-"));
  memory = memoryStore();
  puts = [];
  const inside = (uri: string): string => uri.replace(/^far:/, "memory:");
  const outside = <T extends { uri: string }>(info: T): T => ({ ...info, uri: info.uri.replace(/^memory:/, "far:") });
  far = {
    scheme: "far",
    async put(uri, body, options) {
      puts.push(uri);
      return memory.put(inside(uri), body, options);
    },
    get: (uri, options) => memory.get(inside(uri), options),
    head: async (uri) => {
      const found = await memory.head(inside(uri));
      return found && outside(found);
    },
    async *list(uri, options) {
      for await (const info of memory.list(inside(uri), options)) yield outside(info);
    },
    delete: (uri) => memory.delete(inside(uri)),
    hostAccess: (uri, options) => memory.hostAccess(uri, options),
  };
  storage = createStorage({ stores: createStoreRegistry([memory, far]), base: dir, cacheDir: join(dir, "cache") });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
function put(path: string, text = path): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
}
async function keys(location: string): Promise<string[]> {
  const found: string[] = [];
  for await (const info of storage.list(location)) found.push(info.uri);
  return found;
}

describe("copy and sync", () => {
  it("brings a folder there and back with odd names, moving only changes", async () => {
    for (const name of ODD_NAMES) put(`data/${name}/${name}`);
    put("data/big", "x".repeat(9 * 1024 * 1024));
    const up = await storage.copy("data", "far://bucket/data");
    expect(up).toMatchObject({ files: ODD_NAMES.length + 1, copied: { files: ODD_NAMES.length + 1 }, deleted: [] });
    const down = await storage.copy("far://bucket/data", "back");
    expect(down.copied.files).toBe(ODD_NAMES.length + 1);
    for (const name of ODD_NAMES) expect(readFileSync(join(dir, "back", name, name), "utf8")).toBe(`data/${name}/${name}`);
    expect(readFileSync(join(dir, "back", "big"), "utf8")).toBe("x".repeat(9 * 1024 * 1024));
    puts = [];
    put("data/it's/it's", "changed");
    const again = await storage.sync("data", "far://bucket/data");
    expect(again.copied).toEqual({ files: 1, sizeBytes: 7 });
    expect(puts).toEqual(["far://bucket/data/it's/it's"]);
  });

  it("P-24 never propagates a deletion unless told to", async () => {
    put("src/a");
    put("src/b");
    await storage.sync("src", "far://b/t");
    await memory.put("memory://b/t2/neighbour", "x");
    rmSync(join(dir, "src/b"));
    expect((await storage.sync("src", "far://b/t")).deleted).toEqual([]);
    expect(await keys("far://b/t")).toEqual(["far://b/t/a", "far://b/t/b"]);
    const dry = await storage.sync("src", "far://b/t", { delete: true, dryRun: true });
    expect(dry.deleted).toEqual(["far://b/t/b"]);
    expect(await keys("far://b/t")).toHaveLength(2);
    await storage.sync("src", "far://b/t", { delete: true });
    expect(await keys("far://b")).toEqual(["far://b/t/a", "far://b/t2/neighbour"]);
  });

  it("copies one object, under its own name into a folder", async () => {
    put("a b.txt", "x");
    expect((await storage.copy("a b.txt", "far://b/into/")).to).toBe("far://b/into/a b.txt");
    expect((await storage.copy("far://b/into/a b.txt", "copy.txt")).copied.files).toBe(1);
    expect(readFileSync(join(dir, "copy.txt"), "utf8")).toBe("x");
    expect((await storage.copy("far://b/into/a b.txt", "copy.txt")).copied.files).toBe(0);
    await expect(storage.copy("nothing", "far://b/x")).rejects.toMatchObject({ kind: "not-found" });
    await expect(storage.copy("a b.txt", "s3://bucket/x")).rejects.toMatchObject({
      kind: "validation",
      why: expect.stringContaining("far, file, memory"),
    });
  });

  it("goes on after an interruption without sending twice", async () => {
    for (let n = 0; n < 50; n += 1) put(`src/${n}`);
    const stop = new AbortController();
    const reason = new Error("enough");
    await expect(
      storage.sync("src", "far://b/t", {
        signal: stop.signal,
        concurrency: 2,
        onProgress: ({ files }) => files === 20 && stop.abort(reason),
      }),
    ).rejects.toBe(reason);
    expect(puts.length).toBeGreaterThanOrEqual(20);
    expect(puts.length).toBeLessThan(25);
    const sent = (await keys("far://b/t")).length;
    puts = [];
    const rest = await storage.sync("src", "far://b/t");
    expect(rest.files).toBe(50);
    expect(puts.length).toBeLessThanOrEqual(50 - 20);
    expect(puts.length).toBeGreaterThanOrEqual(50 - sent);
  });

  it("never has more in flight than asked", async () => {
    for (let n = 0; n < 30; n += 1) put(`src/${n}`);
    let now = 0;
    let most = 0;
    // The first ones wait until three are in flight: that they can be is shown by the test ending at all.
    let three = (): void => undefined;
    const reached = new Promise<void>((resolve) => {
      three = resolve;
    });
    const slow: ObjectStore = {
      ...far,
      scheme: "slow",
      list: () => ({ async *[Symbol.asyncIterator]() {} }),
      head: async (uri) => ({ uri, sizeBytes: Number(uri.split("/").at(-1)) >= 10 ? 6 : 5, etag: "e", modifiedAt: "" }),
      async put() {
        now += 1;
        most = Math.max(most, now);
        if (now === 3) three();
        await reached;
        await new Promise((resolve) => setImmediate(resolve));
        now -= 1;
        return { etag: "e" };
      },
    };
    await createStorage({ stores: createStoreRegistry([slow]), base: dir }).sync("src", "slow://b/t", { concurrency: 3 });
    expect(most).toBe(3);
  });

  it("notices what arrives damaged and what keeps changing", async () => {
    put("src/a", "0123456789");
    const damaging: ObjectStore = {
      ...fileStore(),
      scheme: "memory",
      async put(uri, body, options) {
        const result = await memory.put(uri, body, options);
        return result;
      },
      head: (uri) => memory.head(uri),
      get: async () => Buffer.from("01234x6789"),
      async *list() {},
    };
    await expect(createStorage({ stores: createStoreRegistry([damaging]), base: dir }).sync("src", "memory://b/t")).rejects.toMatchObject({
      kind: "sync",
      why: expect.stringContaining("not what was sent"),
    });
    const changing: ObjectStore = {
      ...far,
      async put(uri, body, options) {
        put("src/a", `${puts.length}`.padEnd(10, "z"));
        return far.put(uri, body, options);
      },
    };
    await expect(createStorage({ stores: createStoreRegistry([changing]), base: dir }).sync("src", "far://b/t")).rejects.toMatchObject({
      kind: "sync",
      why: expect.stringContaining("keeps changing"),
    });
  });

  it("refuses names that would leave the target, and targets inside the source", async () => {
    await memory.put("memory://b/t/../../evil", "x");
    await expect(storage.copy("memory://b/t", "out/in")).rejects.toMatchObject({ kind: "sync" });
    expect(existsSync(join(dir, "evil"))).toBe(false);
    put("src/a");
    await expect(storage.sync("src", "src/copy")).rejects.toMatchObject({ kind: "validation" });
  });
});

describe("remove, review, watch, download", () => {
  it("removes below a folder and nothing beside it, and refuses whole buckets and disks", async () => {
    put("runs/run1/a");
    put("runs/run1/deep/b");
    put("runs/run10/a");
    expect(await storage.remove("runs/run1", { dryRun: true })).toMatchObject({ objects: 2, dryRun: true });
    expect(await keys("runs")).toHaveLength(3);
    expect(await storage.remove("runs/run1")).toMatchObject({ objects: 2 });
    expect(readdirSync(join(dir, "runs"))).toEqual(["run10"]);
    for (const root of ["/", "file:///", "far://bucket", "far://bucket/", "/tmp"]) {
      await expect(storage.remove(root), root).rejects.toMatchObject({ kind: "validation" });
    }
  });

  it("S-23 review totals hold past 1000 objects", async () => {
    for (let n = 0; n < 2500; n += 1) await memory.put(`memory://b/ckpt/${n % 2 === 0 ? "even" : "odd"}/${n}`, "x".repeat(n % 10));
    const review = await storage.review("far://b/ckpt");
    expect(review).toMatchObject({ objects: 2500, sizeBytes: 250 * 45, folders: { even: { objects: 1250 }, odd: { objects: 1250 } } });
    expect(review.largest).toHaveLength(10);
    expect(review.largest.every((info) => info.sizeBytes === 9)).toBe(true);
  });

  it("S-23 watch reports new and overwritten objects once each", async () => {
    const looks: Array<() => void> = [];
    const clock: Clock = {
      now: () => 0,
      monotonic: () => 0,
      timer(_ms, fn) {
        looks.push(fn);
        return { cancel: () => undefined };
      },
    };
    const watched = createStorage({ stores: createStoreRegistry([memory, far]), clock });
    await memory.put("memory://b/old", "x");
    const stop = new AbortController();
    const seen: string[] = [];
    const done = (async () => {
      for await (const change of watched.watch("far://b", { signal: stop.signal })) seen.push(`${change.change} ${change.uri}`);
    })();
    const turn = async (): Promise<void> => {
      while (looks.length === 0) await new Promise((resolve) => setImmediate(resolve));
      looks.shift()?.();
      while (looks.length === 0) await new Promise((resolve) => setImmediate(resolve));
    };
    while (looks.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await memory.put("memory://b/new", "1");
    await turn();
    await turn();
    await memory.put("memory://b/new", "2");
    await memory.put("memory://b/old", "y");
    await turn();
    await turn();
    await memory.delete("memory://b/new");
    await turn();
    await memory.put("memory://b/new", "3");
    await turn();
    stop.abort();
    await done;
    expect(seen).toEqual(["new far://b/new", "overwritten far://b/new", "overwritten far://b/old", "new far://b/new"]);
  });

  it("downloads a tree, keeps what is equal, refuses links that lead out", async () => {
    await memory.put("memory://run/outputs/model/a.bin", "aaa");
    await memory.put("memory://run/outputs/log.txt", "log");
    const to = join(dir, "download");
    expect(await downloadTree(memory, "memory://run/outputs", to)).toMatchObject({ files: 2, copied: { files: 2 } });
    expect(readFileSync(join(to, "model/a.bin"), "utf8")).toBe("aaa");
    truncateSync(join(to, "log.txt"), 1);
    expect(await downloadTree(memory, "memory://run/outputs", to)).toMatchObject({ files: 2, copied: { files: 1 } });
    expect(readFileSync(join(to, "log.txt"), "utf8")).toBe("log");
    rmSync(join(to, "model"), { recursive: true });
    mkdirSync(join(dir, "elsewhere"));
    symlinkSync(join(dir, "elsewhere"), join(to, "model"));
    await expect(downloadTree(memory, "memory://run/outputs", to)).rejects.toMatchObject({ kind: "validation" });
    expect(readdirSync(join(dir, "elsewhere"))).toEqual([]);
    expect(pathToFileUri(to)).toMatch(/^file:/);
  });
});
