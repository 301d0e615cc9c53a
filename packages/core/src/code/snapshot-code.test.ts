import { execFileSync, fork } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fileStore } from "../storage/file-store.ts";
import { pathToFileUri } from "../storage/file-uri.ts";
import { memoryStore } from "../storage/memory-store.ts";
import { ODD_NAMES } from "../storage/odd-names.test-helper.ts";
import { sha256Hex } from "../util/hash.ts";
import { canonicalJson } from "../util/json.ts";
import { inspectCode, type SnapshotCodeOptions, snapshotCode } from "./snapshot-code.ts";
import type { TreeManifest } from "./tree-manifest.ts";

let dir = "";
let root = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "runctl-code-"));
  root = join(dir, "project");
  mkdirSync(root);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const LONG_AGO = 1_700_000_000;
function put(path: string, text = path, mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  chmodSync(join(root, path), mode);
  utimesSync(join(root, path), LONG_AGO, LONG_AGO);
}
function options(more: Partial<SnapshotCodeOptions> = {}): SnapshotCodeOptions {
  // A clock 10 s ahead: nothing of a test is in the racy window, as nothing of a user's usually is.
  const clock = {
    now: () => Date.parse("2100-01-01"),
    monotonic: () => 0,
    timer: (_ms: number, fn: () => void) => ({ cancel: () => void fn }),
  };
  return { root, store: fileStore(), prefix: pathToFileUri(join(dir, "store")), cacheDir: join(dir, "cache"), clock, ...more };
}
function manifestOf(sha256: string): TreeManifest {
  return JSON.parse(readFileSync(join(dir, "store", "code", "trees", `${sha256}.json`), "utf8")) as TreeManifest;
}
/** Rebuilds every file from the packs as a host would, checking digests. */
function contents(manifest: TreeManifest): Record<string, string> {
  const result: Record<string, string> = {};
  for (const file of manifest.files) {
    const pack = readFileSync(join(dir, "store", manifest.packs[file.pack] ?? ""));
    const bytes = pack.subarray(file.offset, file.offset + file.size);
    expect(sha256Hex(bytes), file.path).toBe(file.sha256);
    result[file.path] = bytes.toString();
  }
  return result;
}
const packs = (): string[] =>
  existsSync(join(dir, "store/code/packs"))
    ? readdirSync(join(dir, "store/code/packs"))
        .filter((name) => name.endsWith(".pack"))
        .sort()
    : [];
const storeBytes = (): number => packs().reduce((sum, name) => sum + statSync(join(dir, "store/code/packs", name)).size, 0);

