import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { until } from "./testing/attempt-fixture.ts";
import { it } from "./testing/host-test.ts";

describe.concurrent("attempts that must not train", () => {
  it("P-27: of two machines with the same attempt the one that claims it first trains, the other ends itself", async ({
    host,
    another,
  }) => {
    const mine = host.attempt({ argv: ["echo", "trained"] });
    const other = another();
    const theirs = other.attempt({ argv: ["echo", "trained"], machineId: "machine2", stores: mine.stores });
    await Promise.all([host.start(mine), other.start(theirs)]);
    const finals = [await host.final(mine), await other.final(theirs)];
    expect(finals.map((final) => final.cause).sort()).toEqual(["claim-lost", "exit"]);
    expect([host.text(mine, "log"), other.text(theirs, "log")].sort()).toEqual(["", "trained\n"]);
    const winner = finals[0]?.cause === "exit" ? "machine1" : "machine2";
    expect(JSON.parse(readFileSync(join(host.store, "runs/run1/attempts/1/claim"), "utf8"))).toMatchObject({ machine: winner });
    expect(finals.find((final) => final.cause === "claim-lost")?.error?.what).toContain(winner);
  });

  it("P-27: who lost the claim leaves the winner's records in the store alone, and tells its own host only", async ({ host }) => {
    const folder = join(host.store, "runs/run1/attempts/1");
    mkdirSync(folder, { recursive: true });
    const theirs = {
      claim: JSON.stringify({ machine: "machine2", nonce: "theirs" }),
      "final.json": '{"cause":"exit"}',
      "status.json": "{}",
    };
    for (const [name, text] of Object.entries(theirs)) writeFileSync(join(folder, name), text);
    const attempt = host.attempt();
    await host.start(attempt);
    expect(await host.final(attempt)).toMatchObject({ cause: "claim-lost", lost: [] });
    expect(Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]))).toEqual(theirs);
  });

  it("P-27: its own claim, from before a crash, is fine", async ({ host }) => {
    const attempt = host.attempt({ argv: ["echo", "trained"] });
    mkdirSync(join(host.store, "runs/run1/attempts/1"), { recursive: true });
    writeFileSync(join(host.store, "runs/run1/attempts/1/claim"), JSON.stringify({ machine: "machine1", nonce: attempt.nonce }));
    await host.start(attempt);
    expect(await host.final(attempt)).toMatchObject({ cause: "exit", code: 0 });
  });

  it("S-07: a second training on the host is refused with the first one's id, unless it is allowed beside it", async ({ host }) => {
    const first = host.attempt({ argv: ["sh", "-c", "echo up; sleep 60"] });
    await host.start(first);
    await host.log(first, "up");
    const second = host.attempt({
      runId: "run2",
      runPrefix: "runs/run2/",
      endPolicy: { action: "terminate", afterSeconds: 0 },
      hooks: { notice: null, noticeBuiltin: null, stop: null, terminate: `: >'${host.home}/oops'` },
    });
    await host.start(second);
    const refused = await host.final(second);
    expect(refused.cause).toBe("busy");
    expect(refused.error?.what).toContain("run1");
    // The machine is the first one's: the loser's end policy must not end it.
    await until("the second is over", async () => !(await host.client.observe(host.session, "run2", 1)).alive.guardian);
    expect(() => readFileSync(join(host.home, "oops"))).toThrow();
    const third = host.attempt({ runId: "run3", runPrefix: "runs/run3/", exclusive: false, argv: ["echo", "beside"] });
    await host.start(third);
    expect(await host.final(third)).toMatchObject({ cause: "exit", code: 0 });
    await host.client.control(host.session, "run1", 1, { op: "cancel" });
    await host.final(first);
    const fourth = host.attempt({ runId: "run4", runPrefix: "runs/run4/" });
    await host.start(fourth);
    expect(await host.final(fourth)).toMatchObject({ cause: "exit", code: 0 });
  });

  it("a store that this agent cannot reach fails the setup with what to do, and trains nothing", async ({ host }) => {
    writeFileSync(join(host.home, "no-folder"), "");
    const attempt = host.attempt({
      argv: ["echo", "trained"],
      stores: [{ prefix: "", access: { kind: "file", settings: { root: join(host.home, "no-folder") } } }],
    });
    await host.start(attempt);
    const final = await host.final(attempt);
    expect(final.cause).toBe("setup-failed");
    expect(final.error?.what).toContain("no-folder");
    expect(final.error?.fix.length).toBeGreaterThan(0);
    expect(host.text(attempt, "log")).toBe("");
  });
});
