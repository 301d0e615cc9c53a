import { sha256Hex } from "@runctl/core/provider";
import { type AttemptFile, finalSchema, hostEventSchema, publishedManifestSchema, statusSchema, treeDigest } from "@runctl/core/seams";
import { describe, expect, test } from "vitest";
import { clientOf, HostBed, settle } from "./host-bed.test-support.ts";

// 100 steps of 6 s, a save of 2 s every 10 steps: 600 s + 10 × 2 s, after 10 s of setup. The last upload takes 3 s.
const WHOLE = 10 + 600 + 20 + 3;

describe("a job that ends by itself", () => {
  test("S-14 claims, trains, publishes each save and tells its end, with few timers", async () => {
    const bed = new HostBed({});
    const host = bed.machine("m1");
    const file = bed.attempt("m1");
    const session = await bed.start(host, file);
    expect((await bed.observe(session, file)).alive).toEqual({ guardian: true, supervisor: true, runner: false });
    await bed.clock.pass(10 + 64);
    const half = await bed.observe(session, file);
    expect(half.status).toMatchObject({ phase: "training", step: 10, published: 0, uploading: "step-10.json", trainingSeconds: 64 });
    expect(half.alive.runner).toBe(true);
    await bed.clock.pass(WHOLE - 74);
    const final = await bed.final(session, file);
    expect(final).toMatchObject({ cause: "exit", code: 0, signal: null, published: 10, lost: [], resumedFrom: null });
    expect(final.newestCheckpoint).toBe("runs/run1/ckpt/1/000010/manifest.json");
    const seen = await bed.observe(session, file);
    expect(seen.events.filter((event) => event.type === "checkpoint-published")).toHaveLength(10);
    expect(seen.alive).toEqual({ guardian: true, supervisor: false, runner: false });
    expect(await bed.json("runs/run1/attempts/1/final.json")).toEqual(final);
    expect(bed.hosts.records.trainings).toMatchObject([
      { runId: "run1", attempt: 1, machineId: "m1", stepsFrom: 0, stepsTo: 100, resumedFrom: null, stepSaved: 100, stepPublished: 100 },
    ]);
    const [training] = bed.hosts.records.trainings;
    expect((training?.to ?? 0) - (training?.from ?? 0)).toBe(620_000);
    // Setup, and for each save its end, its upload and the step it begins at.
    expect(bed.clock.fired).toBeLessThan(40);
    expect(bed.hosts.records.refusals).toEqual([]);
  });

  test("P-10 with hooks, the guardian of an attempt that is over ends the machine at its hard limit when nobody else did", async () => {
    const bed = new HostBed({ steps: 1 });
    const host = bed.machine("m1");
    const file = bed.attempt("m1", { allowance: { seq: 1, seconds: null, hardSeconds: 500 } });
    const session = await bed.start(host, file);
    await bed.clock.pass(60);
    expect((await bed.final(session, file)).cause).toBe("exit");
    await bed.clock.pass(439);
    expect(bed.ended).toEqual([]);
    await bed.clock.pass(2);
    expect(bed.ended).toEqual(["m1 off"]);
    expect(host.isOn).toBe(false);
    expect(bed.clock.pending).toBe(0);
  });

  test("without a hook for it the machine stays, and nobody is left on it", async () => {
    const bed = new HostBed({ steps: 1 });
    const host = bed.machine("m1");
    const file = bed.attempt("m1", { hooks: { notice: null, noticeBuiltin: null, stop: null, terminate: null } });
    const session = await bed.start(host, file);
    await bed.clock.pass(200_000);
    expect((await bed.observe(session, file)).alive).toEqual({ guardian: false, supervisor: false, runner: false });
    expect(host.isOn).toBe(true);
    expect(bed.clock.pending).toBe(0);
  });

  test("every record parses by core's own schemas, and keys are the run store's", async () => {
    const bed = new HostBed({ steps: 25, outputs: { "output/model.txt": "done" } });
    const session = await bed.start(bed.machine("m1"), bed.attempt("m1"));
    await bed.clock.pass(300);
    const folder = "runs/run1/attempts/1/";
    expect((await bed.keys()).map((key) => key.replace(/LATEST\.\d+/, "LATEST.n"))).toEqual([
      `${folder}claim`,
      `${folder}events.jsonl`,
      `${folder}exit.json`,
      `${folder}final.json`,
      `${folder}status.json`,
      ...["01", "02", "03"].flatMap((seq) => [
        `runs/run1/ckpt/1/0000${seq}/files/step-${{ "01": 10, "02": 20, "03": 25 }[seq]}.json`,
        `runs/run1/ckpt/1/0000${seq}/manifest.json`,
      ]),
      ...Array.from({ length: 4 }, () => "runs/run1/ckpt/LATEST.n"),
      ...(await bed.keys("runs/run1/log/1/")),
      "runs/run1/outputs/model.txt",
    ]);
    expect(finalSchema.parse(await bed.json(`${folder}final.json`)).outputs).toEqual([
      { from: "output", to: "runs/run1/outputs/", files: 1, sizeBytes: 4 },
    ]);
    expect(statusSchema.parse(await bed.json(`${folder}status.json`)).phase).toBe("uploading");
    expect(await bed.json(`${folder}claim`)).toEqual({ machine: "emulated/zone-a/m1", nonce: "nonce-1-m1" });
    const events = new TextDecoder().decode(await bed.objects.get(`memory://world/${folder}events.jsonl`));
    for (const line of events.trim().split("\n")) hostEventSchema.parse(JSON.parse(line));
    publishedManifestSchema.parse(await bed.json("runs/run1/ckpt/1/000003/manifest.json"));
    expect(await bed.json("runs/run1/ckpt/LATEST.0000000004")).toMatchObject({ claimedBy: 1, attempt: 1, seq: 3, base: null, n: 4 });
    const log = await clientOf(session).readLog(session, "run1", 1, "log", 0);
    expect(new TextDecoder().decode(log)).toBe("training from step 0 to 25\nstep 10\nstep 20\nstep 25\n");
    const part = await clientOf(session).readLog(session, "run1", 1, "log", 27, 7);
    expect(new TextDecoder().decode(part)).toBe("step 10");
  });

  test.each([
    ["exit code", { failAt: { step: 15, code: 3 } }, { cause: "exit", code: 3, signal: null, published: 1 }],
    ["signal", { failAt: { step: 15, signal: "SIGSEGV" } }, { cause: "exit", code: null, signal: "SIGSEGV" }],
    ["done file", { doneFile: true, exitCode: 7, steps: 5 }, { cause: "done-file", code: 7 }],
    ["setup", { setupFails: { what: "no such package", why: "pip says so" } }, { cause: "setup-failed", code: null, startedAt: null }],
    ["spawn", { spawnFails: "No such file or directory" }, { cause: "spawn-failed" }],
    ["full disk", { diskFullAt: 12 }, { cause: "disk-full", code: 1 }],
  ])("an end by %s has its cause", async (_, job, expected) => {
    const bed = new HostBed(job);
    const file = bed.attempt("m1");
    const session = await bed.start(bed.machine("m1"), file);
    await bed.clock.pass(400);
    const final = await bed.final(session, file);
    expect(final).toMatchObject(expected);
    expect(finalSchema.parse(final)).toBeTruthy();
    if (final.cause !== "exit" && final.cause !== "done-file") expect(final.error?.what).toBeTypeOf("string");
  });
});

