import { existsSync } from "node:fs";
import { chmod, cp, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  AlreadyExistsError,
  HostUnreachableError,
  NotFoundError,
  UnsupportedCapabilityError,
  ValidationError,
} from "@runctl/core/provider";
import { describe, expect, it } from "vitest";
import { local } from "../src/index.ts";
import { machinesDir } from "../src/machine-home.ts";
import {
  alive,
  attemptOf,
  createOn,
  daemon,
  deadRecord,
  eventually,
  intent,
  lookAt,
  pidFile,
  recordOf,
  runnerJson,
  setUp,
  tempDir,
} from "./helpers.ts";

describe("create", () => {
  it("makes a private folder with the intent's tags, and the same intent twice is the same machine", async () => {
    const { provider, home } = await setUp({ pricePerHour: 0.25 });
    const of = intent();
    const first = await createOn(provider, of);
    const second = await createOn(provider, of);
    expect(second).toEqual(first);
    expect(first).toMatchObject({
      ref: { provider: "local", kind: "machine", id: of.name },
      state: "running",
      tags: of.tags,
      pricePerHour: { amount: 0.25, currency: "USD" },
    });
    expect(await readdir(machinesDir(home))).toEqual([of.name]);
    expect((await stat(join(machinesDir(home), of.name))).mode & 0o777).toBe(0o700);
  });

  it("refuses a name that belongs to another intent, and names that lead out of the home", async () => {
    const { provider, home } = await setUp();
    const of = intent();
    await createOn(provider, of);
    await expect(provider.create({ ...of, id: "another" })).rejects.toSatisfy(AlreadyExistsError.isInstance);
    for (const name of ["../evil", "/etc", "", ".hidden", "a/b", "x\0y"]) {
      await expect(provider.create(intent({ name }))).rejects.toSatisfy(ValidationError.isInstance);
      await expect(provider.terminate({ provider: "local", kind: "machine", id: name })).rejects.toSatisfy(ValidationError.isInstance);
    }
    expect(await readdir(machinesDir(home))).toEqual([of.name]);
  });

  it("refuses what this computer cannot be", async () => {
    const { provider } = await setUp();
    await expect(provider.create(intent({ nodes: 2 }))).rejects.toSatisfy(UnsupportedCapabilityError.isInstance);
    const volume = { ref: { provider: "aws", kind: "volume", id: "vol-1" }, mount: "/data", readOnly: false };
    await expect(provider.create(intent({ volumes: [volume] }))).rejects.toSatisfy(UnsupportedCapabilityError.isInstance);
  });

  it("holds maxMachines, but gives an existing machine again", async () => {
    const { provider } = await setUp({ maxMachines: 1 });
    const of = intent();
    const machine = await createOn(provider, of);
    await expect(provider.create(intent())).resolves.toEqual({
      kind: "unavailable",
      pools: [{ offerId: "local", scope: "account", tried: false }],
    });
    await expect(provider.create(of)).resolves.toMatchObject({ kind: "created" });
    await provider.terminate(machine.ref);
    await expect(provider.create(intent())).resolves.toMatchObject({ kind: "created" });
  });

  it("constructing touches no disk; find in a home that does not exist is complete and empty", async () => {
    const home = join(await tempDir(), "not", "yet");
    const provider = local({ home });
    await expect(provider.find({ stateId: "s" })).resolves.toEqual({ machines: [], others: [], complete: true });
    expect(existsSync(home)).toBe(false);
  });
});

