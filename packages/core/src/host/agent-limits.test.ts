import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { AGENT_DIGEST } from "./agent.generated.ts";
import { agentFolder } from "./attempt-paths.ts";
import { kill, until } from "./testing/attempt-fixture.ts";
import { it } from "./testing/host-test.ts";

const WAITS = `trap 'echo told; exit 0' TERM; echo up; while :; do sleep 0.05; done`;
const IGNORES = `trap 'echo told' TERM; echo up; while :; do sleep 0.05; done`;

describe.concurrent("limits of an attempt", () => {
  // First: it takes longest, and the others run beside it.
  it("P-11: an agent that never gets to work: the guardian is armed all the same and ends the machine", { timeout: 60_000 }, async ({
    another,
  }) => {
    const host = another({ ownCache: true });
    const warm = host.attempt({ runId: "warm", runPrefix: "runs/warm/" });
    await host.start(warm);
    await host.final(warm);
    const lib = join(agentFolder(host.session, AGENT_DIGEST), "lib");
    rmSync(join(lib, "runctl_agent"), { recursive: true });
    writeFileSync(join(lib, "__main__.py"), "raise SystemExit(1)\n");
    const mark = join(host.home, "machine-ended");
    const attempt = host.attempt({
      argv: ["echo", "trained"],
      allowance: { seq: 1, seconds: null, hardSeconds: 1 },
      stop: { signal: "SIGTERM", graceSeconds: 0 },
      hooks: { notice: null, noticeBuiltin: null, stop: null, terminate: `: >'${mark}'` },
      endPolicy: { action: "terminate", afterSeconds: 0 },
      guard: { feedSeconds: 2, firstFeedSeconds: 2 },
    });
    await host.start(attempt);
    expect((await host.client.observe(host.session, "run1", 1)).alive.guardian).toBe(true);
    await until("the machine was ended", () => existsSync(mark), 50);
    expect(host.json(attempt, "notice.json")).toMatchObject({ cause: "guard" });
    expect(host.text(attempt, "log")).toBe("");
  });

  it("the allowance ends it politely; a newer allowance prolongs it, an older one does not", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sh", "-c", WAITS], allowance: { seq: 3, seconds: 8, hardSeconds: 600 } });
    await host.start(attempt);
    await host.log(attempt, "up");
    await host.client.control(host.session, "run1", 1, { op: "allowance", seq: 2, seconds: 9000, hardSeconds: 9000 });
    await host.client.control(host.session, "run1", 1, { op: "allowance", seq: 4, seconds: 10, hardSeconds: 600 });
    const final = await host.final(attempt);
    expect(final).toMatchObject({ cause: "allowance", code: 0 });
    const begun = host.json(attempt, "begun.json")?.uptime as number;
    const ended = host.json(attempt, "exit.json")?.endedUptime as number;
    expect(ended - begun).toBeGreaterThanOrEqual(10);
    expect(ended - begun).toBeLessThan(14);
  });

  it("a machine whose training is over is ended at the hard limit, however long its end policy would wait", async ({ host }) => {
    const mark = join(host.home, "machine-ended-at-hard");
    const attempt = host.attempt({
      argv: ["echo", "trained"],
      allowance: { seq: 1, seconds: 7, hardSeconds: 8 },
      hooks: { notice: null, noticeBuiltin: null, stop: null, terminate: `: >'${mark}'` },
      endPolicy: { action: "terminate", afterSeconds: 900 },
    });
    await host.start(attempt);
    expect(await host.final(attempt)).toMatchObject({ cause: "exit", code: 0 });
    const early = existsSync(mark);
    await until("the machine was ended", () => existsSync(mark), 25);
    await until("the end was written down", () => host.json(attempt, "ended") !== undefined, 10);
    expect(early).toBe(false);
    expect(host.json(attempt, "ended")).toMatchObject({ action: "terminate", problem: null });
  });

  it("maxDuration counts seconds of training", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sh", "-c", WAITS], maxDurationSeconds: 1 });
    await host.start(attempt);
    expect(await host.final(attempt)).toMatchObject({ cause: "max-duration", code: 0 });
  });

  it.for([
    ["guard", null],
    ["deadline", "2001-01-01T00:00:00.000Z"],
  ] as const)("the hard limit ends it as %s", async ([cause, deadlineAt], { host }) => {
    const attempt = host.attempt({
      argv: ["sh", "-c", IGNORES],
      allowance: { seq: 1, seconds: null, hardSeconds: 1 },
      stop: { signal: "SIGTERM", graceSeconds: 1 },
      deadlineAt,
    });
    await host.start(attempt);
    expect(await host.final(attempt)).toMatchObject({ cause, signal: "SIGKILL" });
    expect(host.text(attempt, "log").match(/told/g)).toHaveLength(1);
  });

  it("P-10: a long silent job is not idle: what feeds the guardian is the supervisor, not the log", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sleep", "12"], guard: { feedSeconds: 8, firstFeedSeconds: 8 } });
    await host.start(attempt);
    expect(await host.final(attempt)).toMatchObject({ cause: "exit", code: 0, logBytes: 0 });
  });

  it("P-09: with a supervisor that cannot run any more, the guardian alone ends the training at the hard limit", async ({ host }) => {
    const attempt = host.attempt({
      argv: ["sh", "-c", IGNORES],
      allowance: { seq: 1, seconds: null, hardSeconds: 2 },
      stop: { signal: "SIGTERM", graceSeconds: 1 },
    });
    await host.start(attempt);
    await host.log(attempt, "up");
    // Every new supervisor is stopped as soon as it is seen.
    const over = until(
      "the training is dead",
      async () => {
        kill(await host.pid(attempt, "supervisor"), "SIGSTOP");
        return host.carrying(attempt).length === 0;
      },
      40,
    );
    await over;
    expect(host.text(attempt, "log").match(/told/g)).toHaveLength(1);
    expect(host.json(attempt, "notice.json")).toMatchObject({ cause: "guard" });
    // Let the next one go: it finds the end and tells it.
    kill(await host.pid(attempt, "supervisor"), "SIGKILL");
    expect(await host.final(attempt)).toMatchObject({ cause: "guard", lost: [] });
  });

  it("P-01: a machine that nobody ended after its attempt is ended at the hard limit, unless another attempt has it by then", async ({
    host,
  }) => {
    const mark = (run: string): string => join(host.home, `ended-by-${run}`);
    const hooks = (run: string) => ({ notice: null, noticeBuiltin: null, stop: null, terminate: `: >'${mark(run)}'` });
    const first = host.attempt({ hooks: hooks("run1"), allowance: { seq: 1, seconds: null, hardSeconds: 9 } });
    await host.start(first);
    await host.final(first);
    const second = host.attempt({
      runId: "run2",
      runPrefix: "runs/run2/",
      hooks: hooks("run2"),
      allowance: { seq: 1, seconds: null, hardSeconds: 13 },
    });
    await host.start(second);
    await until("the second guardian ended the machine", () => existsSync(mark("run2")), 30);
    expect(existsSync(mark("run1"))).toBe(false);
    await until("no guardian is left", async () => {
      const looks = await Promise.all(["run1", "run2"].map((run) => host.client.observe(host.session, run, 1)));
      return looks.every((look) => !look.alive.guardian);
    });
  });

  it("the guardian's clock goes on over its own death and is uptime, never the wall clock", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sh", "-c", WAITS], allowance: { seq: 1, seconds: null, hardSeconds: 600 } });
    await host.start(attempt);
    await host.log(attempt, "up");
    const first = await until("guard.json", () => host.json(attempt, "guard.json"));
    const record = JSON.stringify({ ...first, spentSeconds: 100, uptime: (first.uptime as number) - 7 });
    const old = await host.pid(attempt, "guardian");
    // Stopped first: neither it nor a successor writes between the record and the kill.
    kill(old, "SIGSTOP");
    writeFileSync(join(host.dir(attempt), "guard.json"), `${record}\n`);
    kill(old, "SIGKILL");
    const second = await until("the next guardian's record", () => {
      const now = host.json(attempt, "guard.json");
      return now !== undefined && now.uptime !== (first.uptime as number) - 7 ? now : undefined;
    });
    expect(second.spentSeconds as number).toBeGreaterThanOrEqual(107);
    expect(second.spentSeconds as number).toBeLessThan(120);
    await host.client.control(host.session, "run1", 1, { op: "cancel" });
    await host.final(attempt);
  });
});
