import { execFileSync } from "node:child_process";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { all, at } from "../../test/support/state-appends.ts";
import { StorageError } from "../errors/kinds.ts";
import { fileState } from "./file-state.ts";
import { encodeSummed } from "./log-record.ts";

let dir: string;
let events: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "runctl-state-"));
  events = join(dir, "runs", "a", "events");
  const store = fileState(dir);
  for (let n = 0; n < 6; n += 1) await store.append("run/a", [{ n }], at(n));
  await store.append("run/b", [{ n: 0 }], at(0));
  await store.close();
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const record = (seq: number): string => join(events, `0000000${seq}.json`);

async function flip(path: string, where: number): Promise<void> {
  const bytes = await readFile(path);
  const index = Math.floor(bytes.length * where);
  bytes[index] = (bytes[index] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

/** Everything below a folder, with contents. */
async function snapshot(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) files[join(entry.parentPath, entry.name)] = await readFile(join(entry.parentPath, entry.name), "base64");
  }
  return files;
}

describe("fileState and damage: quarantined and reported, never truncated", () => {
  it.each<[string, () => Promise<void>, RegExp]>([
    ["a flipped byte in the middle of the log", () => flip(record(3), 0.5), /checksum|not JSON|cut off/],
    ["a flipped byte in a checksum", () => flip(record(3), 0.97), /checksum|cut off/],
    ["a truncated record", () => truncate(record(2), 40), /cut off/],
    ["an empty file", () => truncate(record(5), 0), /empty/],
    ["a record that is missing in the middle", () => unlink(record(4)), /event 4 is missing/],
    ["the first record missing", () => unlink(record(0)), /event 0 is missing/],
    ["a record of another place", () => rename(record(5), record(2)), /event 5 where 2/],
    [
      "a record of a forked log",
      () => writeFile(record(3), encodeSummed({ v: 1, seq: 3, prev: "f", nonce: "", state: "", events: [{}] }).text),
      /does not follow/,
    ],
  ])("%s", async (_name, damage, reason) => {
    await damage();
    const before = await snapshot(join(dir, "runs"));
    const store = fileState(dir);
    expect(await all(store.list("run/"))).toEqual([
      { stream: "run/b", ended: false },
      { stream: "run/a", ended: false, corrupt: expect.stringMatching(reason) },
    ]);
    const error = await store.read("run/a").catch((failure: unknown) => failure);
    expect(StorageError.isInstance(error)).toBe(true);
    expect(error).toMatchObject({ context: { stream: "run/a", corrupt: expect.stringMatching(reason) } });
    for (const expected of [0, 3, 6]) {
      await expect(store.append("run/a", [{ n: 6 }], at(expected))).rejects.toSatisfy(StorageError.isInstance);
    }
    await expect(store.compact("run/a", {})).rejects.toSatisfy(StorageError.isInstance);
    expect(await snapshot(join(dir, "runs"))).toEqual(before);
    // Others are not touched, and a repaired log works at once.
    await store.append("run/b", [{ n: 1 }], at(1));
    await store.close();
  });

  it("a repaired stream is readable at once, without a restart", async () => {
    const good = await readFile(record(3));
    const store = fileState(dir);
    await truncate(record(3), 10);
    await expect(store.read("run/a")).rejects.toSatisfy(StorageError.isInstance);
    await writeFile(record(3), good);
    expect(await store.read("run/a")).toHaveLength(6);
    await store.append("run/a", [{ n: 6 }], at(6));
    await store.close();
  });

  it("names that are not ours are ignored", async () => {
    await writeFile(join(events, "00000006.json.bak"), "x");
    await writeFile(join(events, "6.json"), "x");
    await writeFile(join(events, "notes.txt"), "x");
    await writeFile(join(events, "..json"), "x");
    await mkdir(join(dir, "runs", "Not A Run"));
    await writeFile(join(dir, "runs", ".DS_Store"), "x");
    await writeFile(join(dir, "runs", "x y.jsonl"), "x");
    const store = fileState(dir);
    expect(await store.read("run/a")).toHaveLength(6);
    expect((await all(store.list(""))).map((info) => info.stream)).toEqual(["run/b", "run/a"]);
    await store.append("run/a", [{ n: 6 }], at(6));
    await store.close();
  });

  it("a leftover temporary file of a dead writer is ignored, and goes with the next append", async () => {
    const dead = `.${(await readLeftoverHost()) ?? "00000000"}-4194304.abc.tmp`;
    await writeFile(join(events, dead), '{"half');
    const reader = fileState(dir);
    expect(await reader.read("run/a")).toHaveLength(6);
    expect(await readdir(events)).toContain(dead);
    const writer = fileState(dir);
    await writer.append("run/a", [{ n: 6 }], at(6));
    expect(await readdir(events)).not.toContain(dead);
    await Promise.all([reader.close(), writer.close()]);
  });

  it("a newer format is refused, not misread", async () => {
    await writeFile(record(5), encodeSummed({ v: 2, other: true }).text);
    const store = fileState(dir);
    await expect(store.read("run/a")).rejects.toMatchObject({ context: { newerFormat: true }, fix: [expect.stringContaining("Upgrade")] });
    await expect(store.append("run/a", [{ n: 6 }], at(6))).rejects.toMatchObject({ context: { newerFormat: true } });
    expect((await all(store.list("run/a")))[0]?.corrupt).toMatch(/format 2/);
    await writeFile(join(dir, "state.json"), encodeSummed({ v: 2, id: "x" }).text);
    await expect(fileState(dir).stateId()).rejects.toMatchObject({ context: { newerFormat: true } });
    await store.close();
  });

  it("ended streams: a flipped byte, a cut file and a changed file are seen", async () => {
    const store = fileState(dir);
    await store.compact("run/a", { status: "succeeded" });
    const file = join(dir, "runs", "a.jsonl");
    const good = await readFile(file);
    await flip(file, 0.6);
    await expect(store.read("run/a")).rejects.toMatchObject({ context: { corrupt: expect.any(String) } });
    // The index does not vouch for a changed file, also not the second time and in a new process.
    for (const lister of [store, store, fileState(dir)]) {
      expect((await all(lister.list("run/a")))[0]).toMatchObject({ stream: "run/a", corrupt: expect.any(String) });
    }
    await writeFile(file, good.subarray(0, good.length - 5));
    await rm(join(dir, "index"), { recursive: true });
    expect((await all(fileState(dir).list("run/a")))[0]?.corrupt).toMatch(/bytes of events/);
    await writeFile(file, good);
    expect(await all(fileState(dir).list("run/a"))).toEqual([{ stream: "run/a", ended: true, summary: { status: "succeeded" } }]);
    await store.close();
  });

  it("the index is only a cache: garbage, a torn line, a lost one and a stale one do no harm", async () => {
    const store = fileState(dir);
    await store.compact("run/a", { n: 1 });
    await store.compact("run/b", { n: 2 });
    const wanted = await all(store.list("run/"));
    expect(wanted.map((info) => info.summary)).toEqual([{ n: 2 }, { n: 1 }]);
    const index = join(dir, "index", "run.jsonl");
    const good = await readFile(index, "utf8");
    for (const text of ["", "garbage\n\n \0\n", good.slice(0, -4), good.replace('{"n":1}', '{"n":9}'), `${good}00000000 gone 1 1 {}\n`]) {
      await writeFile(index, text);
      expect(await all(fileState(dir).list("run/"))).toEqual(wanted);
    }
    await unlink(join(dir, "runs", "a.jsonl"));
    expect((await all(fileState(dir).list("run/"))).map((info) => info.stream)).toEqual(["run/b"]);
    await store.close();
  });

  it("a stream killed between its seal and its one file is ended, and ending it again finishes the work", async () => {
    const store = fileState(dir);
    const before = await store.read("run/a");
    await store.compact("run/a", { status: "failed" });
    // Back to the folder as it was after the seal: the lines of the one file are the records.
    const [, ...lines] = (await readFile(join(dir, "runs", "a.jsonl"), "utf8")).trimEnd().split("\n");
    await mkdir(events, { recursive: true });
    for (const [seq, line] of lines.entries()) await writeFile(record(seq), `${line}\n`);
    const whole = fileState(dir);
    expect(await whole.read("run/a")).toEqual(before);
    await unlink(join(dir, "runs", "a.jsonl"));
    const again = fileState(dir);
    expect(await all(again.list("run/a"))).toEqual([{ stream: "run/a", ended: true, summary: { status: "failed" } }]);
    await expect(again.append("run/a", [{ n: 6 }], at(6))).rejects.toMatchObject({ context: { ended: true } });
    await again.compact("run/a", { status: "other" });
    expect(await readdir(join(dir, "runs"))).not.toContain("a");
    expect(await all(again.list("run/a"))).toEqual([{ stream: "run/a", ended: true, summary: { status: "failed" } }]);
    expect(await again.read("run/a")).toEqual(before);
    await Promise.all([store.close(), whole.close(), again.close()]);
  });

  it("the state id survives the loss of state.json, and a damaged state.json is refused", async () => {
    const id = await fileState(dir).stateId();
    await unlink(join(dir, "state.json"));
    expect(await fileState(dir).stateId()).toBe(id);
    await appendFile(join(dir, "state.json"), "x");
    await expect(fileState(dir).stateId()).rejects.toMatchObject({ code: "RUNCTL_STORAGE", context: { corrupt: expect.any(String) } });
    await unlink(join(dir, "state.json"));
    const store = fileState(dir);
    await store.compact("run/a", {});
    await store.compact("run/b", {});
    await unlink(join(dir, "state.json"));
    expect(await fileState(dir).stateId()).toBe(id);
    await store.close();
  });

  it("after close writes are refused, reads still work, and held events were written", async () => {
    const store = fileState(dir);
    await store.append("run/a", [{ n: 6 }], at(6, { durable: false }));
    await store.close();
    await expect(store.append("run/a", [{ n: 7 }], at(7))).rejects.toMatchObject({ context: { closed: true } });
    expect(await fileState(dir).read("run/a")).toHaveLength(7);
    await store.close();
  });
});

