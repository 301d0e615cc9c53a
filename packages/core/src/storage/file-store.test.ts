import { execFileSync, fork } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fileStore } from "./file-store.ts";
import { pathToFileUri } from "./file-uri.ts";
import { joinKey } from "./location.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "runctl-store-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const uri = (key: string): string => joinKey(pathToFileUri(dir), key);
async function names(store = fileStore()): Promise<string[]> {
  const found: string[] = [];
  for await (const info of store.list(`${pathToFileUri(dir)}/`)) found.push(info.uri.slice(pathToFileUri(dir).length + 1));
  return found;
}

// What every store must do is packages/testing/test/conformance-stores.test.ts.

/** A process that adds to a counter by read, put ifMatch; kills itself at its `dieAt`th put when asked. */
const worker = fileURLToPath(new URL("./count-worker.test-helper.ts", import.meta.url));
const loader = fileURLToPath(import.meta.resolve("tsx"));
function count(target: string, times: number, dieAt = 0): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = fork(worker, [target, `${times}`, `${dieAt}`], {
      execArgv: ["--import", loader, "--conditions=@runctl/source"],
      stdio: "inherit",
    });
    child.on("error", reject);
    child.on("exit", (code) => resolve(code));
  });
}

describe("file store between processes", () => {
  it("loses no update of 4 processes", async () => {
    await fileStore().put(uri("counter"), "0");
    expect(await Promise.all([1, 2, 3, 4].map(() => count(uri("counter"), 50)))).toEqual([0, 0, 0, 0]);
    expect(readFileSync(join(dir, "counter"), "utf8")).toBe("200");
    expect(readdirSync(dir)).toEqual(["counter"]);
  });

  it("goes on after a process was killed while it held the right to replace", async () => {
    await fileStore().put(uri("counter"), "0");
    for (let round = 0; round < 3; round += 1) expect(await count(uri("counter"), 5, 3)).toBe(null);
    const after = Number(readFileSync(join(dir, "counter"), "utf8"));
    expect(after).toBe(6);
    expect(await Promise.all([1, 2].map(() => count(uri("counter"), 10)))).toEqual([0, 0]);
    expect(readFileSync(join(dir, "counter"), "utf8")).toBe("26");
    expect(await names()).toEqual(["counter"]);
  });
});

