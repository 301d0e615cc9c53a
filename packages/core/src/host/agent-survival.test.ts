import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { AttemptFile } from "./attempt-file.ts";
import { type AttemptFixture, isZombie, kill, until } from "./testing/attempt-fixture.ts";
import { it } from "./testing/host-test.ts";

/** Prints a number until the gate opens: what is printed after a kill shows that the training went on. */
const COUNT = 'n=0; while [ ! -e "$GATE" ]; do n=$((n+1)); echo line $n; sleep 0.05; done; echo end; exit 7';

/** A training that runs until its gate opens. */
interface Life {
  host: AttemptFixture;
  attempt: AttemptFile;
  /** Opens the gate. */
  open: () => Promise<void>;
  endsWell: () => Promise<void>;
  replaced: (name: "guardian" | "supervisor", old: number) => Promise<number>;
}

const itLives = it.extend<{ life: Life }>({
  life: async ({ host }, use) => {
    const gate = join(host.home, "gate");
    const attempt = host.attempt({ argv: ["sh", "-c", COUNT], env: { GATE: gate }, guard: { feedSeconds: 8, firstFeedSeconds: 60 } });
    await host.start(attempt);
    await host.log(attempt, "line 3\n");
    const open = (): Promise<void> => host.session.write(gate, "");
    const endsWell = async (): Promise<void> => {
      await open();
      const final = await host.final(attempt);
      expect(final).toMatchObject({ cause: "exit", code: 7, lost: [] });
      const log = host.text(attempt, "log");
      expect(log.match(/line 1\n/g)).toHaveLength(1);
      expect(log.endsWith("end\n")).toBe(true);
      expect(host.storedLog(attempt).toString()).toBe(log);
      expect(host.carrying(attempt)).toEqual([]);
    };
    const replaced = (name: "guardian" | "supervisor", old: number): Promise<number> =>
      until(`a new ${name}`, async () => {
        const pid = await host.pid(attempt, name);
        return pid !== old && !isZombie(pid) ? pid : undefined;
      });
    await use({ host, attempt, open, endsWell, replaced });
  },
});

describe.concurrent("surviving kill -9", () => {
  itLives(
    "P-22: a killed supervisor is back within seconds, adopts the training, and no log line is lost or sent twice",
    async ({ life: { host, attempt, endsWell, replaced } }) => {
      const training = await host.pid(attempt, "runner");
      for (let round = 0; round < 3; round++) {
        const old = await host.pid(attempt, "supervisor");
        kill(old, "SIGKILL");
        await replaced("supervisor", old);
        await until("it works again", () => host.text(attempt, "events.jsonl").split("restarted").length > round + 1);
      }
      expect(await host.pid(attempt, "runner")).toBe(training);
      await endsWell();
    },
  );

  itLives("P-09: a killed guardian is started again by the supervisor", async ({ life: { host, attempt, endsWell, replaced } }) => {
    const old = await host.pid(attempt, "guardian");
    const supervisor = await host.pid(attempt, "supervisor");
    kill(old, "SIGKILL");
    await replaced("guardian", old);
    expect(await host.pid(attempt, "supervisor")).toBe(supervisor);
    await endsWell();
  });

  itLives(
    "P-09: guardian and supervisor killed together are started again by the runner",
    async ({ life: { host, attempt, endsWell, replaced } }) => {
      const [guardian, supervisor] = [await host.pid(attempt, "guardian"), await host.pid(attempt, "supervisor")];
      kill(guardian, "SIGKILL");
      kill(supervisor, "SIGKILL");
      await replaced("guardian", guardian);
      await replaced("supervisor", supervisor);
      await endsWell();
    },
  );

  itLives("a repeated start brings guardian and supervisor back at once", async ({ life: { host, attempt, endsWell } }) => {
    const [guardian, supervisor] = [await host.pid(attempt, "guardian"), await host.pid(attempt, "supervisor")];
    kill(guardian, "SIGKILL");
    kill(supervisor, "SIGKILL");
    await until("both are dead", () => isZombie(guardian) && isZombie(supervisor));
    await host.start(attempt);
    const look = await host.client.observe(host.session, "run1", 1);
    expect(look.alive.guardian).toBe(true);
    await endsWell();
  });

  itLives(
    "P-09: a stopped (SIGSTOP) supervisor is replaced, the training goes on",
    async ({ life: { host, attempt, endsWell, replaced } }) => {
      const old = await host.pid(attempt, "supervisor");
      kill(old, "SIGSTOP");
      await replaced("supervisor", old);
      await endsWell();
    },
  );

  itLives("a killed training is an exit by SIGKILL, not a cause of ours", async ({ life: { host, attempt } }) => {
    kill(await host.pid(attempt, "runner"), "SIGKILL");
    expect(await host.final(attempt)).toMatchObject({ cause: "exit", code: null, signal: "SIGKILL", lost: [] });
  });

  itLives("a killed runner leaves a training that is waited for, its exit code unknown", async ({ life: { host, attempt, open } }) => {
    kill(await host.pid(attempt, "runner", 3), "SIGKILL");
    await until("the supervisor saw it", () => isZombie(Number(host.text(attempt, "runner.pid").split(" ")[3])));
    expect(existsSync(join(host.dir(attempt), "final.json"))).toBe(false);
    await open();
    expect(await host.final(attempt)).toMatchObject({ cause: "exit", code: null, signal: null, lost: [] });
    expect(host.text(attempt, "log")).toContain("end\n");
  });

  itLives("everything killed at once: a repeated start tells the end, and does not train again", async ({ life: { host, attempt } }) => {
    const pids = [
      await host.pid(attempt, "guardian"),
      await host.pid(attempt, "supervisor"),
      await host.pid(attempt, "runner", 3),
      await host.pid(attempt, "runner"),
    ];
    for (const pid of pids) kill(pid, "SIGKILL");
    await until("all are dead", () => pids.every(isZombie));
    const before = host.text(attempt, "log");
    const look = await host.client.observe(host.session, "run1", 1);
    expect(look.alive).toEqual({ guardian: false, supervisor: false, runner: false });
    expect(look.final).toBeUndefined();
    await host.start(attempt);
    expect(await host.final(attempt)).toMatchObject({ cause: "exit", code: null, signal: null });
    expect(host.text(attempt, "log")).toBe(before);
  });

  itLives(
    "after a reboot the attempt is over: the training is not started again, and what it left is told",
    async ({ life: { host, attempt } }) => {
      const pids = [
        await host.pid(attempt, "guardian"),
        await host.pid(attempt, "supervisor"),
        await host.pid(attempt, "runner", 3),
        await host.pid(attempt, "runner"),
      ];
      for (const pid of pids) kill(pid, "SIGKILL");
      await until("all are dead", () => pids.every(isZombie));
      const before = host.text(attempt, "log");
      // What an earlier boot leaves: the same files, with another boot's id in them.
      const boot = String(host.json(attempt, "runner.json")?.bootId);
      for (const name of [
        "boots.jsonl",
        "runner.json",
        "runner.pid",
        "guardian.pid",
        "supervisor.pid",
        "begun.json",
        "guard.json",
        "started.pid",
      ]) {
        await host.session.write(
          join(host.dir(attempt), name),
          host.text(attempt, name).replaceAll(boot, "00000000-0000-4000-8000-000000000000"),
        );
      }
      await host.start(attempt);
      expect(await host.final(attempt)).toMatchObject({ cause: "reboot", code: null, lost: [] });
      expect(host.text(attempt, "log")).toBe(before);
      expect(host.storedLog(attempt).toString()).toBe(before);
      expect(host.text(attempt, "boots.jsonl").trim().split("\n")).toHaveLength(2);
    },
  );

  itLives("another attempt of the run starts at once after everything was killed", async ({ life: { host, attempt } }) => {
    const pids = [
      await host.pid(attempt, "guardian"),
      await host.pid(attempt, "supervisor"),
      await host.pid(attempt, "runner", 3),
      await host.pid(attempt, "runner"),
    ];
    for (const pid of pids) kill(pid, "SIGKILL");
    await until("all are dead", () => pids.every(isZombie));
    const next = host.attempt({ attempt: 2, argv: ["echo", "second"] });
    await host.start(next);
    expect(await host.final(next)).toMatchObject({ cause: "exit", code: 0 });
  });
});