describe("what it begins with", () => {
  async function snapshot(bed: HostBed): Promise<AttemptFile["code"]> {
    const blob = "print(1)\n";
    const files = [{ path: "train.py", size: blob.length, sha256: sha256Hex(blob), mode: "644" as const, pack: 0, offset: 3 }];
    const sha256 = treeDigest({ files, links: [], dirs: [] });
    const tree = { v: 1, files, links: [], dirs: [], packs: ["code/packs/p.pack"] };
    await bed.objects.put("memory://world/code/packs/p.pack", `###${blob}`);
    await bed.objects.put(`memory://world/code/trees/${sha256}.json`, JSON.stringify(tree));
    return { manifest: `code/trees/${sha256}.json`, sha256 };
  }

  test.each<[string, (bed: HostBed, code: NonNullable<AttemptFile["code"]>) => Promise<unknown>, string | undefined]>([
    ["whole", async () => undefined, undefined],
    ["gone", (bed, code) => bed.objects.delete(`memory://world/${code.manifest}`), "the code snapshot is gone"],
    ["another", (bed, code) => bed.objects.put(`memory://world/${code.manifest}`, "{}"), "the code snapshot is not valid"],
    ["without its pack", (bed) => bed.objects.delete("memory://world/code/packs/p.pack"), "the code snapshot is damaged"],
    ["with half a pack", (bed) => bed.objects.put("memory://world/code/packs/p.pack", "###"), "the code snapshot is damaged"],
  ])("S-01 a code snapshot that is %s", async (_, change, what) => {
    const bed = new HostBed({ steps: 2 });
    const code = await snapshot(bed);
    if (code !== null) await change(bed, code);
    const file = bed.attempt("m1", { code });
    const session = await bed.start(bed.machine("m1"), file);
    await bed.clock.pass(60);
    const final = await bed.final(session, file);
    expect(final.cause).toBe(what === undefined ? "exit" : "setup-failed");
    expect(final.error?.what).toBe(what);
    expect(bed.hosts.records.trainings).toHaveLength(what === undefined ? 1 : 0);
  });

  test("metrics are printed with each save and stand in its manifest", async () => {
    const bed = new HostBed({ steps: 20, metricsAt: (step) => ({ loss: 1 / step }) });
    const session = await bed.start(bed.machine("m1"), bed.attempt("m1"));
    await bed.clock.pass(300);
    expect(await bed.json("runs/run1/ckpt/1/000002/manifest.json")).toMatchObject({ step: 20, metrics: { loss: 0.05 } });
    const log = await clientOf(session).readLog(session, "run1", 1, "log", 0);
    expect(new TextDecoder().decode(log)).toContain("step 10 loss=0.1\n");
  });
});

