import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { memoryStore } from "../storage/memory-store.ts";
import { systemClock } from "../util/clock.ts";
import { findProjectRoot } from "./project-root.ts";
import { StableReader } from "./read-stable.ts";
import { inspectCode } from "./snapshot-code.ts";
import { walkTree } from "./walk-tree.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "runctl-walk-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
function put(path: string, text = ""): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
}
async function walked(more: { root?: string; include?: string[]; exclude?: string[]; excludeDirs?: string[] } = {}): Promise<string[]> {
  const tree = await walkTree({ root: dir, include: [], exclude: [], excludeDirs: [], clock: systemClock, ...more });
  return tree.files.map((file) => file.path);
}
const ids = async (more: { include?: string[] } = {}): Promise<string[]> =>
  (await inspectCode({ root: dir, store: memoryStore(), prefix: "memory://s", ...more })).notices.map((notice) => notice.id);

describe("which files belong to the code", () => {
  it("follows .gitignore as git does", async () => {
    put(".gitignore", "*.log\n/build/\n!keep.log\ndocs/**/*.html\nonly-dir/\n\\#odd\n# comment\ntrail \n");
    put("sub/.gitignore", "!sub.log\n*.csv\n/local\n");
    for (const path of [
      "a.log",
      "keep.log",
      "build/x",
      "sub/build/x",
      "sub/sub.log",
      "sub/deep/sub.log",
      "sub/t.csv",
      "t.csv",
      "sub/local",
      "sub/deep/local",
    ])
      put(path);
    for (const path of ["docs/a/b.html", "docs/c.html", "only-dir/x", "sub/only-dir", "#odd", "trail", "Upper.LOG", "train.py"]) put(path);
    put("build/keep.log");
    execFileSync("git", ["init", "-q"], { cwd: dir });
    writeFileSync(join(dir, ".git/info/exclude"), "private\n");
    put("private");
    const expected = execFileSync("git", ["-c", "core.excludesFile=/dev/null", "ls-files", "-z", "--others", "--exclude-standard"], {
      cwd: dir,
    })
      .toString()
      .split("\0")
      .filter(Boolean)
      .sort();
    expect(expected).toContain("train.py");
    expect(await walked()).toEqual(expected);
    put("sub/x.log");
    const below = execFileSync("git", ["-c", "core.excludesFile=/dev/null", "ls-files", "-z", "--others", "--exclude-standard"], {
      cwd: join(dir, "sub"),
    });
    expect(await walked({ root: join(dir, "sub") })).toEqual(below.toString().split("\0").filter(Boolean).sort());
  });

  it("lets .runctlignore add and bring back, include re-include, and exclude win", async () => {
    put(".gitignore", "data/\n*.bin\n");
    put(".runctlignore", "!small.bin\nnotes/\n");
    for (const path of ["data/a.csv", "data/deep/b.csv", "data/c.txt", "small.bin", "big.bin", "notes/n", "train.py"]) put(path);
    const base = [".gitignore", ".runctlignore"];
    expect(await walked()).toEqual([...base, "small.bin", "train.py"]);
    expect(await walked({ include: ["*.csv"] })).toEqual([...base, "data/a.csv", "data/deep/b.csv", "small.bin", "train.py"]);
    expect(await walked({ include: ["data/deep/"] })).toEqual([...base, "data/deep/b.csv", "small.bin", "train.py"]);
    expect(await walked({ include: ["./data/c.txt", "big.bin"], exclude: ["small.bin"] })).toEqual([
      ...base,
      "big.bin",
      "data/c.txt",
      "train.py",
    ]);
    expect(await walked({ include: ["data/"], exclude: ["data/deep"] })).toEqual([
      ...base,
      "data/a.csv",
      "data/c.txt",
      "small.bin",
      "train.py",
    ]);
  });

  it("leaves out junk, environments, state and the given folders; junk returns only by name", async () => {
    put("env/pyvenv.cfg");
    put("env/lib/x.py");
    put("conda/conda-meta/history");
    put("conda/bin/python");
    for (const path of [
      ".git/config",
      "a/__pycache__/x.pyc",
      "node_modules/m/i.js",
      ".DS_Store",
      ".runctl/runs/x",
      "sub/.runctl/y",
      "checkpoints/e1.pt",
      "sub/checkpoints/kept",
      "train.py",
    ])
      put(path);
    expect(await walked({ excludeDirs: ["checkpoints/"] })).toEqual(["sub/checkpoints/kept", "train.py"]);
    expect(await walked({ excludeDirs: ["checkpoints"], include: ["*", ".runctl", "checkpoints"] })).toEqual([
      "sub/checkpoints/kept",
      "train.py",
    ]);
    expect(await walked({ excludeDirs: ["checkpoints"], include: ["node_modules/"] })).toEqual([
      "node_modules/m/i.js",
      "sub/checkpoints/kept",
      "train.py",
    ]);
    expect(await walked({ excludeDirs: ["checkpoints"], include: ["env/"] })).toEqual([
      "env/lib/x.py",
      "env/pyvenv.cfg",
      "sub/checkpoints/kept",
      "train.py",
    ]);
  });

  it("leaves out secrets, says so, and takes one only by its exact path, with a warning", async () => {
    const secrets = [
      ".env",
      ".env.local",
      "sub/prod.env",
      "tls.pem",
      "id_rsa",
      "id_ed25519.pub",
      "server.key",
      ".aws/credentials",
      ".ssh/config",
      ".netrc",
      "credentials.json",
      "credentials-x.json",
      ".pypirc",
      "kaggle.json",
    ];
    for (const path of [...secrets, ".env.example", "environment.py", "keys.py", "monkey.txt", "credentials.py"]) put(path);
    const harmless = [".env.example", "credentials.py", "environment.py", "keys.py", "monkey.txt"];
    expect(await walked()).toEqual(harmless);
    expect(await walked({ include: ["*", "*.pem", "**/*.env", ".aws/"] })).toEqual(harmless);
    expect(await walked({ include: ["tls.pem", "sub/prod.env"] })).toEqual([...harmless, "sub/prod.env", "tls.pem"]);
    expect(await ids()).toEqual(["code-secrets-left-out"]);
    expect(await ids({ include: ["/tls.pem"] })).toEqual(["code-secret-included", "code-secrets-left-out"]);
    put(".gitignore", "*\n");
    expect(await ids()).toEqual([]);
  });

  it("keeps links inside, leaves out links outside, skips what has no content, and says so", async () => {
    put("real/file");
    symlinkSync("real/file", join(dir, "in"));
    symlinkSync("/etc/passwd", join(dir, "out"));
    symlinkSync("../..", join(dir, "real", "up"));
    symlinkSync("missing", join(dir, "broken"));
    mkdirSync(join(dir, "trick"));
    symlinkSync("/etc", join(dir, "trick", "etc"));
    symlinkSync("etc/passwd", join(dir, "trick", "through"));
    mkdirSync(join(dir, "sub"));
    symlinkSync("..", join(dir, "sub", "root"));
    symlinkSync("root/../nowhere", join(dir, "sub", "sly"));
    execFileSync("mkfifo", [join(dir, "pipe")]);
    const tree = await walkTree({ root: dir, include: [], exclude: [], excludeDirs: [], clock: systemClock });
    expect(tree.links).toEqual([
      { path: "broken", target: "missing" },
      { path: "in", target: "real/file" },
      { path: "sub/root", target: ".." },
    ]);
    expect(tree.files.map((file) => file.path)).toEqual(["real/file"]);
    expect(tree.remarks.linksOutside).toEqual(["out", "real/up", "trick/etc", "trick/through", "sub/sly"]);
    expect(tree.dirs).toEqual(["trick"]);
    expect(await ids()).toEqual(["code-special-files-skipped", "code-links-outside", "code-links-dangling"]);
  });

  it("warns of a large tree and names what is large, without reading holes into memory", async () => {
    put("train.py");
    put("data/huge.bin");
    execFileSync("truncate", ["-s", "1100M", join(dir, "data/huge.bin")]);
    const before = process.memoryUsage().rss;
    const found = await inspectCode({ root: dir, store: memoryStore(), prefix: "memory://s" });
    expect(process.memoryUsage().rss - before).toBeLessThan(120 * 1024 * 1024);
    expect(found.notices).toMatchObject([{ id: "code-tree-large", what: expect.stringContaining('"data" (1100 MiB)') }]);
  });

  it("refuses names that are not UTF-8 clearly", async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0x66, 0xff])]), "x");
    await expect(walked()).rejects.toMatchObject({ kind: "sync", what: expect.stringContaining("not valid UTF-8") });
  });

  it("detects a file that changes while it is read", async () => {
    put("log", "x".repeat(100));
    utimesSync(join(dir, "log"), 1_700_000_000, 1_700_000_000);
    const reader = new StableReader({ ...systemClock, timer: (_ms, fn) => systemClock.timer(0, fn) }, undefined);
    let n = 0;
    await expect(
      reader.stream(join(dir, "log"), {
        restart: () => undefined,
        chunk: () => {
          n += 1;
          put("log", "x".repeat(100 + n));
        },
      }),
    ).rejects.toMatchObject({
      kind: "sync",
      what: expect.stringContaining("keeps changing"),
      fix: [expect.stringContaining(".runctlignore")],
    });
    expect(n).toBeGreaterThan(0);
  });
});

describe("where the code is", () => {
  it("takes the nearest marker, never the home folder, else the script's own folder", () => {
    put("outer/.git/HEAD");
    put("outer/mid/pyproject.toml");
    put("outer/mid/src/deep/train.py");
    put("outer/other/x/train.py");
    expect(findProjectRoot(join(dir, "outer/mid/src/deep/train.py"))).toBe(join(dir, "outer/mid"));
    expect(findProjectRoot(join(dir, "outer/other/x/train.py"))).toBe(join(dir, "outer"));
    expect(findProjectRoot(join(dir, "outer/other/x/train.py"), { home: join(dir, "outer") })).toBe(join(dir, "outer/other/x"));
    put("outer/other/runctl.config.ts");
    expect(findProjectRoot(join(dir, "outer/other/x/train.py"))).toBe(join(dir, "outer/other"));
    put("none/train.py");
    expect(findProjectRoot(join(dir, "none/train.py"))).toBe(join(dir, "none"));
    expect(findProjectRoot(join(homedir(), "train.py"))).toBe(homedir());
  });
});
