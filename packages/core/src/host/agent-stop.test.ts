import { readFileSync } from "node:fs";
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
    expect(await host.final(attempt, 10)).toMatchObject({ cause: "stop", signal: "SIGKILL" });
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