describe("find", () => {
  it("lists by state id, intent and id; never another state's unless asked", async () => {
    const { provider } = await setUp();
    const mine = intent({ state: "state-a" });
    const other = intent({ state: "state-b" });
    await createOn(provider, mine);
    await createOn(provider, other);
    const names = async (query: Parameters<typeof provider.find>[0]): Promise<string[]> =>
      (await provider.find(query)).machines.map(({ name }) => name);
    expect(await names({ stateId: "state-a" })).toEqual([mine.name]);
    expect(await names({ stateId: "state-a", intentId: other.id })).toEqual([]);
    expect(await names({ intentId: other.id })).toEqual([other.name]);
    expect(await names({ ids: [mine.name, "gone", "../x"] })).toEqual([mine.name]);
    expect((await names({ stateId: "state-a", includeForeign: true })).sort()).toEqual([mine.name, other.name].sort());
    expect(await names({ kinds: ["volume"] })).toEqual([]);
  });

  it("says incomplete, not gone, when a record cannot be read", async () => {
    const { provider, home } = await setUp();
    const machine = await createOn(provider);
    await createOn(provider);
    const file = join(machinesDir(home), machine.name, "machine.json");
    await writeFile(file, '{"v":1,"intent":');
    const found = await provider.find({ stateId: "state-a" });
    expect(found.complete).toBe(false);
    expect(found.machines).toHaveLength(1);
    await expect(provider.terminate(machine.ref)).rejects.toThrow(/nothing in this folder is touched/);
    expect(existsSync(file)).toBe(true);
  });

  it("is running while an agent process lives, ended when all are gone without a final record, running again with one", async () => {
    const { provider } = await setUp();
    const machine = await createOn(provider);
    const session = await provider.connect?.(machine);
    if (session === undefined) throw new Error("no session");
    const pid = await daemon(session);
    const dir = await attemptOf(machine, "r1/1", { "attempt.json": { nonce: "n-order-only" } });
    expect((await lookAt(provider, machine))?.state).toBe("running");
    const dead = await deadRecord();
    const living = await recordOf(pid);
    await writeFile(join(dir, "guard.conf"), "100 900 2700 30 SIGTERM n none\n");
    expect((await lookAt(provider, machine))?.state).toBe("running");
    // Each of the three alone keeps the machine running; the training alone does not.
    await writeFile(join(dir, "guardian.pid"), pidFile(living));
    await writeFile(join(dir, "supervisor.pid"), pidFile(dead));
    await writeFile(join(dir, "runner.json"), JSON.stringify(runnerJson(dead, dead)));
    expect((await lookAt(provider, machine))?.state).toBe("running");
    await writeFile(join(dir, "guardian.pid"), pidFile(dead));
    await writeFile(join(dir, "supervisor.pid"), pidFile(living));
    expect((await lookAt(provider, machine))?.state).toBe("running");
    await writeFile(join(dir, "supervisor.pid"), pidFile(dead));
    await writeFile(join(dir, "runner.json"), JSON.stringify(runnerJson(dead, living)));
    expect((await lookAt(provider, machine))?.state).toBe("running");
    await writeFile(join(dir, "runner.json"), JSON.stringify(runnerJson(living, dead)));
    expect(await lookAt(provider, machine)).toMatchObject({
      state: "ended",
      stateReason: expect.stringContaining("only the training is left"),
    });
    process.kill(pid, "SIGKILL");
    await eventually(() => alive(pid)).toBe(false);
    const ended = await lookAt(provider, machine);
    expect(ended).toMatchObject({ state: "ended", stateReason: expect.stringContaining("processes gone without a final record") });
    expect(ended?.endedAt).toMatch(/^\d{4}-/);
    await writeFile(join(dir, "final.json"), "{}");
    expect((await lookAt(provider, machine))?.state).toBe("running");
    await session.close();
  });

  it("a recycled pid is another process: the start time decides; another boot is a restart", async () => {
    const { provider } = await setUp();
    const machine = await createOn(provider);
    const me = await recordOf(process.pid);
    const dir = await attemptOf(machine, "r1/1", { "attempt.json": { nonce: "n1" }, "guardian.pid": pidFile({ ...me, startTime: "12" }) });
    expect((await lookAt(provider, machine))?.state).toBe("ended");
    await writeFile(join(dir, "guardian.pid"), pidFile({ ...me, bootId: "another" }));
    expect(await lookAt(provider, machine)).toMatchObject({ state: "ended", stateReason: expect.stringContaining("restarted") });
    await writeFile(join(dir, "guardian.pid"), pidFile(me));
    expect((await lookAt(provider, machine))?.state).toBe("running");
  });

  it("an attempt without process records is looked for by its nonce", async () => {
    const { provider } = await setUp();
    const machine = await createOn(provider);
    const session = await provider.connect?.(machine);
    if (session === undefined) throw new Error("no session");
    const pid = await daemon(session, { RUNCTL_NONCE: "nonce-of-the-unnamed" });
    await attemptOf(machine, "r1/1", { "attempt.json": { nonce: "nonce-of-the-unnamed" }, "status.json": {} });
    expect((await lookAt(provider, machine))?.state).toBe("running");
    process.kill(pid, "SIGKILL");
    await eventually(async () => (await lookAt(provider, machine))?.state).toBe("ended");
    await session.close();
  });

  it("a machine that no run made is running until it is terminated", async () => {
    const { provider } = await setUp();
    const machine = await createOn(provider, intent({ run: null }));
    await attemptOf(machine, "r1/1", { "attempt.json": { nonce: "n" }, "guardian.pid": pidFile(await deadRecord()) });
    expect((await lookAt(provider, machine))?.state).toBe("running");
  });

  it("a malformed record of our own makes the listing incomplete: a lost tag could be a protection", async () => {
    const { provider } = await setUp();
    const machine = await createOn(provider);
    await provider.tag?.(machine.ref, { "runctl:protected": "true" });
    const folder = join(machine.address?.home as string, "tags");
    const file = join(folder, (await readdir(folder))[0] as string);
    const good = await readFile(file, "utf8");
    await writeFile(file, good.slice(0, 20));
    expect(await provider.find({ stateId: "state-a" })).toEqual({ machines: [], others: [], complete: false });
    await writeFile(file, good);
    expect((await lookAt(provider, machine))?.tags["runctl:protected"]).toBe("true");
  });

  it("lists a thousand machines fast", async () => {
    const { provider, home } = await setUp();
    const dead = await deadRecord();
    const one = await createOn(provider);
    await attemptOf(one, "r1/1", { "attempt.json": { nonce: "n" }, "guardian.pid": pidFile(dead) });
    const record = await readFile(join(machinesDir(home), one.name, "machine.json"), "utf8");
    for (let at = 1; at < 1000; at += 1) {
      const dir = join(machinesDir(home), `m${at}`);
      await cp(join(machinesDir(home), one.name), dir, { recursive: true });
      await writeFile(join(dir, "machine.json"), record.replaceAll(one.name, `m${at}`));
      if (at % 2 === 0) await writeFile(join(dir, "runs/r1/1/final.json"), "{}");
    }
    const before = process.cpuUsage();
    const { machines } = await provider.find({ stateId: "state-a" });
    const { user, system } = process.cpuUsage(before);
    expect(machines.map(({ state }) => state).sort()).toEqual([...Array(501).fill("ended"), ...Array(499).fill("running")]);
    // Processor time, since other tests run beside this one. Measured: 0.2 s.
    expect((user + system) / 1000).toBeLessThan(1500);
    // Terminating a thousand one by one is not what is tested here.
    await rm(machinesDir(home), { recursive: true });
  }, 60_000);
});

