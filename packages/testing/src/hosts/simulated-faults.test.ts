import { AmbiguousOutcomeError, type ObjectStore } from "@runctl/core/provider";
import { finalSchema } from "@runctl/core/seams";
import { describe, expect, test } from "vitest";
import { HostBed } from "./host-bed.test-support.ts";
import type { TornHow } from "./job-model.ts";

const decisions = (events: ReadonlyArray<{ type: string; what?: unknown }>): unknown[] =>
  events.filter((event) => event.type === "decision").map((event) => event.what);

describe("an interruption", () => {
  const at = (bed: HostBed, seconds: number): number => bed.clock.now() + seconds * 1000;

  test("P-14 a notice is noticed within 4 s, saved for, and its last record is out before the power goes", async () => {
    const bed = new HostBed({ steps: 1000, saveSeconds: 5, uploadSeconds: 20 });
    const host = bed.machine("m1");
    const file = bed.attempt("m1");
    await bed.start(host, file);
    await bed.clock.pass(10 + 200);
    host.notice({ action: "terminate", atMs: at(bed, 120) });
    await bed.clock.pass(119);
    const final = finalSchema.parse(await bed.json("runs/run1/attempts/1/final.json"));
    expect(final).toMatchObject({ cause: "notice", code: 0, lost: [] });
    const [training] = bed.hosts.records.trainings;
    expect(training?.stepPublished).toBe(training?.stepsTo);
    const before = await bed.keys();
    await bed.clock.pass(1);
    host.halt("gone");
    await bed.clock.pass(10_000);
    expect(await bed.keys()).toEqual(before);
    expect(bed.clock.pending).toBe(0);
  });

  test("P-14 a save that does not fit the notice is not asked for, and that decision is told; nothing good is lost", async () => {
    const bed = new HostBed({ steps: 1000, saveSeconds: 5, uploadSeconds: 20 });
    const host = bed.machine("m1");
    const file = bed.attempt("m1");
    const session = await bed.start(host, file);
    await bed.clock.pass(10 + 110);
    host.notice({ action: "terminate", atMs: at(bed, 25) });
    await bed.clock.pass(24);
    const seen = await bed.observe(session, file);
    expect(seen.final).toMatchObject({ cause: "notice", signal: "SIGKILL", published: 1, lost: [] });
    expect(decisions(seen.events)).toContainEqual(
      expect.stringMatching(/^no new checkpoint is asked for: its upload takes 20 s, 2\d s are left$/),
    );
    expect(seen.events).toContainEqual(expect.objectContaining({ type: "notice", action: "terminate", source: "hook" }));
  });

  test("without any notice the power just goes: half an upload is no checkpoint, and the books say what was trained", async () => {
    const bed = new HostBed({ steps: 1000 });
    const host = bed.machine("m1");
    await bed.start(host, bed.attempt("m1"));
    await bed.clock.pass(10 + 63);
    host.halt("gone");
    await bed.clock.pass(1000);
    const keys = await bed.keys("runs/run1/ckpt/1/");
    expect(keys).toEqual(["runs/run1/ckpt/1/000001/files/step-10.json"]);
    expect(await bed.keys("runs/run1/attempts/1/final")).toEqual([]);
    expect(bed.hosts.records.trainings).toMatchObject([{ stepsTo: 10, stepSaved: 10 }]);
    expect(bed.hosts.records.trainings[0]).not.toHaveProperty("stepPublished");
  });

  test("a hint without an end is told, and training goes on; a later end of the same machine counts", async () => {
    const bed = new HostBed({ steps: 1000 });
    const host = bed.machine("m1");
    const file = bed.attempt("m1");
    const session = await bed.start(host, file);
    await bed.clock.pass(100);
    host.notice({ action: "rebalance" });
    await bed.clock.pass(60);
    const seen = await bed.observe(session, file);
    expect(decisions(seen.events)).toEqual(["rebalance announced: training goes on"]);
    expect(seen.notice).toBeUndefined();
    host.notice({ action: "stop", atMs: at(bed, 60) });
    await bed.clock.pass(59);
    expect((await bed.final(session, file)).cause).toBe("notice");
  });
});