describe.concurrent("losing the agent before the training was started", () => {
  // A pipe where an object should be: setup hangs in reading it.
  const stuck = { manifest: "code/trees/x.json", sha256: "0".repeat(64) };

  async function hang(host: AttemptFixture, attempt: AttemptFile, secrets: Record<string, string> = {}): Promise<void> {
    mkdirSync(join(host.store, "code/trees"), { recursive: true });
    execFileSync("mkfifo", [join(host.store, stuck.manifest)]);
    await host.start(attempt, { env: secrets });
    await until("setup began", () => host.json(attempt, "status.json")?.phase === "inputs");
  }

  it("P-22: a guardian whose folder was deleted ends the training and itself, instead of waiting for its limits", async ({ host }) => {
    const attempt = host.attempt({ argv: ["sleep", "600"] });
    await host.start(attempt);
    await host.pid(attempt, "runner");
    const guardian = await host.pid(attempt, "guardian");
    // The agent may put a file into a folder that is just being emptied: deleted again until it is gone.
    await until("the home is gone", () => {
      try {
        rmSync(host.home, { recursive: true, force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
      }
      return !existsSync(host.home);
    });
    await until("the guardian is gone", () => isZombie(guardian));
    await until("nothing carries the attempt", () => host.carrying(attempt).length === 0);
  });

  it("ends as agent-lost when its secrets died with it: nothing is trained without them", async ({ host }) => {
    const attempt = host.attempt({ code: stuck, secretNames: ["TOKEN"], argv: ["echo", "trained"] });
    await hang(host, attempt, { TOKEN: "x" });
    kill(await host.pid(attempt, "supervisor"), "SIGKILL");
    expect(await host.final(attempt)).toMatchObject({ cause: "agent-lost", code: null });
    expect(host.text(attempt, "log")).toBe("");
  });

  it("begins setup again when it needs no secrets", async ({ host }) => {
    const attempt = host.attempt({ code: stuck });
    await hang(host, attempt);
    const old = await host.pid(attempt, "supervisor");
    kill(old, "SIGKILL");
    await until("a new one", async () => (await host.pid(attempt, "supervisor")) !== old);
    await host.client.control(host.session, "run1", 1, { op: "cancel" });
    expect(await host.final(attempt)).toMatchObject({ cause: "cancel" });
  });

  it("P-07: cancel ends a setup that hangs, within seconds, and nothing is trained", async ({ host }) => {
    const attempt = host.attempt({ code: stuck, argv: ["echo", "trained"] });
    await hang(host, attempt);
    await host.client.control(host.session, "run1", 1, { op: "cancel" });
    expect(await host.final(attempt, 20)).toMatchObject({ cause: "cancel", code: null, startedAt: null });
    expect(host.text(attempt, "log")).toBe("");
    await until("the processes are gone", async () => {
      const { alive } = await host.client.observe(host.session, "run1", 1);
      return !alive.guardian && !alive.supervisor;
    });
  });
});
