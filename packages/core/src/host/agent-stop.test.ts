import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { systemClock } from "../util/clock.ts";
import { until } from "./testing/attempt-fixture.ts";
import { it } from "./testing/host-test.ts";

const SAVES = `trap 'cat "$RUNCTL_NOTICE_FILE"; echo saved; exit 0' TERM; echo up; while :; do sleep 0.05; done`;
const IGNORES = `trap '' TERM; echo up; while :; do sleep 0.05; done`;

describe.concurrent("ending a training", () => {
  it("stop: the notice is there before the signal, the script saves, and our cause wins over its exit code 0", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sh", "-c", SAVES], stop: { signal: "SIGTERM", graceSeconds: 20 } });
    await host.start(attempt);
    await host.log(attempt, "up");
    await host.client.control(host.session, "run1", 1, { op: "stop", cause: "stop" });
    const final = await host.final(attempt);
    expect(final).toMatchObject({ cause: "stop", code: 0, signal: null });
    expect(host.text(attempt, "log")).toMatch(/"cause":\s*"stop"[\s\S]*saved\n$/);
    expect(host.storedLog(attempt).toString()).toContain("saved\n");
    const observed = await host.client.observe(host.session, "run1", 1);
    expect(observed.notice).toMatchObject({ cause: "stop" });
    expect(host.json(attempt, "control/1.done")).toMatchObject({ result: "ok" });
  });

  it("a script that ignores the signal is killed after the grace, not before", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sh", "-c", IGNORES], stop: { signal: "SIGTERM", graceSeconds: 1 } });
    await host.start(attempt);
    await host.log(attempt, "up");
    const told = systemClock.monotonic();
    await host.client.control(host.session, "run1", 1, { op: "stop", cause: "suspend", graceSeconds: 2 });
    const final = await host.final(attempt);
    expect(final).toMatchObject({ cause: "suspend", code: null, signal: "SIGKILL" });
    expect(systemClock.monotonic() - told).toBeGreaterThan(1900);
  });

  it("a cancel after a stop cuts the grace short; the first cause stays", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sh", "-c", IGNORES], stop: { signal: "SIGTERM", graceSeconds: 500 } });
    await host.start(attempt);
    await host.log(attempt, "up");
    await host.client.control(host.session, "run1", 1, { op: "stop", cause: "stop" });
    await host.client.control(host.session, "run1", 1, { op: "cancel" });
    expect(await host.final(attempt, 20)).toMatchObject({ cause: "stop", signal: "SIGKILL" });
  });

  it("signals the leader only, and kills children with sessions of their own by the nonce", async ({ host }) => {
    const child = `setsid sh -c 'trap "echo child got it" TERM; while :; do sleep 0.05; done' & echo up; trap 'exit 0' TERM; while :; do sleep 0.05; done`;
    const attempt = host.attempt({ argv: ["sh", "-c", child] });
    await host.start(attempt);
    await host.log(attempt, "up");
    await until("both carry the nonce", () => host.carrying(attempt).length >= 2);
    await host.client.control(host.session, "run1", 1, { op: "stop", cause: "stop" });
    expect(await host.final(attempt)).toMatchObject({ cause: "stop", code: 0 });
    expect(host.text(attempt, "log")).not.toContain("child got it");
    expect(host.carrying(attempt)).toEqual([]);
  });

  it("children left behind by an ended script are killed, and the script's own exit stays", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sh", "-c", "setsid sleep 300 & echo $!; exit 4"] });
    await host.start(attempt);
    expect(await host.final(attempt)).toMatchObject({ cause: "exit", code: 4 });
    expect(host.carrying(attempt)).toEqual([]);
  });

  it("a fork storm is killed to the last process", async ({ host }) => {
    const storm = `trap '' TERM; f() { while :; do setsid sleep 0.3 & sleep 0.01; done; }; f & f & echo up; wait`;
    const attempt = host.attempt({ argv: ["sh", "-c", storm] });
    await host.start(attempt);
    await host.log(attempt, "up");
    await host.client.control(host.session, "run1", 1, { op: "cancel" });
    expect(await host.final(attempt)).toMatchObject({ cause: "cancel", signal: "SIGKILL" });
    expect(host.carrying(attempt)).toEqual([]);
  });

  it("an exit before the stop stays an exit; the done file counts as success, also when a stop follows", async ({ host }) => {
    const done = host.attempt({ argv: ["sh", "-c", `: >"$RUNCTL_DONE_FILE"; echo up; while :; do sleep 0.05; done`] });
    await host.start(done);
    await host.log(done, "up");
    await host.client.control(host.session, "run1", 1, { op: "stop", cause: "stop" });
    expect(await host.final(done)).toMatchObject({ cause: "done-file", signal: "SIGTERM" });

    const short = host.attempt({ attempt: 2, argv: ["sh", "-c", `: >"$RUNCTL_DONE_FILE"; exit 9`] });
    await host.start(short);
    expect(await host.final(short)).toMatchObject({ cause: "done-file", code: 9 });
    await host.client.control(host.session, "run1", 2, { op: "stop", cause: "stop" });
    expect((await host.client.observe(host.session, "run1", 2)).final?.cause).toBe("done-file");
  });

  it("S-12 P-14: from the provider's notice to the script's signal it takes at most 5 s", async ({ host }) => {
    const flag = join(host.home, "notice-flag");
    const stamp = `trap 'date +%s%N; exit 0' TERM; echo up; while :; do sleep 0.02; done`;
    const attempt = host.attempt({
      argv: ["sh", "-c", stamp],
      hooks: {
        notice: `[ ! -e '${flag}' ] || echo '{"action":"terminate","at":"2099-01-01T00:00:00Z"}'`,
        noticeBuiltin: null,
        stop: null,
        terminate: null,
      },
    });
    await host.start(attempt);
    await host.log(attempt, "up");
    const shown = systemClock.now();
    await host.session.write(flag, "");
    expect(await host.final(attempt)).toMatchObject({ cause: "notice", code: 0 });
    const signalled = Number(host.text(attempt, "log").split("\n")[1]) / 1e6;
    expect(signalled - shown).toBeGreaterThan(0);
    expect(signalled - shown).toBeLessThan(5000);
    const { events } = await host.client.observe(host.session, "run1", 1);
    expect(events.map((event) => event.type)).toEqual(["notice", "decision"]);
    expect(host.json(attempt, "job/notice.json")).toMatchObject({ cause: "notice", until: "2099-01-01T00:00:00Z" });
  });

  it("P-14: a mere rebalance hint is told and does not end the training", async ({ host }) => {
    const attempt = host.attempt({
      argv: ["sh", "-c", `while ! grep -q rebalance "$RUNCTL_OUTPUT_DIR/../../events.jsonl" 2>/dev/null; do sleep 0.05; done; exit 5`],
      hooks: { notice: `echo '{"action":"rebalance"}'`, noticeBuiltin: null, stop: null, terminate: null },
    });
    await host.start(attempt);
    expect(await host.final(attempt)).toMatchObject({ cause: "exit", code: 5 });
  });

  it("P-14: a save that no longer fits is not asked for, and that is told; what was published stays", async ({ host }) => {
    const flag = join(host.home, "notice-flag");
    const script = `echo '{"step":1}' >"$RUNCTL_CHECKPOINT_DIR/.tmp"; mv "$RUNCTL_CHECKPOINT_DIR/.tmp" "$RUNCTL_CHECKPOINT_DIR/step-1.json"; ${IGNORES}`;
    const attempt = host.attempt({
      argv: ["sh", "-c", script],
      hooks: {
        notice: `[ ! -e '${flag}' ] || echo '{"action":"terminate","at":"2001-01-01T00:00:00Z"}'`,
        noticeBuiltin: null,
        stop: null,
        terminate: null,
      },
      checkpoints: {
        dir: "checkpoints",
        store: 0,
        prefix: "runs/run1/ckpt/",
        resume: { mode: "auto", manifests: [] },
        resumeArgs: [],
        stopSignal: "SIGTERM",
        graceSeconds: 500,
        suggestedSaveSeconds: null,
        metricPatterns: [],
      },
    });
    await host.start(attempt);
    await until("a published checkpoint", async () => ((await host.client.observe(host.session, "run1", 1)).status?.published ?? 0) > 0);
    await host.session.write(flag, "");
    expect(await host.final(attempt)).toMatchObject({ cause: "notice", signal: "SIGKILL", published: 1, lost: [] });
    const { events } = await host.client.observe(host.session, "run1", 1);
    const decisions = events.flatMap((event) => (event.type === "decision" ? [event.what] : []));
    expect(decisions.join("\n")).toContain("no new checkpoint is asked for");
  });

  it("P-07: a cancel while a real pip builds a package ends it and its children within seconds", { timeout: 60_000 }, async ({ host }) => {
    const mark = join(host.home, "building");
    const folder = join(host.home, "slow-1.0");
    // A build backend that never ends, with a child in a session of its own.
    const setup = `import subprocess, time\nsubprocess.Popen(["setsid", "sleep", "3456"])\nopen(${JSON.stringify(mark)}, "w").close()\ntime.sleep(3456)\n`;
    await host.session.write(join(folder, "setup.py"), setup);
    await host.session.write(join(folder, "PKG-INFO"), "Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n");
    const packed = await host.session.exec(["tar", "-czf", join(host.home, "slow-1.0.tar.gz"), "-C", host.home, "slow-1.0"]);
    expect(packed.exitCode).toBe(0);
    const attempt = host.attempt({
      argv: ["echo", "trained"],
      dependencies: { kind: "packages", packages: ["slow"] },
      env: { PIP_NO_INDEX: "1", PIP_FIND_LINKS: host.home, PIP_NO_BUILD_ISOLATION: "0" },
    });
    await host.start(attempt);
    const began = await until("pip builds, or has nothing to build with", () => existsSync(mark) || host.json(attempt, "final.json"), 50);
    if (began !== true) return expect(JSON.stringify(began)).toMatch(/setuptools|ensurepip|venv|nothing to install/);
    await host.client.control(host.session, "run1", 1, { op: "cancel" });
    expect(await host.final(attempt, 20)).toMatchObject({ cause: "cancel", code: null, startedAt: null });
    expect(host.text(attempt, "log")).toBe("");
    await until("nothing of the installer is left", async () => {
      const found = await host.session.exec(["sh", "-c", 'grep -ls "RUNCTL_AGENT_NONCE=$1" /proc/[0-9]*/environ', "sh", attempt.nonce]);
      return found.stdout.trim() === "";
    });
  });

  it("the end policy runs the provider's hook after the last record, and tries again when it fails", async ({ host }) => {
    const mark = join(host.home, "ended-mark");
    const attempt = host.attempt({
      hooks: { notice: null, noticeBuiltin: null, stop: null, terminate: `cp '${host.home}/runs/run1/1/final.json' '${mark}'` },
      endPolicy: { action: "terminate", afterSeconds: 1 },
    });
    await host.start(attempt);
    await host.final(attempt);
    await until("the hook ran", () => host.json(attempt, "ended"));
    expect(readFileSync(mark, "utf8")).toBe(host.text(attempt, "final.json"));
    expect(host.json(attempt, "ended")).toMatchObject({ action: "terminate", problem: null });
  });

  it("the end policy leaves a machine on which another attempt works", async ({ host }) => {
    const mark = join(host.home, "ended-mark");
    const over = host.attempt({
      hooks: { notice: null, noticeBuiltin: null, stop: null, terminate: `: >'${mark}'` },
      endPolicy: { action: "terminate", afterSeconds: 4 },
    });
    await host.start(over);
    await host.final(over);
    const next = host.attempt({ attempt: 2, argv: ["sh", "-c", IGNORES] });
    await host.start(next);
    await host.log(next, "up");
    await until("the policy was carried out", () => host.json(over, "ended"));
    expect(host.json(over, "ended")).toMatchObject({ problem: "another attempt works on this machine" });
    expect(existsSync(mark)).toBe(false);
    await host.client.control(host.session, "run1", 2, { op: "cancel" });
    await host.final(next);
  });

  it("commands are executed in order, once each, and nonsense is answered", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sh", "-c", IGNORES] });
    await host.start(attempt);
    await host.log(attempt, "up");
    await host.client.control(host.session, "run1", 1, { op: "allowance", seq: 5, seconds: 1000, hardSeconds: 1000 });
    await host.client.control(host.session, "run1", 1, { op: "allowance", seq: 4, seconds: 1, hardSeconds: 1 });
    await host.client.control(host.session, "run1", 1, { op: "dance" } as never);
    await until("answered", () => host.json(attempt, "control/3.done"));
    expect([1, 2, 3].map((n) => host.json(attempt, `control/${n}.done`)?.result)).toEqual([
      "ok",
      "older than the one in force",
      "unknown operation",
    ]);
    expect(host.json(attempt, "allowance.json")).toEqual({ seq: 5, seconds: 1000, hardSeconds: 1000 });
    await host.client.control(host.session, "run1", 1, { op: "cancel" });
    await host.final(attempt);
  });
});
