import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, lstat, mkdir, open, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  AbortedError,
  type Clock,
  type HostSession,
  NotFoundError,
  StorageError,
  SyncError,
  systemClock,
  TimeoutError,
  ValidationError,
} from "@runctl/core/provider";
import { describe, expect, it } from "vitest";
import type { LocalOptions } from "../src/index.ts";
import { alive, createOn, eventually, marked, setUp, tempDir } from "./helpers.ts";

async function session(options: LocalOptions = {}): Promise<HostSession> {
  const { provider } = await setUp(options);
  const opened = await provider.connect?.(await createOn(provider));
  if (opened === undefined) throw new Error("no session");
  return opened;
}

const text = (bytes: Uint8Array | undefined): string | undefined => (bytes === undefined ? undefined : new TextDecoder().decode(bytes));

/** A program that starts a child in a session of its own, says both pids in a file, and waits for ever. */
const TREE = `
import os, signal, sys
child = os.fork()
if child == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: signal.pause()
with open(sys.argv[1] + ".tmp", "w") as f: f.write("%d %d" % (os.getpid(), child))
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
while True: signal.pause()
`;

async function treePids(file: string): Promise<number[]> {
  await eventually(() => existsSync(file)).toBe(true);
  return (await readFile(file, "utf8")).split(" ").map(Number);
}

describe("exec", () => {
  it("passes arguments literally, takes stdin, keeps streams apart, tells exit codes and signals", async () => {
    const host = await session();
    const odd = ["$(touch pwned)", "a b", "'\"`", "new\nline", "✨ é", "-n", ""];
    const script = "import sys, json; print(json.dumps(sys.argv[1:])); sys.stderr.write(sys.stdin.read()); sys.exit(3)";
    const result = await host.exec(["python3", "-c", script, ...odd], { stdin: "in ✨\n" });
    expect(result).toEqual({ exitCode: 3, signal: undefined, stdout: expect.any(String), stderr: "in ✨\n" });
    expect(JSON.parse(result.stdout)).toEqual(odd);
    expect(await readdir(host.home)).not.toContain("pwned");
    expect(await host.exec(["python3", "-c", "import os; os.kill(os.getpid(), 9)"])).toMatchObject({ exitCode: 137, signal: "SIGKILL" });
    expect(await host.exec(["cat"], { stdin: new Uint8Array([0, 255, 65]) })).toMatchObject({ exitCode: 0, stdout: "\0�A" });
    // Closing stdin at once must not break a large input.
    expect(await host.exec(["true"], { stdin: "x".repeat(1 << 20) })).toMatchObject({ exitCode: 0 });
    await host.close();
  });

  it("a missing command is 127, a forbidden one 126, a missing folder an error", async () => {
    const host = await session();
    expect(await host.exec(["no-such-command-here"])).toEqual({
      exitCode: 127,
      stdout: "",
      stderr: "no-such-command-here: command not found\n",
    });
    await host.write("plain.txt", "x");
    expect((await host.exec([join(host.home, "plain.txt")])).exitCode).toBe(126);
    await expect(host.exec(["true"], { cwd: "nowhere" })).rejects.toSatisfy(NotFoundError.isInstance);
    await expect(host.exec(["echo", "a\0b"])).rejects.toSatisfy(ValidationError.isInstance);
    await expect(host.exec(["true"], { cwd: "../.." })).rejects.toSatisfy(ValidationError.isInstance);
    await host.close();
  });

  it("gives a clean environment: no keys of the controller, its PATH and what the caller adds", async () => {
    process.env.AWS_SECRET_ACCESS_KEY = "leak-me-1";
    process.env.PIP_TOKEN = "leak-me-2";
    process.env.RUNCTL_NONCE = "leak-me-3";
    try {
      const host = await session({ env: { FROM_OPTIONS: "1" } });
      const { stdout } = await host.exec(["env"], { env: { FROM_CALL: "2" } });
      expect(stdout).not.toContain("leak-me");
      expect(stdout).toContain(`PATH=${process.env.PATH}\n`);
      expect(stdout).toContain("FROM_OPTIONS=1\n");
      expect(stdout).toContain("FROM_CALL=2\n");
      expect(stdout).toContain(`RUNCTL_HOME=${host.home}\n`);
      await host.close();
    } finally {
      delete process.env.AWS_SECRET_ACCESS_KEY;
      delete process.env.PIP_TOKEN;
      delete process.env.RUNCTL_NONCE;
    }
  });

  it("P-30 abort kills the whole tree and surfaces as the caller's reason; so do timeouts and close", async () => {
    let pass: (() => void) | undefined;
    const limit = 3_600_000;
    // The limit passes when the test says so, not when a busy machine is slow to start Python.
    const clock: Clock = {
      ...systemClock,
      timer: (ms, fn, options) => {
        if (ms !== limit) return systemClock.timer(ms, fn, options);
        pass = fn;
        return { cancel: () => undefined };
      },
    };
    const host = await session({ clock });
    const abort = new AbortController();
    const reason = new Error("enough");
    const one = host.exec(["python3", "-c", TREE, join(host.home, "one")], { signal: abort.signal });
    const first = await treePids(join(host.home, "one"));
    abort.abort(reason);
    await expect(one).rejects.toBe(reason);
    const two = host.exec(["python3", "-c", TREE, join(host.home, "two")], { timeoutMs: limit });
    const second = await treePids(join(host.home, "two"));
    pass?.();
    await expect(two).rejects.toSatisfy(TimeoutError.isInstance);
    const three = host.exec(["python3", "-c", TREE, join(host.home, "three")]);
    const third = await treePids(join(host.home, "three"));
    await host.close();
    await expect(three).rejects.toSatisfy(AbortedError.isInstance);
    for (const pid of [...first, ...second, ...third]) expect(await alive(pid)).toBe(false);
    await expect(host.exec(["true"])).rejects.toSatisfy(AbortedError.isInstance);
  });

  it("an aborted signal starts nothing", async () => {
    const host = await session();
    await expect(host.exec(["touch", "made"], { signal: AbortSignal.abort("no") })).rejects.toBe("no");
    expect(existsSync(join(host.home, "made"))).toBe(false);
    await host.close();
  });

  it("keeps 8 MiB of each stream and lets the command end", async () => {
    const host = await session();
    const result = await host.exec([
      "python3",
      "-c",
      "import sys\nfor _ in range(20): sys.stdout.write('y' * (1 << 20))\nsys.stderr.write('end')",
    ]);
    expect(result.exitCode).toBe(0);
    expect(result.stdout.length).toBe(8 * 1024 * 1024);
    expect(result.stderr).toBe("end");
    await host.close();
  });

  it("returns when the command ends, though a daemon of it holds the pipes; the daemon lives on", async () => {
    const host = await session();
    const result = await host.exec(["sh", "-c", "MARK=held-pipe sleep 1000 & echo started $!"], { timeoutMs: 20_000 });
    const pid = Number(/started (\d+)/.exec(result.stdout)?.[1]);
    expect(await alive(pid)).toBe(true);
    expect(await marked("MARK=held-pipe")).toBe(1);
    process.kill(pid, "SIGKILL");
    await host.close();
  });
});

