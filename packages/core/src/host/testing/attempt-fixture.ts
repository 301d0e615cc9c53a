import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { HostSession } from "../../provider/host-session.ts";
import { systemClock } from "../../util/clock.ts";
import { sleep } from "../../util/sleep.ts";
import type { AttemptFile } from "../attempt-file.ts";
import { createHostClient } from "../create-host-client.ts";
import type { HostClient } from "../host-client.ts";
import type { HostFinal } from "../records.ts";
import { localSession } from "./local-session.ts";

/** Polls until `look` gives something truthy. The time is a bound for a broken agent, not a wait. */
export async function until<T>(what: string, look: () => T | Promise<T>, seconds = 40): Promise<NonNullable<T>> {
  const end = systemClock.monotonic() + seconds * 1000;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== null && value !== false) return value as NonNullable<T>;
    if (systemClock.monotonic() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await sleep(systemClock, 15);
  }
}

/** One agent for all tests of a process: its extraction is not what they are about. */
const sharedCache = mkdtempSync(join(tmpdir(), "runctl-agent-"));
afterAll(() => rmSync(sharedCache, { recursive: true, force: true }));

/** A host home and a store in temp folders, and attempts on them. */
export class AttemptFixture {
  readonly home: string;
  readonly store: string;
  readonly client: HostClient = createHostClient();
  readonly session: HostSession;
  private readonly root: string;
  private readonly nonces: string[] = [];

  constructor(options: { home?: string; env?: Record<string, string>; name?: string; ownCache?: boolean } = {}) {
    this.root = mkdtempSync(join(tmpdir(), "runctl-host-"));
    this.home = options.home ?? join(this.root, options.name ?? "home");
    this.store = join(this.root, "store");
    mkdirSync(this.home, { recursive: true });
    mkdirSync(this.store);
    const environment = options.env ?? (process.env as Record<string, string>);
    this.session = localSession(this.home, { env: environment, ...(options.ownCache === true ? {} : { cacheDir: sharedCache }) });
  }

  attempt(overrides: Partial<AttemptFile> = {}): AttemptFile {
    const nonce = randomBytes(12).toString("hex");
    this.nonces.push(nonce);
    return {
      v: 1,
      runId: "run1",
      attempt: 1,
      nonce,
      machineId: "machine1",
      stateId: "state1",
      stores: [{ prefix: "", access: { kind: "file", settings: { root: this.store } } }],
      runPrefix: "runs/run1/",
      code: null,
      argv: ["true"],
      env: {},
      secretNames: [],
      dependencies: { kind: "none" },
      script: null,
      inputs: [],
      outputs: [],
      checkpoints: null,
      stop: { signal: "SIGTERM", graceSeconds: 5 },
      allowance: { seq: 1, seconds: null, hardSeconds: 600 },
      deadlineAt: null,
      maxDurationSeconds: null,
      guard: { feedSeconds: 60, firstFeedSeconds: 60 },
      hooks: { notice: null, noticeBuiltin: null, stop: null, terminate: null },
      endPolicy: { action: "none", afterSeconds: 0 },
      exclusive: true,
      distributed: null,
      container: null,
      traceparent: null,
      ...overrides,
    };
  }

  start(attempt: AttemptFile, secrets: { env?: Record<string, string> } = {}): Promise<void> {
    return this.client.start(this.session, attempt, { env: secrets.env ?? {}, stores: {} });
  }

  dir(attempt: AttemptFile): string {
    return this.client.attemptDir(this.session, attempt.runId, attempt.attempt);
  }