describe("what a controller tells it", () => {
  test("stop saves first, then exits; the first cause wins over its exit code; two stops are one", async () => {
    const bed = new HostBed({ steps: 1000 });
    const file = bed.attempt("m1");
    const session = await bed.start(bed.machine("m1"), file);
    await bed.clock.pass(10 + 35);
    await bed.control(session, file, { op: "stop", cause: "stop" });
    await bed.control(session, file, { op: "stop", cause: "suspend" });
    expect(await bed.observe(session, file)).toMatchObject({ notice: { cause: "stop" }, status: { phase: "stopping" }, final: undefined });
    await bed.clock.pass(6);
    expect(await bed.final(session, file)).toMatchObject({ cause: "stop", code: 0, published: 1, lost: [] });
    expect(bed.hosts.records.trainings).toMatchObject([{ stepsTo: 5, stepSaved: 5, stepPublished: 5 }]);
  });

  test("cancel kills at once: no new save, but what waits for its upload is published", async () => {
    const bed = new HostBed({ steps: 1000 });
    const file = bed.attempt("m1");
    const session = await bed.start(bed.machine("m1"), file);
    await bed.clock.pass(10 + 63);
    await bed.control(session, file, { op: "cancel" });
    await bed.clock.pass(3);
    expect(await bed.final(session, file)).toMatchObject({ cause: "cancel", code: null, signal: "SIGKILL", published: 1, lost: [] });
  });

  test("P-07 cancel during setup ends it: nothing is trained", async () => {
    const bed = new HostBed({ setupSeconds: 600 });
    const file = bed.attempt("m1");
    const session = await bed.start(bed.machine("m1"), file);
    await bed.clock.pass(30);
    await bed.control(session, file, { op: "cancel" });
    await bed.clock.pass(1);
    expect(await bed.final(session, file)).toMatchObject({ cause: "cancel", startedAt: null });
    await bed.clock.pass(1000);
    expect(bed.hosts.records.trainings).toEqual([]);
  });

  test("a job that ignores the signal is killed after its grace, not before; a cancel shortens it", async () => {
    for (const cancelled of [false, true]) {
      const bed = new HostBed({ steps: 1000, onSignal: "ignore" });
      const file = bed.attempt("m1");
      const session = await bed.start(bed.machine("m1"), file);
      await bed.clock.pass(20);
      await bed.control(session, file, { op: "stop", cause: "suspend", graceSeconds: 50 });
      await bed.clock.pass(49);
      expect((await bed.observe(session, file)).alive.runner).toBe(true);
      if (cancelled) await bed.control(session, file, { op: "cancel" });
      else await bed.clock.pass(2);
      expect(await bed.final(session, file)).toMatchObject({ cause: "suspend", signal: "SIGKILL" });
    }
  });

  test("P-20 an allowance that is used up saves and ends; only a newer one counts", async () => {
    const bed = new HostBed({ steps: 1000 });
    const file = bed.attempt("m1", { allowance: { seq: 3, seconds: 100, hardSeconds: 1000 } });
    const session = await bed.start(bed.machine("m1"), file);
    await bed.clock.pass(50);
    await bed.control(session, file, { op: "allowance", seq: 3, seconds: 5000, hardSeconds: 5000 });
    expect((await bed.observe(session, file)).status?.allowanceSeq).toBe(3);
    await bed.control(session, file, { op: "allowance", seq: 4, seconds: 200, hardSeconds: 1000 });
    await bed.clock.pass(149);
    expect((await bed.observe(session, file)).notice).toBeUndefined();
    await bed.clock.pass(8);
    expect(await bed.final(session, file)).toMatchObject({ cause: "allowance", code: 0, lost: [] });
    expect((await bed.observe(session, file)).notice?.detail).toBe("the 200 s that the budget allows are used up");
  });

  test.each([
    ["max-duration", { maxDurationSeconds: 80 }],
    ["guard", { allowance: { seq: 1, seconds: null, hardSeconds: 90 } }],
    ["deadline", { allowance: { seq: 1, seconds: null, hardSeconds: 90 }, deadlineAt: "2026-01-01T00:01:30.000Z" }],
  ])("P-21 the limit %s saves and ends", async (cause, change) => {
    const bed = new HostBed({ steps: 1000 });
    const file = bed.attempt("m1", change);
    const session = await bed.start(bed.machine("m1"), file);
    await bed.clock.pass(89.5);
    expect((await bed.observe(session, file)).notice).toBeUndefined();
    await bed.clock.pass(6.5);
    // From the store: at its hard limit the machine ends with the last record.
    const final = finalSchema.parse(await bed.json("runs/run1/attempts/1/final.json"));
    expect(final).toMatchObject({ cause, code: 0, lost: [] });
    expect(final.published).toBeGreaterThan(0);
    expect(bed.ended).toEqual(cause === "max-duration" ? [] : ["m1 off"]);
  });

  test("the end policy ends the machine after the last record; no hook for it leaves the machine", async () => {
    const bed = new HostBed({ steps: 5 });
    const file = bed.attempt("m1");
    const session = await bed.start(bed.machine("m1"), file);
    await bed.control(session, file, { op: "end-policy", action: "terminate", afterSeconds: 60 });
    await bed.clock.pass(10 + 30 + 5 + 58);
    expect(bed.ended).toEqual([]);
    await bed.clock.pass(5);
    expect(bed.ended).toEqual(["m1 off"]);
    expect(await bed.json("runs/run1/attempts/1/final.json")).toMatchObject({ cause: "exit", code: 0 });
  });

  test("calls are answered as the real agent answers them", async () => {
    const bed = new HostBed({});
    const host = bed.machine("m1");
    const session = await host.connect();
    const file = bed.attempt("m1");
    expect(await bed.observe(session, file)).toEqual({
      exists: false,
      alive: { guardian: false, supervisor: false, runner: false },
      events: [],
      eventsOffset: 0,
    });
    await expect(clientOf(session).control(session, "run1", 1, { op: "cancel" })).rejects.toMatchObject({ kind: "not-found" });
    expect(await clientOf(session).readLog(session, "run1", 1, "log", 0)).toBeUndefined();
    await expect(clientOf(session).observe(session, "../run1", 1)).rejects.toMatchObject({ kind: "validation" });
    await bed.start(host, file);
    await clientOf(session).control(session, "run1", 1, { op: "dance" } as never);
    await expect(session.exec(["ls"])).rejects.toMatchObject({ kind: "unsupported-capability" });
    await session.close();
    await expect(bed.observe(session, file)).rejects.toMatchObject({ kind: "validation" });
    expect(bed.hosts.records.refusals.map((refusal) => refusal.op)).toEqual(["control", "exec", "observe"]);
  });

  test("a watch calls back at each change, so that nobody needs to poll", async () => {
    const bed = new HostBed({ steps: 10 });
    const host = bed.machine("m1");
    const file = bed.attempt("m1");
    const session = await bed.start(host, file);
    let last = "";
    const seen: string[] = [];
    const look = async (): Promise<void> => {
      const { status, final, alive } = await bed.observe(session, file);
      const now = final !== undefined ? `final ${final.cause}` : `${status?.phase} ${status?.published} ${alive.runner}`;
      if (now !== last) seen.push(now);
      last = now;
    };
    const stop = session.watch?.(clientOf(session).attemptDir(session, "run1", 1), () => void look());
    await bed.clock.pass(100);
    expect(seen).toEqual(
      ["training 0 true", "training 0 false", "uploading 0 false", "uploading 1 false", "done 1 false", "final exit"].filter((text) =>
        seen.includes(text),
      ),
    );
    expect(seen).toContain("training 0 true");
    expect(seen.at(-1)).toBe("final exit");
    stop?.();
    let called = 0;
    const other = session.watch?.(clientOf(session).attemptDir(session, "run1", 1), () => {
      called += 1;
    });
    host.halt("gone");
    expect(called).toBeGreaterThan(0);
    other?.();
    await expect(bed.observe(session, file)).rejects.toMatchObject({ kind: "host-unreachable" });
  });

  test("starting twice is one start, also while it ends", async () => {
    const bed = new HostBed({ steps: 10 });
    const host = bed.machine("m1");
    const file = bed.attempt("m1");
    await bed.start(host, file);
    await bed.clock.pass(30);
    await bed.start(host, file);
    await bed.clock.pass(60);
    const session = await bed.start(host, file);
    await bed.clock.pass(60);
    expect(await bed.final(session, file)).toMatchObject({ cause: "exit", code: 0 });
    expect(bed.hosts.records.trainings).toHaveLength(1);
    await settle();
  });
});