describe("going on", () => {
  async function interrupted(bed: HostBed): Promise<void> {
    const host = bed.machine("m1");
    await bed.start(host, bed.attempt("m1"));
    // Steps 10, 20 and 30 are published.
    await bed.clock.pass(10 + 30 * 6 + 3 * 2 + 4);
    host.halt("gone");
  }

  test("P-24 the next attempt goes on from the newest checkpoint and claims it", async () => {
    const bed = new HostBed({});
    await interrupted(bed);
    const file = bed.attempt("m2", { attempt: 2 });
    const session = await bed.start(bed.machine("m2"), file);
    await bed.clock.pass(600);
    expect(await bed.final(session, file)).toMatchObject({
      cause: "exit",
      resumedFrom: "runs/run1/ckpt/1/000003/manifest.json",
      published: 7,
    });
    expect(bed.hosts.records.trainings).toMatchObject([{ stepsFrom: 0 }, { stepsFrom: 30, stepsTo: 100, attempt: 2 }]);
    const latest = (await bed.keys("runs/run1/ckpt/LATEST.")).at(-1) ?? "";
    expect(await bed.json(latest)).toMatchObject({ claimedBy: 2, attempt: 2, seq: 7, base: { attempt: 1, seq: 3 } });
  });

  test.each<[TornHow, RegExp]>([
    ["hash", /SHA-256 differs/],
    ["size", /bytes instead of/],
    ["missing", /is missing in the store/],
    ["manifest", /not JSON/],
  ])("P-25 a checkpoint that is torn (%s) is left out with its reason, the one before it is taken", async (how, reason) => {
    const bed = new HostBed({ tornAt: { step: 30, how } });
    await interrupted(bed);
    const file = bed.attempt("m2", { attempt: 2 });
    const session = await bed.start(bed.machine("m2"), file);
    await bed.clock.pass(30);
    const seen = await bed.observe(session, file);
    expect(seen.events).toContainEqual(
      expect.objectContaining({
        type: "resume-rejected",
        manifest: "runs/run1/ckpt/1/000003/manifest.json",
        reason: expect.stringMatching(reason),
      }),
    );
    expect(seen.status?.resumedFrom).toBe("runs/run1/ckpt/1/000002/manifest.json");
    expect(bed.hosts.records.trainings.at(-1)).toMatchObject({ stepsFrom: 20 });
  });

  test("a checkpoint that was asked for and is torn ends setup; never and a wrong run's are not taken", async () => {
    const bed = new HostBed({ tornAt: { step: 30, how: "hash" } });
    await interrupted(bed);
    const resume = { mode: "fixed" as const, manifests: ["runs/run1/ckpt/1/000003/manifest.json"] };
    const base = bed.attempt("m2", { attempt: 2 });
    const fixed = { ...base, checkpoints: base.checkpoints && { ...base.checkpoints, resume } };
    const session = await bed.start(bed.machine("m2"), fixed);
    await bed.clock.pass(30);
    expect(await bed.final(session, fixed)).toMatchObject({ cause: "setup-failed", error: { what: expect.stringContaining("asked for") } });
    const third = bed.attempt("m3", { attempt: 3 });
    const never = {
      ...third,
      checkpoints: third.checkpoints && { ...third.checkpoints, resume: { mode: "never" as const, manifests: [] } },
    };
    await bed.start(bed.machine("m3"), never);
    await bed.clock.pass(30);
    expect(bed.hosts.records.trainings.at(-1)).toMatchObject({ attempt: 3, stepsFrom: 0, resumedFrom: null });
  });

  test("P-27 an attempt that was believed dead stops publishing when a newer one has claimed, and says what it lost", async () => {
    const bed = new HostBed({ steps: 1000 });
    const old = bed.attempt("m1");
    const zombie = await bed.start(bed.machine("m1"), old);
    await bed.clock.pass(10 + 100);
    await bed.start(bed.machine("m2"), bed.attempt("m2", { attempt: 2 }));
    await bed.clock.pass(600);
    const before = (await bed.keys("runs/run1/ckpt/1/")).filter((key) => key.endsWith("manifest.json"));
    expect(before).toEqual(["runs/run1/ckpt/1/000001/manifest.json"]);
    await bed.control(zombie, old, { op: "stop", cause: "stop" });
    await bed.clock.pass(20);
    const final = await bed.final(zombie, old);
    expect(final.lost).toContainEqual(expect.stringMatching(/attempt 2 has taken over/));
    const third = bed.attempt("m3", { attempt: 1, nonce: "late" });
    const late = await bed.start(bed.machine("m3"), third);
    await bed.clock.pass(5);
    expect((await bed.final(late, third)).cause).toBe("claim-lost");
  });

  test("a crash loop: each attempt goes on where the last one saved, and dies at the same step", async () => {
    const bed = new HostBed(({ attempt }) => ({ failAt: { step: 37, code: 1 }, silent: attempt > 1 }));
    for (const attempt of [1, 2, 3]) {
      const file = bed.attempt(`m${attempt}`, { attempt });
      const session = await bed.start(bed.machine(`m${attempt}`), file);
      await bed.clock.pass(400);
      expect(await bed.final(session, file)).toMatchObject({ cause: "exit", code: 1, published: attempt === 1 ? 3 : 0 });
      expect((await bed.final(session, file)).logBytes > 0).toBe(attempt === 1);
    }
    expect(bed.hosts.records.trainings.map(({ stepsFrom, stepsTo }) => [stepsFrom, stepsTo])).toEqual([
      [0, 37],
      [30, 37],
      [30, 37],
    ]);
  });
});