describe("terminate", () => {
  it("kills trees with sessions of their own and removes the folder; gone is success", async () => {
    const { provider, home } = await setUp();
    const machine = await createOn(provider);
    const session = await provider.connect?.(machine);
    if (session === undefined) throw new Error("no session");
    const byToken = await daemon(session);
    const byNonce = await daemon(session, { RUNCTL_NONCE: "tree-nonce" });
    await attemptOf(machine, "r1/1", { "attempt.json": { nonce: "tree-nonce" }, "guardian.pid": pidFile(await recordOf(byToken)) });
    await provider.terminate(machine.ref);
    expect([await alive(byToken), await alive(byNonce)]).toEqual([false, false]);
    expect(await readdir(machinesDir(home))).toEqual([]);
    await provider.terminate(machine.ref);
    expect((await provider.find({ ids: [machine.ref.id] })).machines).toEqual([]);
    await expect(session.exec(["true"])).rejects.toSatisfy(HostUnreachableError.isInstance);
    await expect(session.write("x/y", "z")).rejects.toSatisfy(HostUnreachableError.isInstance);
    await expect(session.read("x", 0)).rejects.toSatisfy(HostUnreachableError.isInstance);
    expect(existsSync(machine.address?.home as string)).toBe(false);
    await session.close();
  });

  it("touches no other state's machine on the same home", async () => {
    const { provider, home } = await setUp();
    const other = local({ home });
    const mine = await createOn(provider, intent({ state: "state-a" }));
    const theirs = await createOn(other, intent({ state: "state-b" }));
    const session = await other.connect?.(theirs);
    if (session === undefined) throw new Error("no session");
    const pid = await daemon(session, { RUNCTL_NONCE: "theirs" });
    for (const { ref } of (await provider.find({ stateId: "state-a" })).machines) await provider.terminate(ref);
    expect(await alive(pid)).toBe(true);
    expect((await other.find({ stateId: "state-b" })).machines.map(({ name, state }) => [name, state])).toEqual([[theirs.name, "running"]]);
    expect(await lookAt(provider, mine)).toBeUndefined();
    await session.close();
  });

  it("never touches a folder that is no machine", async () => {
    const { provider, home } = await setUp();
    const dir = join(machinesDir(home), "mine");
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, "thesis.txt"), "precious");
    await provider.terminate({ provider: "local", kind: "machine", id: "mine" });
    expect(existsSync(join(dir, "thesis.txt"))).toBe(true);
    expect((await provider.find({ includeForeign: true })).machines).toEqual([]);
    await expect(provider.terminate({ provider: "aws", kind: "machine", id: "mine" })).rejects.toSatisfy(ValidationError.isInstance);
  });

  it("removes write-protected folders and links, and nothing behind the links", async () => {
    const { provider } = await setUp();
    const machine = await createOn(provider);
    const outside = await tempDir();
    await writeFile(join(outside, "keep"), "x");
    const home = machine.address?.home as string;
    await mkdir(join(home, "runs/r1/ro/deep"), { recursive: true });
    await symlink(outside, join(home, "runs/r1/ro/link"));
    await chmod(join(home, "runs/r1/ro"), 0o500);
    await provider.terminate(machine.ref);
    expect(existsSync(home)).toBe(false);
    expect(existsSync(join(outside, "keep"))).toBe(true);
  });
});