describe("two attempts", () => {
  test("P-26 of two machines with one attempt only the claimer trains", async () => {
    const bed = new HostBed({ steps: 10 });
    const [one, two] = [bed.attempt("m1"), bed.attempt("m2")];
    const first = await bed.start(bed.machine("m1"), one);
    const second = await bed.start(bed.machine("m2"), two);
    await bed.clock.pass(120);
    expect(await bed.final(first, one)).toMatchObject({ cause: "exit", code: 0 });
    // The loser tells its own host only: the records in the store are the winner's.
    expect(await bed.final(second, two)).toMatchObject({ cause: "claim-lost", error: { why: "An attempt is never trained twice." } });
    expect(bed.hosts.records.trainings).toMatchObject([{ machineId: "m1" }]);
    expect(await bed.json("runs/run1/attempts/1/final.json")).toEqual(await bed.final(first, one));
  });

  test("an exclusive host is busy; the other's machine is left alone; afterwards it is free", async () => {
    const bed = new HostBed({ steps: 20 });
    const host = bed.machine("m1");
    const session = await bed.start(host, bed.attempt("m1"));
    const other = bed.attempt("m1", { runId: "run2", endPolicy: { action: "terminate", afterSeconds: 0 } });
    await bed.start(host, other);
    await bed.clock.pass(5);
    expect(await bed.final(session, other)).toMatchObject({ cause: "busy", error: { what: "run run1 is training on this host" } });
    expect(bed.ended).toEqual([]);
    await bed.clock.pass(300);
    const third = bed.attempt("m1", { runId: "run3" });
    await bed.start(host, third);
    await bed.clock.pass(300);
    expect(await bed.final(session, third)).toMatchObject({ cause: "exit", code: 0 });
  });

  test("attempts that share train beside one another", async () => {
    const bed = new HostBed({ steps: 20 });
    const host = bed.machine("m1");
    const [one, two] = [bed.attempt("m1", { exclusive: false }), bed.attempt("m1", { runId: "run2", exclusive: false })];
    const session = await bed.start(host, one);
    await bed.start(host, two);
    await bed.clock.pass(300);
    expect((await bed.final(session, one)).cause).toBe("exit");
    expect((await bed.final(session, two)).cause).toBe("exit");
    expect(bed.hosts.records.trainings).toHaveLength(2);
  });
});