describe("file store on a disk", () => {
  it("sweeps what killed writers left and never lists it", async () => {
    const dead = execFileSync("sh", ["-c", "echo $$"]).toString().trim();
    const store = fileStore();
    await store.put(uri("a"), "a");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim().replaceAll("-", "");
    const space = execFileSync("readlink", ["/proc/self/ns/pid"]).toString().replace(/\D/g, "");
    writeFileSync(join(dir, `.runctl-tmp-${dead}_1_${space}_${boot}-abcdefabcdef`), "half");
    writeFileSync(join(dir, `.runctl-tmp-${dead}-0123456789ab`), "of a host agent, young");
    writeFileSync(join(dir, `.runctl-tmp-${dead}-ba9876543210`), "of a host agent, old");
    utimesSync(join(dir, `.runctl-tmp-${dead}-ba9876543210`), 1000, 1000);
    expect(await names()).toEqual(["a"]);
    await fileStore().put(uri("b"), "b");
    expect(readdirSync(dir).sort()).toEqual([`.runctl-tmp-${dead}-0123456789ab`, "a", "b"]);
  });

  it("refuses to leave its root, by path and by symbolic link", async () => {
    mkdirSync(join(dir, "root"));
    mkdirSync(join(dir, "out"));
    writeFileSync(join(dir, "out", "secret"), "s");
    symlinkSync("../out", join(dir, "root", "door"));
    symlinkSync("../out/secret", join(dir, "root", "file"));
    const store = fileStore({ root: join(dir, "root") });
    for (const key of ["out/secret", "root/door/secret", "root/file", "root/door/new"]) {
      await expect(store.get(uri(key)), key).rejects.toMatchObject({ kind: "validation" });
    }
    await expect(store.put(uri("root/door/new"), "x")).rejects.toMatchObject({ kind: "validation" });
    await expect(store.put(`${pathToFileUri(dir)}/root/%2e%2e/out/new`, "x")).rejects.toMatchObject({ kind: "validation" });
    await expect(store.put(`${pathToFileUri(dir)}/root/..%2fout`, "x")).rejects.toMatchObject({ kind: "validation" });
    expect(readdirSync(join(dir, "out"))).toEqual(["secret"]);
    const seen: string[] = [];
    for await (const info of store.list(`${pathToFileUri(join(dir, "root"))}/`)) seen.push(info.uri);
    expect(seen).toEqual([]);
  });

  it("prunes empty folders up to its root and no further", async () => {
    const store = fileStore({ root: join(dir, "root") });
    await store.put(uri("root/a/b/c"), "x");
    await store.put(uri("root/a/d"), "x");
    await store.delete(uri("root/a/b/c"));
    expect(readdirSync(join(dir, "root", "a"))).toEqual(["d"]);
    await store.delete(uri("root/a/d"));
    expect(readdirSync(dir)).toEqual(["root"]);
    expect(readdirSync(join(dir, "root"))).toEqual([]);
  });

  it("lists a folder of 10,000 objects lazily and in order", async () => {
    mkdirSync(join(dir, "many"));
    for (let n = 0; n < 10_000; n += 1) writeFileSync(join(dir, "many", `o${String(n).padStart(5, "0")}`), "");
    let count = 0;
    let last = "";
    for await (const info of fileStore().list(uri("many/o0"))) {
      if (info.uri <= last) expect.fail(info.uri);
      last = info.uri;
      count += 1;
    }
    expect(count).toBe(10_000);
    for await (const info of fileStore().list(uri("many/o09"))) {
      expect(info.uri).toBe(uri("many/o09000"));
      break;
    }
  });

  it("takes a finished file instead of copying it when it may", async () => {
    writeFileSync(join(dir, "spool"), "bytes");
    await fileStore().put(uri("kept"), { file: join(dir, "spool"), move: true });
    expect(readFileSync(join(dir, "kept"), "utf8")).toBe("bytes");
    expect(existsSync(join(dir, "spool"))).toBe(false);
  });

  it("refuses names that are not UTF-8 instead of losing them", async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0x66, 0xff])]), "x");
    await expect(names()).rejects.toMatchObject({ kind: "storage", what: expect.stringContaining("not valid UTF-8") });
  });

  it("names the cause and the cure when the system refuses", async () => {
    mkdirSync(join(dir, "folder"));
    writeFileSync(join(dir, "file"), "");
    await expect(fileStore().put(uri("folder"), "x")).rejects.toMatchObject({
      kind: "storage",
      why: expect.stringContaining("folder of that name"),
    });
    await expect(fileStore().put(uri("file/below"), "x")).rejects.toMatchObject({ kind: "storage" });
    await expect(fileStore().put(uri("n".repeat(300)), "x")).rejects.toMatchObject({
      kind: "storage",
      why: expect.stringContaining("255"),
    });
    await expect(fileStore().get("file://otherhost/x")).rejects.toMatchObject({ kind: "validation" });
    await expect(fileStore().put(uri(".runctl-tmp-x"), "x")).rejects.toMatchObject({ kind: "validation" });
    expect(readdirSync(dir).sort()).toEqual(["file", "folder"]);
    if (process.getuid?.() !== 0) return;
    chmodSync(dir, 0o555);
    process.seteuid?.(65534);
    try {
      await expect(fileStore().put(uri("x"), "x")).rejects.toMatchObject({ kind: "permission", fix: [expect.stringContaining("chmod")] });
    } finally {
      process.seteuid?.(0);
    }
  });

  it("P-30: a put that is aborted at any moment rejects with the caller's own reason and leaves nothing", async () => {
    const body = new Uint8Array(4 * 1024 * 1024);
    let finished = false;
    for (let turns = 0; !finished && turns < 1e6; turns = turns < 40 ? turns + 1 : Math.ceil(turns * 1.4)) {
      const controller = new AbortController();
      const reason = new Error(`enough after ${turns}`);
      const outcome = fileStore()
        .put(uri(`big-${turns}`), body, { signal: controller.signal })
        .then(
          () => "stored",
          (error: unknown) => error,
        );
      // Turns of the event loop: the moment is the input.
      for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      controller.abort(reason);
      const got = await outcome;
      finished = got === "stored";
      if (!finished) expect(got).toBe(reason);
      expect(await names()).toEqual(finished ? [`big-${turns}`] : []);
    }
    expect(finished).toBe(true);
  }, 60_000);

  it("tells the host agent its folder", async () => {
    expect(await fileStore().hostAccess(`${uri("a b")}/`, { mode: "write", ttlMs: 1 })).toEqual({
      kind: "file",
      settings: { root: join(dir, "a b") },
      secrets: {},
    });
  });
});