describe("networks and stores that fail", () => {
  test("cut off from the store it trains on; publishing waits and goes on by itself", async () => {
    const bed = new HostBed({ steps: 50 });
    const file = bed.attempt("m1");
    const session = await bed.start(bed.machine("m1"), file);
    await bed.clock.pass(30);
    bed.offline.add("m1");
    await bed.clock.pass(150);
    expect(await bed.observe(session, file)).toMatchObject({ status: { step: 27, published: 0 } });
    bed.offline.delete("m1");
    await bed.clock.pass(40);
    expect((await bed.observe(session, file)).status?.published).toBeGreaterThan(0);
    await bed.clock.pass(200);
    expect(await bed.final(session, file)).toMatchObject({ cause: "exit", code: 0, lost: [] });
  });

  test("without the store an attempt cannot be claimed, so nothing is trained", async () => {
    const bed = new HostBed({});
    bed.offline.add("m1");
    const file = bed.attempt("m1");
    const session = await bed.start(bed.machine("m1"), file);
    await bed.clock.pass(1300);
    expect(await bed.final(session, file)).toMatchObject({ cause: "setup-failed", error: { why: "Setup needs the run's store." } });
    expect(bed.hosts.records.trainings).toEqual([]);
    expect(await bed.keys()).toEqual([]);
  });

  test("cut off at the end: the last records are tried for ten minutes, and what is lost is named", async () => {
    const bed = new HostBed({ steps: 12 });
    const file = bed.attempt("m1");
    const session = await bed.start(bed.machine("m1"), file);
    await bed.clock.pass(60);
    bed.offline.add("m1");
    await bed.clock.pass(400);
    expect((await bed.observe(session, file)).status?.phase).toBe("uploading");
    await bed.clock.pass(2000);
    const final = await bed.final(session, file);
    expect(final.cause).toBe("exit");
    expect(final.lost).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^checkpoint step-1\d\.json/),
        expect.stringMatching(/^logs: /),
        expect.stringMatching(/^final.json: /),
      ]),
    );
  });

  /** Every n-th write does its work, and its answer is lost. */
  function forgetful(every: number): (inner: ObjectStore) => ObjectStore {
    let count = 0;
    return (inner) => ({
      ...inner,
      async put(uri, body, options) {
        const done = await inner.put(uri, body, options);
        if (++count % every === 0) throw new AmbiguousOutcomeError({ what: "the answer was lost" });
        return done;
      },
    });
  }

  test.each([2, 3, 5, 7])(
    "P-23 answers of the store that are lost (every %i-th) cost nothing: each save is published once",
    async (every) => {
      const bed = new HostBed({}, { store: forgetful(every) });
      const file = bed.attempt("m1");
      const session = await bed.start(bed.machine("m1"), file);
      await bed.clock.pass(1000);
      const seen = await bed.observe(session, file);
      expect(seen.final).toMatchObject({ cause: "exit", code: 0, lost: [], published: 10 });
      const told = seen.events.flatMap((event) => (event.type === "checkpoint-published" ? [event.manifest] : []));
      expect(new Set(told).size).toBe(10);
      expect(told).toHaveLength(10);
    },
  );
});