describe("files", () => {
  it.each(["plain", "a b", 'it\'s "quoted"', "✨ é 日本", "-rf", "line\nbreak", "$(touch pwned)"])(
    "works in a home named %j",
    async (name) => {
      const home = await tempDir(name);
      const host = await session({ home });
      await host.write(`dir ${name}/file ${name}`, "content ✨", { mode: 0o640 });
      expect(text(await host.read(`dir ${name}/file ${name}`, 0))).toBe("content ✨");
      expect((await stat(join(host.home, `dir ${name}/file ${name}`))).mode & 0o777).toBe(0o640);
      expect((await host.exec(["cat", `./dir ${name}/file ${name}`])).stdout).toBe("content ✨");
      expect((await readdir(host.home)).filter((entry) => entry.includes(".tmp"))).toEqual([]);
      await host.close();
    },
  );

  it("reads from offsets, bytes and not characters, also of large and growing files", async () => {
    const host = await session();
    await host.write("utf8", "aé✨b");
    expect(await host.read("utf8", 2, 2)).toEqual(new TextEncoder().encode("aé✨b").slice(2, 4));
    expect(await host.read("utf8", 100)).toEqual(new Uint8Array());
    expect(await host.read("missing", 0)).toBeUndefined();
    expect(await host.read("utf8/below-a-file", 0)).toBeUndefined();
    await expect(host.read("../../x", 0)).rejects.toSatisfy(ValidationError.isInstance);
    await mkdir(join(host.home, "folder"));
    await expect(host.read("folder", 0)).rejects.toSatisfy(StorageError.isInstance);
    // 8 GiB without using the disk.
    const file = await open(join(host.home, "sparse"), "w");
    await file.write("tail", 8 * 1024 ** 3);
    await file.close();
    expect(text(await host.read("sparse", 8 * 1024 ** 3, 1 << 20))).toBe("tail");
    expect((await host.read("sparse", 0))?.length).toBe(1 << 20);
    await host.close();
  });

  it("a failed write leaves the old file and no temporary one", async () => {
    const host = await session();
    await host.write("kept/file", "old");
    await mkdir(join(host.home, "kept/folder/inside"), { recursive: true });
    await expect(host.write("kept/folder", "new")).rejects.toSatisfy(StorageError.isInstance);
    expect((await readdir(join(host.home, "kept"))).sort()).toEqual(["file", "folder"]);
    expect(text(await host.read("kept/file", 0))).toBe("old");
    await host.close();
  });

  it("copies files and trees with modes, links and odd names, both ways", async () => {
    const host = await session();
    const from = await tempDir("source tree ✨");
    await mkdir(join(from, "sub/empty"), { recursive: true });
    await writeFile(join(from, "sub/run me.sh"), "#!/bin/sh\n");
    await chmod(join(from, "sub/run me.sh"), 0o755);
    await writeFile(join(from, "big"), Buffer.alloc(3 << 20, 7));
    await symlink("sub/run me.sh", join(from, "link"));
    await symlink("/nowhere/at/all", join(from, "dangling"));
    await host.upload(from, "in/tree");
    const back = join(await tempDir(), "back");
    await host.download("in/tree", back);
    for (const at of [join(host.home, "in/tree"), back]) {
      expect((await readdir(at, { recursive: true })).sort()).toEqual(
        ["big", "dangling", "link", "sub", "sub/empty", "sub/run me.sh"].sort(),
      );
      expect((await stat(join(at, "sub/run me.sh"))).mode & 0o777).toBe(0o755);
      expect(await readlink(join(at, "link"))).toBe("sub/run me.sh");
      expect(await readlink(join(at, "dangling"))).toBe("/nowhere/at/all");
      expect(
        createHash("sha256")
          .update(await readFile(join(at, "big")))
          .digest("hex"),
      ).toBe(
        createHash("sha256")
          .update(Buffer.alloc(3 << 20, 7))
          .digest("hex"),
      );
    }
    // Again, onto what is there; a link at the target is replaced and not followed.
    const outside = await tempDir("outside");
    await rm(join(host.home, "in/tree/sub"), { recursive: true });
    await symlink(outside, join(host.home, "in/tree/sub"));
    await chmod(join(from, "sub/empty"), 0o555);
    await host.upload(from, "in/tree");
    expect(await readdir(outside)).toEqual([]);
    expect((await readdir(join(host.home, "in/tree"), { recursive: true })).sort()).toEqual(
      ["big", "dangling", "link", "sub", "sub/empty", "sub/run me.sh"].sort(),
    );
    expect((await stat(join(host.home, "in/tree/sub/empty"))).mode & 0o777).toBe(0o555);
    await host.write("a file", "x");
    await expect(host.upload(from, "a file")).rejects.toSatisfy(SyncError.isInstance);
    expect(text(await host.read("a file", 0))).toBe("x");
    await host.upload(join(from, "sub/run me.sh"), "one file");
    expect((await lstat(join(host.home, "one file"))).mode & 0o777).toBe(0o755);
    await expect(host.upload(join(from, "not there"), "x")).rejects.toSatisfy(NotFoundError.isInstance);
    await expect(host.upload(from, "x", { signal: AbortSignal.abort("stop") })).rejects.toBe("stop");
    await host.close();
  });
});

