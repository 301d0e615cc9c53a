import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect } from "vitest";
import { ConfigurationError, NotFoundError, ValidationError } from "../errors/kinds.ts";
import { pythonOf, until } from "./testing/attempt-fixture.ts";
import { it } from "./testing/host-test.ts";

describe.concurrent("starting an attempt on a host", () => {
  it("S-04: runs the command, keeps its output and tells its exit code, here and in the store", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sh", "-c", "echo out; echo err >&2; exit 3"] });
    await host.start(attempt);
    const final = await host.final(attempt);
    expect(final).toMatchObject({ cause: "exit", code: 3, signal: null, error: null, lost: [], logBytes: 8 });
    expect(host.text(attempt, "log")).toBe("out\nerr\n");
    expect(host.storedLog(attempt).toString()).toBe("out\nerr\n");
    const stored = JSON.parse(readFileSync(join(host.store, "runs/run1/attempts/1/final.json"), "utf8"));
    expect(stored).toEqual(host.json(attempt, "final.json"));
    expect(JSON.parse(readFileSync(join(host.store, "runs/run1/attempts/1/exit.json"), "utf8"))).toMatchObject({ code: 3 });
  });

  it("starts once when it is started twice, also at the same moment", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sh", "-c", "echo began; sleep 60"] });
    await Promise.all([host.start(attempt), host.start(attempt)]);
    await host.log(attempt, "began");
    const pids = [await host.pid(attempt, "guardian"), await host.pid(attempt, "supervisor"), await host.pid(attempt, "runner")];
    await host.start(attempt);
    await host.client.control(host.session, "run1", 1, { op: "stop", cause: "stop" });
    await host.final(attempt);
    expect([await host.pid(attempt, "supervisor"), await host.pid(attempt, "runner")]).toEqual(pids.slice(1));
    expect(host.text(attempt, "log")).toBe("began\n");
    await host.start(attempt);
    expect(host.text(attempt, "log")).toBe("began\n");
  });

  it("gives secrets to the training and to nobody else: no file, no command line", async ({ host }) => {
    const secret = "tops3cret-value-\"'$x";
    const attempt = host.attempt({
      argv: ["sh", "-c", 'printf %s "$TOKEN" | cksum; sleep 60'],
      secretNames: ["TOKEN"],
    });
    await host.start(attempt, { env: { TOKEN: secret } });
    const sum = spawnSync("cksum", { input: secret, encoding: "utf8" }).stdout;
    await host.log(attempt, sum);
    const files = spawnSync("grep", ["-rlF", "tops3cret", host.home, host.store], { encoding: "utf8" });
    expect(files.stdout).toBe("");
    const commands = spawnSync("sh", ["-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -c tops3cre[t]"], {
      encoding: "utf8",
    });
    expect(commands.stdout.trim()).toBe("0");
    expect(statSync(join(host.dir(attempt), "attempt.json")).mode & 0o777).toBe(0o600);
    expect(statSync(host.dir(attempt)).mode & 0o777).toBe(0o700);
  });

  it("hands arguments and environment over literally and sets the training's variables", async ({ host }) => {
    const odd = ["$(touch pwned)", "a b", "'\"", "new\nline", "-x", "😀", "*"];
    const attempt = host.attempt({
      argv: ["python3", "-c", "import json,os,sys; print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))", ...odd],
      env: { GREETING: "hé\nllo $HOME" },
      deadlineAt: "2099-01-01T00:00:00.000Z",
    });
    await host.start(attempt);
    expect(await host.final(attempt)).toMatchObject({ cause: "exit", code: 0 });
    const [argv, env, cwd] = JSON.parse(host.text(attempt, "log")) as [string[], Record<string, string>, string];
    expect(argv).toEqual(odd);
    expect(cwd).toBe(`${host.dir(attempt)}/work`);
    expect(env).toMatchObject({
      GREETING: "hé\nllo $HOME",
      RUNCTL_RUN_ID: "run1",
      RUNCTL_ATTEMPT: "1",
      RUNCTL_NONCE: attempt.nonce,
      RUNCTL_RESUME_FROM: "",
      RUNCTL_CHECKPOINT_DIR: `${cwd}/checkpoints`,
      RUNCTL_OUTPUT_DIR: `${cwd}/output`,
      RUNCTL_DATA_DIR: `${cwd}/data`,
      RUNCTL_DEADLINE: "2099-01-01T00:00:00.000Z",
      RUNCTL_DEVICE: expect.stringMatching(/^(cpu|cuda|mps)$/),
      PYTHONUNBUFFERED: "1",
    });
    expect(env).not.toHaveProperty("RUNCTL_AGENT_NONCE");
    expect(existsSync(join(cwd, "pwned"))).toBe(false);
  });

  it("works in a home with spaces, quotes, newline and emoji in its path", async ({ another }) => {
    const host = another({ name: "a b'c\"d\n$(x) 😀" });
    const attempt = host.attempt({ argv: ["sh", "-c", "echo fine; pwd"] });
    await host.start(attempt);
    expect(await host.final(attempt)).toMatchObject({ cause: "exit", code: 0 });
    expect(host.text(attempt, "log")).toContain("fine\n");
  });

  it("says spawn-failed with the reason when the command cannot be started", async ({ host }) => {
    const attempt = host.attempt({ argv: ["/no/such/program"] });
    await host.start(attempt);
    const final = await host.final(attempt);
    expect(final.cause).toBe("spawn-failed");
    expect(final.error?.what).toContain("/no/such/program");
    expect(final.error?.what).toContain("No such file");
  });

  it("refuses a host without python3, naming the cure", async ({ another }) => {
    const bin = await onlyTools();
    const host = another({ env: { PATH: bin }, ownCache: true });
    const error = await host.start(host.attempt()).catch((reason: unknown) => reason);
    expect(ConfigurationError.isInstance(error)).toBe(true);
    expect(String(error)).toMatch(/python3.*3\.8[\s\S]*Fix: .*install/);
  });

  const old = pythonOf("3.7") ?? pythonOf("3.6");
  it.skipIf(old === undefined)("refuses a python3 that is too old, naming its version", async ({ another }) => {
    const bin = await onlyTools();
    symlinkSync(String(old), join(bin, "python3"));
    const host = another({ env: { PATH: bin }, ownCache: true });
    const error = await host.start(host.attempt()).catch((reason: unknown) => reason);
    expect(ConfigurationError.isInstance(error)).toBe(true);
    expect(String(error)).toMatch(/Python 3\.[67] is too old/);
  });

  it("knows attempts that were never started, and refuses ids that are no folder names", async ({ host }) => {
    expect(await host.client.observe(host.session, "run9", 1)).toMatchObject({ exists: false, events: [] });
    const told = await host.client.control(host.session, "run9", 1, { op: "cancel" }).catch((reason: unknown) => reason);
    expect(NotFoundError.isInstance(told)).toBe(true);
    expect(() => host.client.attemptDir(host.session, "../x", 1)).toThrow(/folder name/);
    const bad = await host.client.observe(host.session, "a/b", 1).catch((reason: unknown) => reason);
    expect(ValidationError.isInstance(bad)).toBe(true);
  });

  it("shows who is alive, and reads events on from where it was", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sh", "-c", "echo up; sleep 60"] });
    await host.start(attempt);
    const seen = await until("training", async () => {
      const look = await host.client.observe(host.session, "run1", 1);
      return look.alive.runner && look.status?.phase === "training" ? look : undefined;
    });
    expect(seen.alive).toEqual({ guardian: true, supervisor: true, runner: true });
    expect(seen.final).toBeUndefined();
    await host.client.control(host.session, "run1", 1, { op: "cancel" });
    await host.final(attempt);
    const after = await until("nobody left", async () => {
      const look = await host.client.observe(host.session, "run1", 1, { eventsOffset: seen.eventsOffset });
      return look.alive.guardian || look.alive.supervisor || look.alive.runner ? undefined : look;
    });
    expect(after.final?.cause).toBe("cancel");
  });

  const made: string[] = [];
  afterAll(() => {
    for (const bin of made) rmSync(bin, { recursive: true });
  });

  /** A PATH of the plain tools and no Python. */
  async function onlyTools(): Promise<string> {
    const bin = mkdtempSync(join(tmpdir(), "runctl-bin-"));
    made.push(bin);
    const tools = ["sh", "cat", "mkdir", "mv", "rm", "ln", "tail", "head", "date", "sleep", "grep", "sed", "setsid", "tr"];
    for (const tool of tools) {
      const found = spawnSync("sh", ["-c", 'command -v "$1"', "sh", tool], { encoding: "utf8" }).stdout.trim();
      symlinkSync(found, join(bin, tool));
    }
    return bin;
  }
});