describe("a machine that hangs", () => {
  test("deaf: it answers nobody and trains on; its limits still hold", async () => {
    const bed = new HostBed({});
    const host = bed.machine("m1");
    const file = bed.attempt("m1");
    const session = await bed.start(host, file);
    await bed.clock.pass(100);
    host.hang("deaf");
    await expect(bed.observe(session, file)).rejects.toMatchObject({ kind: "host-unreachable" });
    await expect(host.connect()).rejects.toMatchObject({ kind: "host-unreachable" });
    await bed.clock.pass(1000);
    host.hang(undefined);
    expect(await bed.final(session, file)).toMatchObject({ cause: "exit", code: 0 });
  });

  test("frozen: nothing happens until it is thawed; then it goes on where it was, but its time has run", async () => {
    const bed = new HostBed({ steps: 20 });
    const host = bed.machine("m1");
    const file = bed.attempt("m1", { allowance: { seq: 1, seconds: null, hardSeconds: 5_000 } });
    const session = await bed.start(host, file);
    await bed.clock.pass(10 + 33);
    host.hang("frozen");
    const before = await bed.keys();
    await bed.clock.pass(1000);
    expect(await bed.keys()).toEqual(before);
    host.hang(undefined);
    await bed.clock.pass(1);
    expect((await bed.observe(session, file)).status?.step).toBe(5);
    await bed.clock.pass(120);
    expect(await bed.final(session, file)).toMatchObject({ cause: "exit", code: 0, published: 2 });
    expect((await bed.observe(session, file)).alive.guardian).toBe(true);
    host.hang("frozen");
    await bed.clock.pass(10_000);
    expect(bed.ended).toEqual([]);
    host.hang(undefined);
    await bed.clock.pass(1);
    expect(bed.ended).toEqual(["m1 off"]);
  });
});

describe("deaths of the agent", () => {
  test("P-22 a killed supervisor is started again within seconds, and adopts the training", async () => {
    const bed = new HostBed({ agent: { supervisorDiesAt: 95 } });
    const file = bed.attempt("m1");
    const session = await bed.start(bed.machine("m1"), file);
    await bed.clock.pass(95.2);
    expect((await bed.observe(session, file)).alive).toEqual({ guardian: true, supervisor: false, runner: true });
    await bed.clock.pass(3);
    expect((await bed.observe(session, file)).alive.supervisor).toBe(true);
    await bed.clock.pass(700);
    const seen = await bed.observe(session, file);
    expect(seen.final).toMatchObject({ cause: "exit", code: 0, published: 10, lost: [] });
    expect(decisions(seen.events)).toEqual(["the supervisor was restarted and goes on with the running training"]);
    expect(bed.hosts.records.trainings).toHaveLength(1);
  });

  test("P-22 a supervisor that dies during setup with its keys ends the attempt; without keys it begins again", async () => {
    for (const secrets of [true, false]) {
      const bed = new HostBed({ setupSeconds: 60 });
      const host = bed.machine("m1");
      const file = bed.attempt("m1", { secretNames: secrets ? ["TOKEN"] : [] });
      const session = await bed.start(host, file);
      await bed.clock.pass(30);
      host.attempt("run1", 1)?.killSupervisor();
      await bed.clock.pass(900);
      expect((await bed.final(session, file)).cause).toBe(secrets ? "agent-lost" : "exit");
      expect(bed.hosts.records.trainings).toHaveLength(secrets ? 0 : 1);
    }
  });

  test("P-09 a wedged supervisor is replaced after half the feed limit; what was saved meanwhile is published", async () => {
    const bed = new HostBed({ steps: 200, agent: { wedgedAt: 100 } });
    const file = bed.attempt("m1");
    const session = await bed.start(bed.machine("m1"), file);
    await bed.clock.pass(500);
    expect(await bed.observe(session, file)).toMatchObject({ alive: { supervisor: true }, status: { published: 1 } });
    await bed.clock.pass(60);
    expect((await bed.observe(session, file)).status?.published).toBeGreaterThan(1);
    await bed.clock.pass(1000);
    expect(await bed.final(session, file)).toMatchObject({ cause: "exit", code: 0, lost: [] });
  });

  test("P-09 nobody feeds the guardian: at the feed limit it tells the job to save, kills it after the grace, and ends the machine", async () => {
    const bed = new HostBed({ steps: 10_000, agent: { wedgedAt: 100, forGood: true } });
    const file = bed.attempt("m1");
    const session = await bed.start(bed.machine("m1"), file);
    await bed.clock.pass(999);
    expect((await bed.observe(session, file)).alive).toEqual({ guardian: true, supervisor: false, runner: true });
    await bed.clock.pass(10);
    expect((await bed.observe(session, file)).notice).toMatchObject({
      cause: "guard",
      detail: "1000 s spent of 100000, 900 s without a feed",
    });
    expect((await bed.observe(session, file)).alive.runner).toBe(false);
    await bed.clock.pass(60);
    expect(bed.ended).toEqual(["m1 off"]);
    const [training] = bed.hosts.records.trainings;
    expect(training).toMatchObject({ stepPublished: 10 });
    expect((training?.to ?? 0) - (training?.from ?? 0)).toBeLessThan(1000_000);
  });

  test("P-10 a machine whose API is cut tries to end itself again and again", async () => {
    const bed = new HostBed({ steps: 1 });
    const host = bed.machine("m1");
    const hooks = { notice: null, noticeBuiltin: null, stop: null, terminate: "end-this-machine" };
    await bed.start(host, bed.attempt("m1", { hooks, allowance: { seq: 1, seconds: null, hardSeconds: 100 } }));
    bed.apiIsCut = true;
    await bed.clock.pass(1000);
    expect(host.isOn).toBe(true);
    bed.apiIsCut = false;
    await bed.clock.pass(31);
    expect(bed.ended).toEqual(["m1 ended itself"]);
  });
});

