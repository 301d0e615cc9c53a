import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bundle } from "../../test/support/bundle.ts";
import { all, at } from "../../test/support/state-appends.ts";
import { fileState } from "./file-state.ts";

let programs: string;
let appenderProgram: string;
beforeAll(async () => {
  programs = await mkdtemp(join(tmpdir(), "runctl-bundle-"));
  appenderProgram = bundle(new URL("../../test/support/state-appender.ts", import.meta.url), programs);
});
afterAll(() => rm(programs, { recursive: true, force: true }));

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "runctl-state-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

interface Appender {
  child: ChildProcess;
  lines: string[];
  ended: Promise<number | null>;
}

function appender(args: string[], onLine: (line: string, child: ChildProcess) => void = () => {}): Appender {
  const child = spawn(process.execPath, [appenderProgram, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (line) => {
    lines.push(line);
    onLine(line, child);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code));
  });
  return { child, lines, ended };
}

/** Every temporary file below a folder. */
async function temporary(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => name.endsWith(".tmp"));
}

describe("fileState between processes", () => {
  it("8 processes append 250 events each to one stream: none lost, none twice, one state id", async () => {
    const sessions = Array.from({ length: 8 }, (_, n) => `s${n}`);
    const children = sessions.map((session) => appender([dir, "run/shared", session, "250"]));
    expect(await Promise.all(children.map((child) => child.ended))).toEqual(sessions.map(() => 0));
    expect(new Set(children.map((child) => child.lines[0])).size).toBe(1);

    const store = fileState(dir);
    const events = await store.read("run/shared");
    expect(events.map((event) => event.seq)).toEqual(Array.from({ length: 2000 }, (_, n) => n));
    for (const session of sessions) {
      const own = events.filter((event) => event.session === session).map((event) => event.event.n);
      expect(own).toEqual(Array.from({ length: 250 }, (_, n) => n));
    }
    expect(await temporary(dir)).toEqual([]);
    await store.close();
  }, 180_000);

  it("50 kills at random moments: every acknowledged append is there, the chain holds, nothing temporary stays", async () => {
    const acknowledged = new Map<string, number>();
    const made = new Set<string>();
    const ended = new Set<string>();
    const ids = new Set<string>();
    let seed = 20261122;
    const random = (): number => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return seed / 2 ** 31;
    };
    const round = async (n: number): Promise<void> => {
      const session = `k${n}`;
      const killAfter = 1 + Math.floor(random() * 25);
      const spin = Math.floor(random() * 4000);
      let acks = 0;
      const { ended: gone } = appender([dir, "run/killed", session, "1000000", "5"], (line, child) => {
        const [what = "", name = "", count = ""] = line.split(" ");
        if (what === "id") ids.add(name);
        if (what === "made") made.add(name);
        if (what === "ended") ended.add(name);
        if (what !== "ack") return;
        acknowledged.set(name, Number(count) + 1);
        acks += 1;
        if (acks !== killAfter) return;
        // Some more microseconds, so that the kill does not always come right after an answer.
        for (let at = 0; at < spin * 100; at += 1) Math.sqrt(at);
        child.kill("SIGKILL");
      });
      // By the kill, not by an error of its own.
      expect(await gone).toBeNull();
    };
    for (let n = 0; n < 50; n += 2) await Promise.all([round(n), round(n + 1)]);

    const store = fileState(dir);
    const events = await store.read("run/killed");
    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index));
    expect(acknowledged.size).toBe(50);
    for (const [session, count] of acknowledged) {
      const own = events.filter((event) => event.session === session).map((event) => event.event.n);
      // What was not acknowledged may be there too, but only the one append that was under way.
      expect(own.length - count).toBeLessThanOrEqual(1);
      expect(own).toEqual(own.map((_, index) => index));
      expect(own.length).toBeGreaterThanOrEqual(count);
    }
    expect(ids).toEqual(new Set([await store.stateId()]));
    const listed = new Map((await all(store.list("run/ended-"))).map((info) => [info.stream, info]));
    for (const stream of made) expect(listed.get(stream)?.corrupt).toBeUndefined();
    for (const stream of ended) expect(listed.get(stream)).toMatchObject({ ended: true, summary: { status: "succeeded" } });
    for (const stream of listed.keys()) {
      expect((await store.read(stream)).map((event) => event.event.n)).toEqual([0, 1]);
      await store.compact(stream, { status: "succeeded" });
    }
    await store.compact("run/killed", { status: "failed" });
    expect(await store.read("run/killed")).toEqual(events);
    expect(await temporary(dir)).toEqual([]);
    expect((await readdir(join(dir, "runs"))).filter((name) => !name.endsWith(".jsonl"))).toEqual([]);
    await store.close();
  }, 180_000);

  it("a watcher hears of another process's append, in which stream, and does not keep a process alive", async () => {
    const store = fileState(dir);
    await store.append("run/a", [{ n: 0 }], at(0));
    const heard = new Promise<void>((resolve) => {
      store.watch?.((stream) => {
        if (stream === "run/b") resolve();
      });
    });
    expect(await appender([dir, "run/b", "s", "1"]).ended).toBe(0);
    await heard;
    await store.close();

    const code = `import { fileState } from ${JSON.stringify(new URL("./file-state.ts", import.meta.url).href)};
      const store = fileState(process.argv[1]); store.watch(() => {}); await store.append("run/c", [{ n: 1 }], { expected: 0, session: "s", at: "", durable: false });`;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code, dir], { stdio: "inherit" });
    expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0);
    // It ended by itself without close(): what it held was written all the same.
    expect(await fileState(dir).read("run/c")).toHaveLength(1);
  });
});