describe("stop and start", () => {
  it("stop ends the processes and keeps the folder; start makes it usable, and the old attempt is no crash", async () => {
    const { provider } = await setUp();
    const machine = await createOn(provider);
    const session = await provider.connect?.(machine);
    if (session === undefined) throw new Error("no session");
    const pid = await daemon(session);
    await session.write("kept.txt", "still here");
    await attemptOf(machine, "r1/1", { "attempt.json": { nonce: "n" }, "guardian.pid": pidFile(await recordOf(pid)) });
    await provider.stop?.(machine.ref);
    await provider.stop?.(machine.ref);
    expect(await alive(pid)).toBe(false);
    expect((await lookAt(provider, machine))?.state).toBe("stopped");
    await expect(provider.connect?.(machine)).rejects.toSatisfy(HostUnreachableError.isInstance);
    await expect(session.exec(["true"])).rejects.toThrow(/stopped/);
    await provider.start?.(machine.ref);
    await provider.start?.(machine.ref);
    expect((await lookAt(provider, machine))?.state).toBe("running");
    expect(new TextDecoder().decode(await session.read("kept.txt", 0))).toBe("still here");
    await session.close();
  });
});

describe("simulateInterruption", () => {
  it("looks like a reclaimed host: everything dead, the machine ended and unreachable, until it is terminated", async () => {
    const { provider } = await setUp({ spot: true });
    const machine = await createOn(provider);
    const session = await provider.connect?.(machine);
    if (session === undefined) throw new Error("no session");
    const pid = await daemon(session, { RUNCTL_NONCE: "spot" });
    await provider.simulateInterruption(machine.ref.id);
    expect(await alive(pid)).toBe(false);
    expect(await lookAt(provider, machine)).toMatchObject({
      state: "ended",
      stateReason: "interrupted (simulated)",
      endedAt: expect.any(String),
    });
    await expect(session.exec(["true"])).rejects.toSatisfy(HostUnreachableError.isInstance);
    await provider.simulateInterruption(`local/machine/${machine.ref.id}`);
    await provider.terminate(machine.ref);
    await expect(provider.simulateInterruption(machine.ref)).rejects.toSatisfy(NotFoundError.isInstance);
    await session.close();
  });
});

describe("tag", () => {
  it("adds and replaces tags; two writers of different tags lose none", async () => {
    const { provider, home } = await setUp();
    const machine = await createOn(provider);
    await Promise.all([
      provider.tag?.(machine.ref, { "runctl:protected": "true" }),
      local({ home }).tag?.(machine.ref, { "runctl:important": "yes", "odd/key ✨": "v" }),
    ]);
    await provider.tag?.(machine.ref, { "runctl:important": "no" });
    expect((await lookAt(provider, machine))?.tags).toEqual({
      ...machine.tags,
      "runctl:protected": "true",
      "runctl:important": "no",
      "odd/key ✨": "v",
    });
    await expect(provider.tag?.({ ...machine.ref, id: "gone" }, { a: "b" })).rejects.toSatisfy(NotFoundError.isInstance);
  });
});