describe("a reboot", () => {
  async function rebooted(bed: HostBed): Promise<{ host: ReturnType<HostBed["machine"]>; file: ReturnType<HostBed["attempt"]> }> {
    const host = bed.machine("m1");
    const file = bed.attempt("m1", { allowance: { seq: 1, seconds: null, hardSeconds: 1000 } });
    const session = await bed.start(host, file);
    await bed.clock.pass(10 + 100);
    host.halt("kept");
    await expect(bed.observe(session, file)).rejects.toMatchObject({ kind: "host-unreachable" });
    await bed.clock.pass(500);
    host.boot();
    return { host, file };
  }

  test("by itself nothing of an attempt runs after it; starting it again tells that it is over, and does not train", async () => {
    const bed = new HostBed({ steps: 1000 });
    const { host, file } = await rebooted(bed);
    const session = await host.connect();
    expect(await bed.observe(session, file)).toMatchObject({ exists: true, alive: { guardian: false, supervisor: false, runner: false } });
    await bed.start(host, file);
    await bed.clock.pass(10);
    expect(await bed.final(session, file)).toMatchObject({ cause: "reboot", code: null, published: 1 });
    expect(bed.hosts.records.trainings).toHaveLength(1);
    const next = bed.attempt("m1", { attempt: 2 });
    await bed.start(host, next);
    await bed.clock.pass(20);
    expect((await bed.observe(session, next)).status?.resumedFrom).toBe("runs/run1/ckpt/1/000001/manifest.json");
  });

  test("P-10 a guardian that a boot starts goes on counting from where it was, and ends the machine at the hard limit", async () => {
    const bed = new HostBed({ steps: 1000 }, { guardianAtBoot: true });
    const { host, file } = await rebooted(bed);
    await bed.clock.pass(10);
    expect(await bed.final(await host.connect(), file)).toMatchObject({ cause: "reboot" });
    // 110 s were spent, saved at the last whole minute.
    await bed.clock.pass(1000 - 60 - 10 - 1);
    expect(bed.ended).toEqual([]);
    await bed.clock.pass(2);
    expect(bed.ended).toEqual(["m1 off"]);
  });

  test("a save that was on its way when the power went is published after the reboot", async () => {
    const bed = new HostBed({ steps: 1000, uploadSeconds: 30 }, { guardianAtBoot: true });
    const host = bed.machine("m1");
    const file = bed.attempt("m1");
    await bed.start(host, file);
    await bed.clock.pass(10 + 70);
    host.halt("kept");
    host.boot();
    await bed.clock.pass(40);
    expect(await bed.final(await host.connect(), file)).toMatchObject({ cause: "reboot", published: 1, lost: [] });
  });
});
