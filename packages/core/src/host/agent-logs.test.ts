import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { sha256Hex } from "../util/hash.ts";
import { kill, until } from "./testing/attempt-fixture.ts";
import { it } from "./testing/host-test.ts";

describe.concurrent("logs of an attempt", () => {
  it("S-06: another reader follows by offset while it is written: in order, no gap, no repeat", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sh", "-c", "for i in $(seq 400); do echo line $i; sleep 0.005; done"] });
    await host.start(attempt);
    let offset = 0;
    let text = "";
    for (;;) {
      const ended = existsSync(join(host.dir(attempt), "final.json"));
      const part = (await host.client.readLog(host.session, "run1", 1, "log", offset, 97)) ?? new Uint8Array();
      offset += part.length;
      text += Buffer.from(part).toString();
      if (ended && part.length === 0) break;
    }
    expect(text).toBe(Array.from({ length: 400 }, (_, i) => `line ${i + 1}\n`).join(""));
    expect(host.storedLog(attempt).toString()).toBe(text);
  });

  it("P-22: lines written just before the end are in the store before the final record is", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sh", "-c", "seq 200000; echo the last words"] });
    await host.start(attempt);
    const final = await host.final(attempt);
    const stored = host.storedLog(attempt);
    expect(stored.length).toBe(final.logBytes);
    expect(stored.toString().endsWith("200000\nthe last words\n")).toBe(true);
  });

  it("P-22: chunks are immutable and joined on by a restarted supervisor", async ({ host }) => {
    const gate = join(host.home, "gate");
    const attempt = host.attempt({ argv: ["sh", "-c", `echo one; while [ ! -e '${gate}' ]; do sleep 0.05; done; echo two`] });
    await host.start(attempt);
    const folder = join(host.store, "runs/run1/log/1");
    // By its name: a temporary file of an upload that is going on is no chunk yet.
    await until("the first chunk", () => existsSync(join(folder, "0000000000000000")));
    kill(await host.pid(attempt, "supervisor"), "SIGKILL");
    writeFileSync(gate, "");
    await host.final(attempt);
    expect(host.storedLog(attempt).toString()).toBe("one\ntwo\n");
    expect(readdirSync(folder).sort()).toEqual(["0000000000000000", "0000000000000004"]);
  });

  it("takes 100 MB without a newline, and bytes that are no text, as they are", async ({ host }) => {
    const noise = `import os,sys
w = sys.stdout.buffer
block = b"x" * (1 << 20)
for _ in range(100): w.write(block)
w.write(bytes(range(256)) * 16)
w.flush()`;
    const attempt = host.attempt({ argv: ["python3", "-c", noise] });
    await host.start(attempt);
    const final = await host.final(attempt, 60);
    expect(final).toMatchObject({ cause: "exit", code: 0, logBytes: 100 * (1 << 20) + 4096, lost: [] });
    const stored = host.storedLog(attempt);
    const expected = Buffer.concat([
      Buffer.alloc(100 << 20, "x"),
      ...Array.from({ length: 16 }, () => Buffer.from(Array.from({ length: 256 }, (_, i) => i))),
    ]);
    expect(sha256Hex(stored)).toBe(sha256Hex(expected));
  });

  it("says in `lost` what a dead store never got, and ends all the same", async ({ host }) => {
    const gate = join(host.home, "gate");
    const attempt = host.attempt({ argv: ["sh", "-c", `while [ ! -e '${gate}' ]; do sleep 0.05; done; echo unseen`] });
    await host.start(attempt);
    await until("training", () => host.json(attempt, "status.json")?.phase === "training");
    // A file where the log's folder would have to be.
    mkdirSync(join(host.store, "runs/run1"), { recursive: true });
    appendFileSync(join(host.store, "runs/run1/log"), "");
    writeFileSync(gate, "");
    const final = await host.final(attempt);
    expect(final).toMatchObject({ cause: "exit", code: 0 });
    expect(final.lost.join("\n")).toContain("log: bytes 0 to 7");
  });

  it("P-31: reading a log leaves no open handle, however it is given up", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sh", "-c", "seq 1000; sleep 60"] });
    await host.start(attempt);
    await host.log(attempt, "\n1000\n");
    const path = join(host.dir(attempt), "log");
    const open = ["-c", 'ls -l "/proc/$1/fd" | grep -cF "$2"', "sh", String(process.pid), path];
    for (let round = 0; round < 50; round++) await host.client.readLog(host.session, "run1", 1, "log", round * 7, 64);
    await host.client.readLog(host.session, "run1", 1, "setup.log", 1 << 20);
    expect(spawnSync("sh", open, { encoding: "utf8" }).stdout.trim()).toBe("0");
    await host.client.control(host.session, "run1", 1, { op: "cancel" });
    await host.final(attempt);
  });

  it("shows the step that the training prints", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sh", "-c", 'echo "epoch 1 step=10 loss=0.5"; echo \'{"step": 42, "loss": 0.25}\'; sleep 60'] });
    await host.start(attempt);
    const status = await until("a step", async () => {
      const look = await host.client.observe(host.session, "run1", 1);
      return look.status?.step === null ? undefined : look.status;
    });
    expect(status).toMatchObject({ step: 42, phase: "training" });
    await host.client.control(host.session, "run1", 1, { op: "cancel" });
    await host.final(attempt);
  });
});
