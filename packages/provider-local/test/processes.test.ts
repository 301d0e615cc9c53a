import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CreateOutcome, HostUnreachableError, NotFoundError, type Random, StorageError, systemRandom } from "@runctl/core/provider";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newDir } from "../src/leftovers.ts";
import { machinesDir } from "../src/machine-home.ts";
import { createOn, eventually, intent, marked, setUp, tempDir } from "./helpers.ts";

const ESBUILD = fileURLToPath(new URL("../../../node_modules/.bin/esbuild", import.meta.url));
const OPTIONS = ["--bundle", "--platform=node", "--format=esm", "--target=node20", "--log-level=warning", "--conditions=@runctl/source"];
/** Plain programs, which start in a tenth of the time that the sources take: there are dozens of starts. */
let programs: string;
beforeAll(async () => {
  programs = await mkdtemp(join(tmpdir(), "runctl-bundle-"));
  // Other users run them, too.
  await chmod(programs, 0o755);
  for (const name of ["provider-worker", "loose-ends-worker"]) {
    const entry = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
    execFileSync(ESBUILD, [entry, `--outfile=${join(programs, `${name}.mjs`)}`, ...OPTIONS]);
  }
});
afterAll(() => rm(programs, { recursive: true, force: true }));
const root = process.getuid?.() === 0;

interface Answer {
  answer?: CreateOutcome;
  error?: { code: string; what: string; why: string; fix: string[] };
}