describe("snapshotCode", () => {
  it("S-03 stores a tree with names, modes, links and empty folders, under its digest", async () => {
    for (const name of ODD_NAMES) put(`odd/${name}`);
    put("run.sh", "#!/bin/sh\n", 0o755);
    put("empty.txt", "");
    put("same-1", "same");
    put("same-2", "same");
    mkdirSync(join(root, "logs", "deep"), { recursive: true });
    symlinkSync("run.sh", join(root, "link"));
    symlinkSync(join(root, "odd"), join(root, "absolute"));
    symlinkSync("loop-b", join(root, "loop-a"));
    symlinkSync("loop-a", join(root, "loop-b"));
    const done = await snapshotCode(options());
    const manifest = manifestOf(done.sha256);
    expect(contents(manifest)).toEqual({
      ...Object.fromEntries(ODD_NAMES.map((name) => [`odd/${name}`, `odd/${name}`])),
      "run.sh": "#!/bin/sh\n",
      "empty.txt": "",
      "same-1": "same",
      "same-2": "same",
    });
    expect(manifest.files.find((file) => file.path === "run.sh")?.mode).toBe("755");
    expect(manifest.files.find((file) => file.path === "same-1")?.mode).toBe("644");
    expect(manifest.dirs).toEqual(["logs/deep"]);
    expect(manifest.links).toEqual([
      { path: "absolute", target: "odd" },
      { path: "link", target: "run.sh" },
      { path: "loop-a", target: "loop-b" },
      { path: "loop-b", target: "loop-a" },
    ]);
    expect(manifest.files.map((file) => file.path)).toEqual(
      manifest.files.map((file) => file.path).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    );
    expect(done.sha256).toBe(
      sha256Hex(
        canonicalJson({
          files: manifest.files.map((file) => [file.path, file.size, file.sha256, file.mode]),
          links: manifest.links.map((link) => [link.path, link.target]),
          dirs: manifest.dirs,
        }),
      ),
    );
    for (const name of packs()) expect(`${sha256Hex(readFileSync(join(dir, "store/code/packs", name)))}.pack`).toBe(name);
    expect(done.manifestKey).toBe(`code/trees/${done.sha256}.json`);
    expect(done.files).toBe(ODD_NAMES.length + 4);
    expect(readdirSync(join(dir, "cache")).filter((name) => name.includes("spool"))).toEqual([]);
  });

  it("P-23 moves bytes in proportion to the change", async () => {
    for (let n = 0; n < 200; n += 1) put(`data/${n}.bin`, `${n}`.padEnd(250_000, String.fromCharCode(97 + (n % 26))));
    const first = await snapshotCode(options({ packBytes: 8_000_000 }));
    expect(first.changed).toEqual({ files: 200, bytes: 50_000_000 });
    expect(packs().length).toBeGreaterThan(5);
    const before = storeBytes();
    put("data/17.bin", "changed");
    const planned = await inspectCode(options());
    expect(planned.changed).toEqual({ files: 1, bytes: 7 });
    expect(storeBytes()).toBe(before);
    const second = await snapshotCode(options());
    expect(second.changed).toEqual({ files: 1, bytes: 7 });
    expect(second.sha256).toBe(planned.sha256);
    expect(storeBytes() - before).toBe(7);
    expect(contents(manifestOf(second.sha256))["data/17.bin"]).toBe("changed");
    const third = await snapshotCode(options());
    expect(third).toMatchObject({ sha256: second.sha256, changed: { files: 0, bytes: 0 } });
  });

  it("moves nothing for another machine without a cache, nor for a touched, moved or copied file", async () => {
    put("a", "content of a");
    put("b", "content of b");
    await snapshotCode(options());
    const before = packs();
    const elsewhere = await snapshotCode(options({ cacheDir: undefined }));
    expect(elsewhere.changed).toEqual({ files: 0, bytes: 0 });
    utimesSync(join(root, "a"), LONG_AGO + 5, LONG_AGO + 5);
    put("copy", "content of b");
    expect((await snapshotCode(options())).changed).toEqual({ files: 0, bytes: 0 });
    expect(packs()).toEqual(before);
  });

  it("sends again what has vanished from the store, though no file changed", async () => {
    put("a", "content of a");
    const first = await snapshotCode(options());
    for (const name of packs()) unlinkSync(join(dir, "store/code/packs", name));
    const second = await snapshotCode(options());
    expect(second.sha256).toBe(first.sha256);
    expect(contents(manifestOf(second.sha256))).toEqual({ a: "content of a" });
    for (const name of packs()) truncateSync(join(dir, "store/code/packs", name), 3);
    await snapshotCode(options());
    expect(contents(manifestOf(second.sha256))).toEqual({ a: "content of a" });
    rmSync(join(dir, "store"), { recursive: true });
    await snapshotCode(options());
    expect(contents(manifestOf(second.sha256))).toEqual({ a: "content of a" });
  });

  it("is not fooled by a change within the file system's tick, nor by a damaged cache", async () => {
    const real = options({ clock: undefined });
    writeFileSync(join(root, "a"), "one");
    const first = await snapshotCode(real);
    const { mtimeMs } = statSync(join(root, "a"));
    writeFileSync(join(root, "a"), "two");
    utimesSync(join(root, "a"), mtimeMs / 1000, mtimeMs / 1000);
    const second = await snapshotCode(real);
    expect(contents(manifestOf(second.sha256))).toEqual({ a: "two" });
    expect(second.sha256).not.toBe(first.sha256);
    for (const name of readdirSync(join(dir, "cache"))) if (name.endsWith(".index")) writeFileSync(join(dir, "cache", name), "{garbage");
    expect((await snapshotCode(real)).sha256).toBe(second.sha256);
  });

  it("applies changed rules at once, whatever the cache remembers", async () => {
    for (const path of ["a", "b.csv", "c.txt", "sub/d.csv"]) put(path);
    const files = async (more: Partial<SnapshotCodeOptions> = {}): Promise<string[]> =>
      manifestOf((await snapshotCode(options(more))).sha256).files.map((file) => file.path);
    expect(await files()).toEqual(["a", "b.csv", "c.txt", "sub/d.csv"]);
    put(".gitignore", "*.csv\n");
    expect(await files()).toEqual([".gitignore", "a", "c.txt"]);
    expect(await files({ include: ["b.csv"] })).toEqual([".gitignore", "a", "b.csv", "c.txt"]);
    expect(await files({ exclude: ["c.*"] })).toEqual([".gitignore", "a"]);
    expect(await files()).toEqual([".gitignore", "a", "c.txt"]);
    put("sub/.gitignore", "!d.csv\n");
    expect(await files()).toEqual([".gitignore", "a", "c.txt", "sub/.gitignore", "sub/d.csv"]);
    unlinkSync(join(root, ".gitignore"));
    mkdirSync(join(root, ".git/info"), { recursive: true });
    writeFileSync(join(root, ".git/info/exclude"), "c.txt\n");
    expect(await files()).toEqual(["a", "b.csv", "sub/.gitignore", "sub/d.csv"]);
  });

  it("works without writing a byte when inspecting, and from a tree that cannot be written", async () => {
    put("a");
    await inspectCode(options());
    expect(readdirSync(dir)).toEqual(["project"]);
    if (process.getuid?.() !== 0) return;
    chmodSync(root, 0o555);
    chmodSync(dir, 0o755);
    mkdirSync(join(dir, "out"));
    chmodSync(join(dir, "out"), 0o777);
    process.seteuid?.(65534);
    try {
      const done = await snapshotCode(options({ prefix: pathToFileUri(join(dir, "out", "store")), cacheDir: join(root, "cache") }));
      expect(done.files).toBe(1);
    } finally {
      process.seteuid?.(0);
    }
  });

  it("works with any store", async () => {
    put("a", "x");
    const store = memoryStore();
    const done = await snapshotCode(options({ store, prefix: "memory://runs" }));
    expect(done.changed).toEqual({ files: 1, bytes: 1 });
    expect((await snapshotCode(options({ store, prefix: "memory://runs" }))).changed.bytes).toBe(0);
  });

  it("stages 10,000 files without holding up the event loop", async () => {
    for (let n = 0; n < 10_000; n += 1) {
      if (n % 200 === 0) mkdirSync(join(root, `d${n / 200}`));
      writeFileSync(join(root, `d${Math.floor(n / 200)}`, `${n}.py`), `print(${n})`);
    }
    // Processor time, not the clock on the wall: a busy machine holds the loop up as well, and that is not ours.
    const spentMs = (): number => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    };
    let longest = 0;
    let last = spentMs();
    const ticker = setInterval(() => {
      longest = Math.max(longest, spentMs() - last);
      last = spentMs();
    }, 1);
    const done = await snapshotCode(options({ clock: undefined }));
    clearInterval(ticker);
    expect(done.files).toBe(10_000);
    expect(Object.keys(contents(manifestOf(done.sha256)).valueOf())).toHaveLength(10_000);
    // The slices are of 15 ms; threads that read and pack count as well.
    expect(longest).toBeLessThan(400);
  });

  it("two at once end in the same tree", async () => {
    for (let n = 0; n < 300; n += 1) put(`f${n}`, `${n}`.repeat(100));
    const results = await Promise.all([1, 2, 3].map(() => snapshotCode(options({ packBytes: 10_000 }))));
    expect(new Set(results.map((result) => result.sha256)).size).toBe(1);
    expect(Object.keys(contents(manifestOf(results[0]?.sha256 ?? "")))).toHaveLength(300);
    expect(readdirSync(join(dir, "store/code/packs")).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("goes on where a killed one stopped", async () => {
    for (let n = 0; n < 40; n += 1) put(`f${n}`, `${n}-`.padEnd(100_000, "x"));
    const worker = fileURLToPath(new URL("./snapshot-worker.test-helper.ts", import.meta.url));
    const code = await new Promise<string | null>((resolve, reject) => {
      const child = fork(worker, [root, pathToFileUri(join(dir, "store")), join(dir, "cache")], {
        execArgv: ["--import", fileURLToPath(import.meta.resolve("tsx")), "--conditions=@runctl/source"],
        stdio: "inherit",
      });
      child.on("error", reject);
      child.on("exit", (_code, signal) => resolve(signal));
    });
    expect(code).toBe("SIGKILL");
    const kept = packs().length;
    expect(kept).toBeGreaterThan(0);
    expect(existsSync(join(dir, "store/code/trees"))).toBe(false);
    const done = await snapshotCode(options({ packBytes: 300_000 }));
    expect(done.changed.files).toBeLessThanOrEqual(40 - kept * 3);
    expect(Object.keys(contents(manifestOf(done.sha256)))).toHaveLength(40);
    expect(readdirSync(join(dir, "cache")).filter((name) => name.includes("spool"))).toEqual([]);
    expect(execFileSync("find", [dir, "-name", ".runctl-tmp-*"]).toString()).toBe("");
  });

  it("rejects with the caller's reason and leaves no half pack", async () => {
    for (let n = 0; n < 2000; n += 1) put(`f${n}`);
    const stop = new AbortController();
    const reason = new Error("enough");
    await expect(snapshotCode(options({ signal: stop.signal, onProgress: () => stop.abort(reason), clock: undefined }))).rejects.toBe(
      reason,
    );
    expect(readdirSync(join(dir, "cache")).filter((name) => name.includes("spool"))).toEqual([]);
    expect((await snapshotCode(options())).files).toBe(2000);
  });

  it("refuses a store that is the project root, and leaves out one inside it", async () => {
    put("a");
    await expect(snapshotCode(options({ prefix: pathToFileUri(root) }))).rejects.toMatchObject({ kind: "validation" });
    const inside = options({ prefix: pathToFileUri(join(root, "my store")), cacheDir: join(root, "my cache") });
    await snapshotCode(inside);
    expect((await snapshotCode(inside)).files).toBe(1);
  });

  it("says what is wrong with the root", async () => {
    put("file");
    await expect(snapshotCode(options({ root: join(root, "nothing") }))).rejects.toMatchObject({ kind: "validation" });
    await expect(snapshotCode(options({ root: join(root, "file") }))).rejects.toMatchObject({ kind: "validation" });
  });

  it.runIf(process.getuid?.() === 0)("names a file that cannot be read, and the cure", async () => {
    put("fine");
    put("locked", "x", 0o000);
    chmodSync(dir, 0o755);
    process.seteuid?.(65534);
    try {
      await expect(inspectCode(options({ cacheDir: undefined }))).rejects.toMatchObject({
        kind: "sync",
        what: expect.stringContaining("locked"),
        fix: [expect.stringContaining("chmod"), expect.stringContaining(".runctlignore")],
      });
      expect((await inspectCode(options({ cacheDir: undefined, exclude: ["locked"] }))).files).toBe(1);
    } finally {
      process.seteuid?.(0);
    }
  });

  it.runIf(process.getuid?.() === 0 && existsSync("/dev/loop-control"))(
    "survives a full disk and finishes when there is room",
    async () => {
      const disk = join(dir, "disk");
      mkdirSync(disk);
      execFileSync("truncate", ["-s", "12M", join(dir, "image")]);
      execFileSync("mkfs.ext4", ["-q", "-m", "0", join(dir, "image")]);
      execFileSync("mount", ["-o", "loop", join(dir, "image"), disk]);
      try {
        for (let n = 0; n < 40; n += 1) put(`f${n}`, `${n}-`.padEnd(100_000, "x"));
        const small = options({ prefix: pathToFileUri(join(disk, "store")), cacheDir: join(disk, "cache"), packBytes: 500_000 });
        writeFileSync(join(disk, "filler"), Buffer.alloc(8_500_000));
        await expect(snapshotCode(small)).rejects.toMatchObject({ kind: "storage", why: "The disk is full." });
        expect(existsSync(join(disk, "store/code/trees"))).toBe(false);
        expect(execFileSync("find", [disk, "-name", ".runctl-tmp-*"]).toString()).toBe("");
        unlinkSync(join(disk, "filler"));
        const done = await snapshotCode(small);
        expect(done.files).toBe(40);
      } finally {
        execFileSync("umount", [disk]);
      }
    },
  );
});