async function readLeftoverHost(): Promise<string | undefined> {
  const { ownerMark } = await import("./leftovers.ts");
  return ownerMark().split("-")[0];
}

const root = process.getuid?.() === 0;

/** Runs `use` on a small file system of its own; false when this machine cannot mount one. */
async function onMount(kind: string, megabytes: number, use: (mount: string) => Promise<void>): Promise<boolean> {
  const image = join(dir, "disk.img");
  const mount = join(dir, "mount");
  await mkdir(mount);
  try {
    execFileSync("truncate", ["-s", `${megabytes}M`, image], { stdio: "ignore" });
    execFileSync(`mkfs.${kind}`, kind === "ext4" ? ["-q", "-m", "0", image] : [image], { stdio: "ignore" });
    execFileSync("mount", ["-o", "loop", image, mount], { stdio: "ignore" });
  } catch {
    return false;
  }
  try {
    await use(mount);
  } finally {
    execFileSync("umount", [mount], { stdio: "ignore" });
  }
  return true;
}

describe.skipIf(!root)("fileState on a file system that fails (mounting needs root)", () => {
  it("a full disk: a clear error, nothing lost, no temporary file, and on it goes when there is room", async (test) => {
    const ran = await onMount("ext4", 4, async (mount) => {
      const store = fileState(join(mount, "state"));
      await store.append("run/a", [{ n: 0 }], at(0));
      await store.append("run/a", [{ n: 1 }], at(1, { durable: false }));
      execFileSync("sh", ["-c", 'dd if=/dev/zero of="$1"/filler bs=4096 2>/dev/null || true', "sh", mount]);
      const big = { text: "x".repeat(100_000) };
      const error = await store.append("run/a", [big], at(2)).catch((failure: unknown) => failure);
      expect(error).toMatchObject({ code: "RUNCTL_STORAGE", why: "The disk is full.", context: { errno: "ENOSPC" } });
      expect((await readdir(join(mount, "state", "runs", "a", "events"))).filter((name) => name.endsWith(".tmp"))).toEqual([]);
      await unlink(join(mount, "filler"));
      await store.append("run/a", [big], at(2));
      expect((await store.read("run/a")).map((event) => event.event.n)).toEqual([0, 1, undefined]);
      await store.close();
    });
    if (!ran) test.skip("no loop mount here");
  });

  it("a read-only file system: everything is readable, writes say what to do", async (test) => {
    const ran = await onMount("ext4", 4, async (mount) => {
      const state = join(mount, "state");
      const first = fileState(state);
      await first.append("run/a", [{ n: 0 }], at(0));
      await first.append("run/b", [{ n: 0 }], at(0));
      await first.compact("run/b", { done: true });
      const id = await first.stateId();
      await first.close();
      execFileSync("mount", ["-o", "remount,ro", mount]);
      const store = fileState(state);
      const stop = store.watch?.(() => {});
      expect(await store.stateId()).toBe(id);
      expect(await store.read("run/a")).toHaveLength(1);
      expect(await all(store.list("run/"))).toHaveLength(2);
      for (const action of [
        () => store.append("run/a", [{ n: 1 }], at(1)),
        () => store.append("run/c", [{ n: 1 }], at(0)),
        () => store.compact("run/a", {}),
        () => store.beat({ session: "s", n: 1, host: "", bootId: "", pid: 1, startTime: "", at: "" }),
        () => fileState(join(mount, "other")).stateId(),
      ]) {
        await expect(action()).rejects.toMatchObject({
          code: "RUNCTL_STORAGE",
          why: "The file system is read-only.",
          fix: [expect.stringContaining("fileState(dir)")],
        });
      }
      stop?.();
      await store.close();
    });
    if (!ran) test.skip("no loop mount here");
  });

  it("a file system without hard links is refused with the reason", async (test) => {
    const ran = await onMount("vfat", 4, async (mount) => {
      const store = fileState(join(mount, "state"));
      await expect(store.append("run/a", [{ n: 0 }], at(0))).rejects.toMatchObject({ what: expect.stringContaining("no hard links") });
      await expect(store.stateId()).rejects.toMatchObject({ code: "RUNCTL_STORAGE" });
    });
    if (!ran) test.skip("no vfat here");
  });
});