describe("many files", () => {
  it("copies thousands of files, and an abort in the middle is told at once and leaves no temporary file", async () => {
    const host = await session();
    const from = await tempDir("many");
    for (let folder = 0; folder < 20; folder += 1) {
      await mkdir(join(from, `d${folder}`));
      for (let file = 0; file < 100; file += 1) await writeFile(join(from, `d${folder}/f${file}`), `${folder}/${file}`);
    }
    const abort = new AbortController();
    const copying = host.upload(from, "cut", { signal: abort.signal });
    await eventually(() => existsSync(join(host.home, "cut/d1"))).toBe(true);
    abort.abort("enough");
    await expect(copying).rejects.toBe("enough");
    const left = await readdir(join(host.home, "cut"), { recursive: true });
    expect(left.length).toBeLessThan(2020);
    expect(left.filter((name) => name.endsWith(".tmp"))).toEqual([]);
    await host.upload(from, "cut");
    const all = await readdir(join(host.home, "cut"), { recursive: true });
    expect(all).toHaveLength(2020);
    await host.close();
  });
});

describe("watch", () => {
  const changes = (host: HostSession, path: string): { count: () => number; stop: () => void } => {
    let count = 0;
    const stop = host.watch?.(path, () => {
      count += 1;
    });
    return { count: () => count, stop: () => stop?.() };
  };

  it("tells of changes, of a folder that comes to be and one that vanishes, and is silent after its end", async () => {
    const host = await session();
    const watched = changes(host, "runs/r1/1");
    await host.write("runs/r1/1/status.json", "{}");
    await eventually(watched.count).toBeGreaterThan(0);
    const seen = watched.count();
    await host.write("runs/r1/1/status.json", "{ }");
    await eventually(watched.count).toBeGreaterThan(seen);
    const before = watched.count();
    await rm(join(host.home, "runs"), { recursive: true });
    await eventually(watched.count).toBeGreaterThan(before);
    const gone = watched.count();
    await host.write("runs/r1/1/status.json", "again");
    await eventually(watched.count).toBeGreaterThan(gone);
    watched.stop();
    watched.stop();
    const after = watched.count();
    await host.write("runs/r1/1/more", "x");
    const other = changes(host, "runs/r1/1");
    await host.write("runs/r1/1/more", "y");
    await eventually(other.count).toBeGreaterThan(0);
    expect(watched.count()).toBe(after);
    await host.close();
  });
});
