import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import type { HostSession } from "@runctl/core/provider";
import type { ConformanceCase, Need } from "../case.ts";
import { brief, refused } from "../context.ts";

const NEEDS: Need[] = ["method:connect", "real-host"];
/** What the contract lets exec keep of each stream. */
const KEPT = 8 * 1024 * 1024;
/** Every width of UTF-8, so that a cut falls inside a character wherever it is made. */
const TEXT = "aé€😀";

/** Point 11: commands, files, and the way they come back. */
export const sessionCases: ConformanceCase[] = [
  {
    id: "session-exit-codes",
    point: 11,
    title: "exit codes come back as they are, and stdout apart from stderr",
    needs: NEEDS,
    async run(context) {
      const session = await context.realSession();
      for (const code of [0, 1, 2, 42, 127, 255]) {
        const result = await session.exec(["sh", "-c", `echo out${code}; echo err${code} >&2; exit ${code}`]);
        assert.deepEqual(
          { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr },
          { exitCode: code, stdout: `out${code}\n`, stderr: `err${code}\n` },
          `A command that printed "out${code}" and "err${code}" and ended with ${code} came back as ${brief(result)}.`,
        );
      }
      const killed = await session.exec(["sh", "-c", "kill -9 $$"]);
      assert.notEqual(killed.exitCode, 0, "A command that was killed counts as a success.");
    },
  },
  {
    id: "session-argv",
    point: 11,
    title: "arguments arrive as they are; there is no shell in between",
    needs: NEEDS,
    async run(context) {
      const session = await context.realSession();
      const odd = ["a b", "it's", 'say "hi"', "$(touch pwned)", "`id`", "new\nline", "", "*", "~", "\\", "-n", "ü🦀", "a;b&c|d"];
      const { stdout } = await session.exec(["sh", "-c", 'for a in "$@"; do printf "%s\\0" "$a"; done', "sh", ...odd]);
      assert.deepEqual(stdout.split("\0").slice(0, -1), odd, "The arguments arrived changed.");
      await refused(session.exec(["printf", "a\0b"]), ["validation", "configuration"], "A zero byte in an argument").catch(
        (error: unknown) => {
          // Refusing in the operating system's words is fine as well; silently cutting the argument is not.
          if (error instanceof assert.AssertionError && /resolved with/.test(error.message)) throw error;
        },
      );
    },
  },
  {
    id: "session-stdin-env-cwd",
    point: 11,
    title: "stdin, environment and working folder reach the command",
    needs: NEEDS,
    async run(context) {
      const session = await context.realSession();
      assert.ok(isAbsolute(session.home), `home must be absolute, not ${session.home}.`);
      await session.write("work here/x", "");
      const result = await session.exec(["sh", "-c", 'cat; printf "%s" "$GIVEN"; pwd'], {
        stdin: `in ${TEXT}\n`,
        env: { GIVEN: "a b'c\n" },
        cwd: "work here",
      });
      assert.ok(
        result.stdout.startsWith(`in ${TEXT}\na b'c\n`),
        `stdin or the environment did not reach the command, which printed ${brief(result.stdout)}.`,
      );
      assert.match(result.stdout, /work here\n$/);
      const silent = await session.exec(["cat"]);
      assert.equal(silent.exitCode, 0, "A command without stdin must see its end at once.");
    },
  },
  {
    id: "session-burst",
    point: 11,
    title: "a command that prints 100 MB comes to its end, and 8 MiB of it are kept",
    needs: NEEDS,
    async run(context) {
      const session = await context.realSession();
      const bytes = context.options.limits?.burstBytes ?? 100 * 1024 * 1024;
      const result = await session.exec(["sh", "-c", `head -c ${bytes} /dev/zero | tr '\\0' x; echo done >&2; exit 3`]);
      assert.equal(result.exitCode, 3);
      assert.equal(result.stderr, "done\n");
      assert.ok(
        result.stdout.length >= Math.min(bytes, KEPT) * 0.99 && result.stdout.length <= KEPT * 1.01,
        `${result.stdout.length} characters were kept.`,
      );
    },
  },
  {
    id: "session-utf8",
    point: 11,
    title: "characters are whole, wherever the chunks were cut",
    needs: NEEDS,
    async run(context) {
      const session = await context.realSession();
      // 10 bytes a turn: cuts at any power of two fall inside a character sooner or later.
      const { stdout } = await session.exec(["sh", "-c", `i=0; while [ $i -lt 20000 ]; do printf '%s' '${TEXT}'; i=$((i+1)); done`]);
      assert.equal(stdout, TEXT.repeat(20_000), "A character was cut in two between chunks.");
      await session.write("utf8", TEXT.repeat(100));
      const parts: Uint8Array[] = [];
      for (let at = 0; ; ) {
        const part = await session.read("utf8", at, 7);
        assert.ok(part !== undefined);
        if (part.byteLength === 0) break;
        parts.push(part);
        at += part.byteLength;
      }
      assert.equal(Buffer.concat(parts).toString("utf8"), TEXT.repeat(100), "read() must give bytes, not text cut at characters.");
    },
  },
  {
    id: "session-read",
    point: 11,
    title: "reading goes on from a cursor, without loss or repetition",
    needs: NEEDS,
    async run(context) {
      const session = await context.realSession();
      assert.equal(await session.read("no/such/file", 0), undefined, "A missing file is undefined.");
      const append = (text: string) => session.exec(["sh", "-c", 'printf "%s" "$1" >> log', "sh", text], { cwd: session.home });
      await append("one\n");
      const first = text(await session.read("log", 0));
      assert.equal(text(await session.read("log", first.length)), "", "At the end there is nothing, and no error.");
      assert.equal(text(await session.read("log", 1_000_000)), "", "Beyond the end there is nothing, and no error.");
      await append("two\nthree\n");
      assert.equal(first + text(await session.read("log", first.length)), "one\ntwo\nthree\n");
      assert.equal(text(await session.read("log", 4, 3)), "two", "maxBytes is the most that comes back.");
      assert.equal(text(await session.read(`${session.home}/log`, 0, 3)), "one", "Absolute paths are the host's own.");
    },
  },
  {
    id: "session-write",
    point: 11,
    title: "a file is written whole, with its mode, and over an old one",
    needs: NEEDS,
    async run(context) {
      const session = await context.realSession();
      const bytes = Uint8Array.from({ length: 70_000 }, (_, n) => n % 256);
      await session.write("deep/er/it's a file", bytes, { mode: 0o700 });
      assert.deepEqual(await whole(session, "deep/er/it's a file"), Buffer.from(bytes));
      const mode = await session.exec(["sh", "-c", 'test -x "$1"', "sh", `${session.home}/deep/er/it's a file`]);
      assert.equal(mode.exitCode, 0, "The mode was not kept.");
      await session.write("deep/er/it's a file", "short");
      assert.equal(text(await session.read("deep/er/it's a file", 0)), "short", "The old end of the file shows behind the new one.");
      const { stdout } = await session.exec(["ls", "-A", `${session.home}/deep/er`]);
      assert.equal(stdout, "it's a file\n", "Temporary files are left.");
    },
  },
  {
    id: "session-copy",
    point: 11,
    title: "a tree goes up and comes back the same",
    needs: NEEDS,
    async run(context) {
      const session = await context.realSession();
      await withTree(async (folder, digest) => {
        await session.upload(join(folder, "tree"), "copy of it");
        await session.download("copy of it", join(folder, "back"));
        assert.equal(await digestOf(join(folder, "back")), digest, "The tree that came back is another one.");
        await session.upload(join(folder, "tree", "b.bin"), "single.bin");
        assert.deepEqual(await whole(session, "single.bin"), await readFile(join(folder, "tree", "b.bin")));
      });
    },
  },
  {
    id: "session-upload-resumed",
    point: 11,
    title: "an upload that was interrupted is made whole by repeating it",
    needs: NEEDS,
    async run(context) {
      const session = await context.realSession();
      await withTree(async (folder, digest) => {
        const abort = new AbortController();
        const work = session.upload(join(folder, "tree"), "resumed", { signal: abort.signal }).then(
          () => undefined,
          (error: unknown) => error,
        );
        for (let turn = 0; turn < 10; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
        const reason = new Error("conformance: aborted while uploading");
        abort.abort(reason);
        const error = await work;
        if (error !== undefined)
          assert.ok(
            error === reason || (error as { cause?: unknown }).cause === reason,
            `upload() must reject with the caller's reason, not with ${String(error)}.`,
          );
        await session.upload(join(folder, "tree"), "resumed");
        await session.download("resumed", join(folder, "back"));
        assert.equal(await digestOf(join(folder, "back")), digest, "After the second upload the tree is not whole.");
      });
    },
  },
  {
    id: "session-timeout",
    point: 11,
    title: "a command that takes too long is ended, and so is one whose caller gives up",
    needs: NEEDS,
    async run(context) {
      const session = await context.realSession();
      await refused(session.exec(["sleep", "600"], { timeoutMs: 500 }), ["timeout"], "exec() beyond its timeoutMs");
      const abort = new AbortController();
      const reason = new Error("conformance: aborted while a command ran");
      const work = session.exec(["sh", "-c", "echo $$ > pid; exec sleep 600"], { signal: abort.signal }).then(
        () => undefined,
        (error: unknown) => error,
      );
      let pid = "";
      for (let tries = 0; pid === "" && tries < 500; tries += 1) {
        pid = text((await session.read("pid", 0)) ?? new Uint8Array()).trim();
        if (pid === "") await context.pass(20);
      }
      abort.abort(reason);
      assert.equal(await work, reason, "exec() must reject with the caller's own reason.");
      let alive = true;
      for (let tries = 0; alive && tries < 250; tries += 1) {
        alive = (await session.exec(["kill", "-0", pid])).exitCode === 0;
        if (alive) await context.pass(20);
      }
      assert.equal(alive, false, "The command still runs on the machine after its caller gave up.");
    },
  },
  {
    id: "session-closed",
    point: 11,
    title: "a closed session works no more; closing twice is fine",
    needs: NEEDS,
    async run(context) {
      const session = await context.realSession();
      await session.close();
      await session.close();
      const outcome = await session.exec(["true"]).then(
        () => "worked",
        () => "refused",
      );
      assert.equal(outcome, "refused", "A closed session still runs commands.");
    },
  },
];

function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString("utf8");
}

