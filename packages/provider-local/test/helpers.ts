import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HostSession, Intent, Machine } from "@runctl/core/provider";
import { afterEach, expect } from "vitest";
import { type LocalOptions, type LocalProvider, local } from "../src/index.ts";
import { bootId, processesWithMarks, startTime } from "../src/processes.ts";

/** `expect.poll` with patience for a busy machine. */
export function eventually<T>(look: () => T | Promise<T>): ReturnType<typeof expect.poll<T>> {
  return expect.poll(look, { timeout: 40_000, interval: 5 });
}

const cleanups: Array<() => Promise<void>> = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A temporary folder that is removed after the test. */
export async function tempDir(suffix = ""): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "runctl-local-"));
  cleanups.push(() => rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
  if (suffix === "") return dir;
  await mkdir(join(dir, suffix), { recursive: true });
  return join(dir, suffix);
}

/** A provider on a home of its own; its machines are terminated after the test. */
export async function setUp(options: LocalOptions = {}): Promise<{ provider: LocalProvider; home: string }> {
  const home = options.home ?? (await tempDir());
  const provider = local({ ...options, home });
  cleanups.push(async () => {
    for (const { ref } of (await provider.find({ includeForeign: true })).machines) await provider.terminate(ref);
  });
  return { provider, home };
}

let counter = 0;

/** An intent as the engine writes one. */
export function intent(changes: Partial<Intent> & { state?: string; run?: string | null } = {}): Intent {
  counter += 1;
  const id = changes.id ?? `intent${process.pid}x${counter}`;
  const { state = "state-a", run = "r1", ...rest } = changes;
  return {
    id,
    name: `runctl-test-${id}`,
    attempt: 1,
    offers: [
      {
        id: "local",
        provider: "local",
        type: "local",
        accelerators: [],
        market: "on-demand",
        can: { stop: true, notice: false, endItself: true },
      },
    ],
    nodes: 1,
    tags: { "runctl:state": state, "runctl:intent": id, ...(run === null ? {} : { "runctl:run": run }) },
    boot: "",
    volumes: [],
    env: {},
    endBy: "2030-01-01T00:00:00.000Z",
    ...rest,
  };
}

/** A machine, created. */
export async function createOn(provider: LocalProvider, of: Intent = intent()): Promise<Machine> {
  const outcome = await provider.create(of);
  if (outcome.kind !== "created") throw new Error(`not created: ${outcome.kind}`);
  return outcome.machines[0];
}

/** The machine as `find` shows it now. */
export async function lookAt(provider: LocalProvider, machine: Machine): Promise<Machine | undefined> {
  return (await provider.find({ ids: [machine.ref.id] })).machines[0];
}

/** Starts a daemon through the session, in a session of its own, as the host agent's guardian is. Resolves with its pid once it runs. */
export async function daemon(session: HostSession, env: Record<string, string> = {}): Promise<number> {
  const result = await session.exec(["python3", "-c", DAEMON], { env });
  if (result.exitCode !== 0) throw new Error(result.stderr);
  return Number(result.stdout);
}

const DAEMON = `
import os, signal, sys
r, w = os.pipe()
if os.fork() == 0:
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(w, str(os.getpid()).encode())
    os.close(w)
    while True:
        signal.pause()
os.close(w)
sys.stdout.write(os.read(r, 100).decode())
`;

/** An attempt's folder with records, as the host agent writes them for living or dead processes. */
export async function attemptOf(machine: Machine, key: string, files: Record<string, unknown>): Promise<string> {
  const dir = join(machine.address?.home as string, "runs", key);
  await mkdir(dir, { recursive: true });
  for (const [name, value] of Object.entries(files))
    await writeFile(join(dir, name), typeof value === "string" ? value : JSON.stringify(value));
  return dir;
}

/** (pid, start time, boot id), as the agent records a process. */
export interface ProcessRecord {
  pid: number;
  startTime: string;
  bootId: string;
}

/** The text of guardian.pid and supervisor.pid. */
export function pidFile({ pid, startTime: began, bootId: boot }: ProcessRecord): string {
  return `${pid} ${began.replaceAll(" ", "_")} ${boot}\n`;
}

/** runner.json of a training and its runner. */
export function runnerJson(training: ProcessRecord, runner: ProcessRecord): Record<string, unknown> {
  return { ...training, nonce: "n", runnerPid: runner.pid, runnerStartTime: runner.startTime };
}

/** The record of a process as it is now. */
export async function recordOf(pid: number): Promise<ProcessRecord> {
  return { pid, startTime: (await startTime(pid)) ?? "0", bootId: await bootId() };
}

/** A process that has certainly ended, and its record from when it lived. */
export async function deadRecord(): Promise<ProcessRecord> {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  const record = await recordOf(child.pid as number);
  await new Promise((resolve) => {
    child.on("exit", resolve);
    child.kill("SIGKILL");
  });
  return record;
}

/** Is the process there (zombies are not)? */
export async function alive(pid: number): Promise<boolean> {
  return (await startTime(pid)) !== undefined;
}

/** How many processes carry the mark. */
export async function marked(mark: string): Promise<number> {
  return (await processesWithMarks([mark])).length;
}