async function worker(
  home: string,
  operation: "create" | "terminate",
  argument: string,
  options: { uid?: number } = {},
): Promise<ChildProcess> {
  const child = fork(join(programs, "provider-worker.mjs"), [home, operation, argument], {
    execArgv: [],
    ...options,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  await once(child, "message");
  return child;
}

async function go(child: ChildProcess): Promise<Answer> {
  const answer = once(child, "message");
  child.send("go");
  const [message] = await answer;
  await once(child, "exit");
  return message as Answer;
}

describe("several processes", () => {
  it("P-01 the same intent from four processes at once is one machine", async () => {
    const { provider, home } = await setUp();
    const of = intent();
    const workers = await Promise.all([1, 2, 3, 4].map(() => worker(home, "create", JSON.stringify(of))));
    const outcomes = (await Promise.all(workers.map(go))).map(({ answer }) => answer);
    expect(new Set(outcomes.map((outcome) => JSON.stringify(outcome))).size).toBe(1);
    expect(outcomes[0]).toMatchObject({ kind: "created" });
    expect(await readdir(machinesDir(home))).toEqual([of.name]);
    expect((await provider.find({ intentId: of.id })).machines).toHaveLength(1);
  });

  it("P-01 killed at any moment of create, the next create gives one whole machine and leaves nothing else", async () => {
    const { provider, home } = await setUp();
    let cut = 0;
    for (let delay = 0; delay < 8; delay += 1) {
      const of = intent();
      const child = await worker(home, "create", JSON.stringify(of));
      // From here on: it may have ended before the kill.
      const gone = once(child, "exit");
      child.send("go");
      // The kill walks through create: by how many turns of this loop it waits, not by a guessed time.
      for (let turn = 0; turn < delay * 60; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      child.kill("SIGKILL");
      await gone;
      if ((await provider.find({ intentId: of.id })).machines.length === 0) cut += 1;
      const machine = await createOn(provider, of);
      expect(machine.tags).toEqual(of.tags);
      expect(JSON.parse(await readFile(join(machinesDir(home), of.name, "machine.json"), "utf8"))).toMatchObject({ v: 1, intent: of.id });
      await provider.terminate(machine.ref);
      // find swept what the dead one left.
      await provider.find({});
      expect(await readdir(machinesDir(home))).toEqual([]);
    }
    expect(cut).toBeGreaterThan(0);
  }, 120_000);

  it("P-07 a command started while the machine is being ended does not outlive it", async () => {
    const { provider } = await setUp();
    for (let round = 0; round < 10; round += 1) {
      const machine = await createOn(provider);
      const host = await provider.connect?.(machine);
      const mark = `RACE_MARK=${machine.name}`;
      const started = Array.from({ length: 4 }, () =>
        host?.exec(["sleep", "1000"], { env: { RACE_MARK: machine.name } }).catch((error: unknown) => error),
      );
      await provider.terminate(machine.ref);
      const outcomes = await Promise.all(started);
      expect(await marked(mark)).toBe(0);
      for (const outcome of outcomes)
        expect(
          HostUnreachableError.isInstance(outcome) ||
            (outcome as { exitCode: number }).exitCode === 137 ||
            NotFoundError.isInstance(outcome),
        ).toBe(true);
      await host?.close();
    }
  });

  it("P-07 a machine marked as ended between the check and the start of a command: the command is killed", async () => {
    let between: (() => void) | undefined;
    // exec draws its id after it has checked the machine and before it starts the process.
    const random: Random = {
      next: () => systemRandom.next(),
      bytes: (length) => {
        between?.();
        return systemRandom.bytes(length);
      },
    };
    const { provider } = await setUp({ random });
    const machine = await createOn(provider);
    const host = await provider.connect?.(machine);
    const ended = join(machine.address?.home as string, "ended.json");
    between = () => writeFileSync(ended, JSON.stringify({ at: "2026-01-01T00:00:00.000Z", reason: "terminated", kind: "terminate" }));
    await expect(host?.exec(["sleep", "1000"], { env: { RACE_MARK: machine.name } })).rejects.toSatisfy(HostUnreachableError.isInstance);
    between = undefined;
    expect(await marked(`RACE_MARK=${machine.name}`)).toBe(0);
    await host?.close();
  });

  it("two processes terminating one machine both succeed, killed ones are gone on with", async () => {
    const { provider, home } = await setUp();
    const machine = await createOn(provider);
    for (let at = 0; at < 300; at += 1) {
      await mkdir(join(machinesDir(home), machine.name, `runs/r${at}/1/work`), { recursive: true });
      await writeFile(join(machinesDir(home), machine.name, `runs/r${at}/1/work/f`), "x");
    }
    const cut = await worker(home, "terminate", machine.name);
    const gone = once(cut, "exit");
    cut.send("go");
    const folder = join(machinesDir(home), machine.name);
    await eventually(() => existsSync(join(folder, "ended.json")) || !existsSync(folder)).toBe(true);
    cut.kill("SIGKILL");
    await gone;
    const two = await Promise.all([worker(home, "terminate", machine.name), worker(home, "terminate", machine.name)]);
    expect(await Promise.all(two.map(go))).toEqual([{}, {}]);
    await provider.find({});
    expect(await readdir(machinesDir(home))).toEqual([]);
  });

  it("sweeps folders of dead makers and of finished terminations, not those of living ones", async () => {
    const { provider, home } = await setUp();
    await createOn(provider);
    const mine = await newDir(home, systemRandom);
    await mkdir(mine);
    const dead = mine.replace(/-\d+-/, "-999999999-");
    await mkdir(dead);
    await mkdir(join(machinesDir(home), ".gone-abc"));
    await writeFile(join(machinesDir(home), ".gone-abc/machine.json"), "{}");
    await provider.find({});
    expect([existsSync(mine), existsSync(dead), existsSync(join(machinesDir(home), ".gone-abc"))]).toEqual([true, false, false]);
  });
});

describe("loose ends", () => {
  it("P-31 neither a provider nor an unclosed session with a watch keeps the process alive", async () => {
    const { home } = await setUp();
    const script = join(programs, "loose-ends-worker.mjs");
    const child = fork(script, [home, JSON.stringify(intent())], { execArgv: [], stdio: ["ignore", "pipe", "pipe", "ipc"] });
    child.disconnect();
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const [code] = await once(child, "exit");
    expect({ code, output }).toEqual({ code: 0, output: "" });
  });
});

describe("homes that cannot be used", () => {
  it("a file in the way is a clear error", async () => {
    const home = join(await tempDir(), "file");
    await writeFile(home, "x");
    const { provider } = await setUp({ home: join(home, "below") });
    await expect(provider.create(intent())).rejects.toSatisfy(
      (error) => StorageError.isInstance(error) && error.context.code === "ENOTDIR" && error.fix.length > 0,
    );
    expect((await provider.find({})).complete).toBe(false);
  });

  it.runIf(root)("a read-only home is a clear error that names the folder and the cure, and nothing is left", async () => {
    const home = await tempDir();
    await chmod(home, 0o555);
    const { error } = await go(await worker(home, "create", JSON.stringify(intent()), { uid: 65534 }));
    expect(error).toMatchObject({
      code: "RUNCTL_STORAGE",
      what: expect.stringContaining("EACCES"),
      fix: [expect.stringContaining("RUNCTL_LOCAL_HOME")],
    });
    expect(error?.what).toContain(home);
    expect(await readdir(home)).toEqual([]);
  });

  it.runIf(root)("files that a container wrote as root are a clear error with the command; then terminate goes on", async () => {
    const { provider, home } = await setUp();
    const machine = await createOn(provider);
    const dir = join(machinesDir(home), machine.name);
    const rooted = join(dir, "runs/r1/1/work/out put");
    await mkdir(rooted, { recursive: true });
    await writeFile(join(rooted, "by-root"), "x");
    const nobody = [
      home,
      machinesDir(home),
      dir,
      join(dir, "machine.json"),
      join(dir, "runs"),
      join(dir, "runs/r1"),
      join(dir, "runs/r1/1"),
      join(dir, "runs/r1/1/work"),
    ];
    for (const path of nobody) await chown(path, 65534, 65534);
    await chmod(rooted, 0o755);
    const { error } = await go(await worker(home, "terminate", machine.name, { uid: 65534 }));
    expect(error).toMatchObject({
      code: "RUNCTL_STORAGE",
      what: expect.stringContaining("belongs to user id 0"),
      fix: [expect.stringContaining("sudo rm -rf -- '")],
    });
    expect((await provider.find({ ids: [machine.name] })).machines[0]?.state).toBe("ending");
    await provider.terminate(machine.ref);
    expect(await readdir(machinesDir(home))).toEqual([]);
  });
});