  /** The text of a file in the attempt's folder, "" while there is none. */
  text(attempt: AttemptFile, name: string): string {
    const path = join(this.dir(attempt), name);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  json(attempt: AttemptFile, name: string): Record<string, unknown> | undefined {
    const text = this.text(attempt, name);
    return text === "" ? undefined : (JSON.parse(text) as Record<string, unknown>);
  }

  /** The pid in guardian.pid, supervisor.pid, or of the training's leader in runner.pid (`field` 3: the runner). */
  async pid(attempt: AttemptFile, name: "guardian" | "supervisor" | "runner", field = 0): Promise<number> {
    return until(`${name}.pid`, () => Number(this.text(attempt, `${name}.pid`).split(" ")[field]) || undefined);
  }

  log(attempt: AttemptFile, text: string, seconds?: number): Promise<boolean> {
    return until(
      `the log says ${JSON.stringify(text)}, not ${this.text(attempt, "log").slice(0, 300)}`,
      () => this.text(attempt, "log").includes(text),
      seconds,
    );
  }

  async final(attempt: AttemptFile, seconds = 45): Promise<HostFinal> {
    try {
      return await until(
        "final.json",
        async () => {
          if (!existsSync(join(this.dir(attempt), "final.json"))) return undefined;
          return (await this.client.observe(this.session, attempt.runId, attempt.attempt)).final;
        },
        seconds,
      );
    } catch (error) {
      throw new Error(`${String(error)}\nagent.log:\n${this.text(attempt, "agent.log")}\nstatus: ${this.text(attempt, "status.json")}`);
    }
  }

  /** What the store holds of the training's log, put together from its chunks in order; throws where they do not join. */
  storedLog(attempt: AttemptFile): Buffer {
    const folder = join(this.store, attempt.runPrefix, "log", String(attempt.attempt));
    if (!existsSync(folder)) return Buffer.alloc(0);
    const parts: Buffer[] = [];
    let offset = 0;
    for (const name of readdirSync(folder)
      .filter((entry) => /^\d{16}$/.test(entry))
      .sort()) {
      if (Number(name) !== offset) throw new Error(`chunk ${name} begins where ${offset} bytes were stored`);
      const part = readFileSync(join(folder, name));
      parts.push(part);
      offset += part.length;
    }
    return Buffer.concat(parts);
  }

  /** events.jsonl as the host has it, or as the store does where the host had no room for it. */
  storedEvents(attempt: AttemptFile): string {
    const stored = join(this.store, attempt.runPrefix, "attempts", String(attempt.attempt), "events.jsonl");
    return this.text(attempt, "events.jsonl") + (existsSync(stored) ? readFileSync(stored, "utf8") : "");
  }

  carrying(attempt: AttemptFile): number[] {
    return carriers(attempt.nonce);
  }

  /** Ends every process of this fixture's attempts (by its folder and nonces, nothing else) and removes the folders. */
  dispose(): void {
    const own = (): number[] => [...processesNaming(this.home), ...this.nonces.flatMap(carriers)];
    for (let round = 0; round < 50; round++) {
      const pids = own();
      if (pids.length === 0) break;
      for (const pid of pids) kill(pid, "SIGKILL");
    }
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}

/** kill(2) that accepts that the process is gone. */
export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already.
  }
}

function carriers(nonce: string): number[] {
  const found = spawnSync("sh", ["-c", 'grep -ls "RUNCTL_NONCE=$1" /proc/[0-9]*/environ', "sh", nonce], { encoding: "utf8" });
  return found.stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => Number(line.split("/")[2]))
    .filter((pid) => !isZombie(pid));
}

function processesNaming(home: string): number[] {
  const pids: number[] = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    try {
      if (readFileSync(`/proc/${entry}/cmdline`, "utf8").includes(home) && !isZombie(Number(entry))) pids.push(Number(entry));
    } catch {
      // Gone meanwhile.
    }
  }
  return pids;
}

/** True when the process is dead and only waits for its parent to look. */
export function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
  } catch {
    return true;
  }
}

/** The path of a Python of this version on this machine, if any. */
export function pythonOf(version: string): string | undefined {
  const name = `python${version}`;
  const roots = existsSync("/root/.pyenv/versions")
    ? readdirSync("/root/.pyenv/versions").map((v) => `/root/.pyenv/versions/${v}/bin`)
    : [];
  for (const folder of [...(process.env.PATH ?? "").split(":"), ...roots]) {
    const path = join(folder, name);
    if (!existsSync(path)) continue;
    try {
      const said = execFileSync(path, ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
      if (said.trim() === version) return path;
    } catch {
      // A shim without that version.
    }
  }
  return undefined;
}