async function whole(session: HostSession, path: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (let at = 0; ; ) {
    const part = await session.read(path, at);
    assert.ok(part !== undefined, `${path} is not there.`);
    if (part.byteLength === 0) return Buffer.concat(parts);
    parts.push(part);
    at += part.byteLength;
  }
}

/** A tree with the names that break tools, and one file that takes a while. */
async function withTree(work: (folder: string, digest: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "runctl-conformance-"));
  try {
    await mkdir(join(folder, "tree", "sub dir", "deep"), { recursive: true });
    await writeFile(join(folder, "tree", "a.txt"), "a");
    await writeFile(join(folder, "tree", "b.bin"), Buffer.alloc(300_000, "b\0c"));
    await writeFile(join(folder, "tree", "big.bin"), Buffer.alloc(16 * 1024 * 1024, "0123456789abcdef"));
    await writeFile(join(folder, "tree", "empty"), "");
    await writeFile(join(folder, "tree", "sub dir", 'it\'s "quoted" 🦀'), "odd");
    await writeFile(join(folder, "tree", "sub dir", "deep", "-rf"), "dash");
    await work(folder, await digestOf(join(folder, "tree")));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function digestOf(folder: string): Promise<string> {
  const hash = createHash("sha256");
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const file of files.sort()) hash.update(`${file.slice(folder.length)}\0`).update(await readFile(file));
  return hash.digest("hex");
}
