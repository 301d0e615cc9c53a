import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Clock,
  type HostHooks,
  type HostSession,
  HostUnreachableError,
  type Random,
  randomId,
  systemClock,
  systemRandom,
  type Timer,
} from "@runctl/core/provider";
import type { MachineContext, MachineHost, MachineHostFactory, MachineNotice } from "../cloud/machine-host.ts";
import { pretendReboot, trainingsIn } from "./process-disk.ts";
import { killAllOf, MARK, processesOf } from "./process-marks.ts";
import { ProcessSession } from "./process-session.ts";
import { HostRecords } from "./trainings.ts";

/** How real processes stand in for machines. */
export interface ProcessHostOptions {
  /** Folder for the machines' disks. Default: a new one below the system's temporary folder, removed by `dispose`. */
  root?: string | undefined;
  /** Default: this computer's. It must be real time: processes know no other. */
  clock?: Clock | undefined;
  random?: Random | undefined;
  /** The environment of a machine's processes. Default: PATH, HOME, LANG and TMPDIR of this process. */
  env?: Record<string, string> | undefined;
  /** Where trainings are written down. Default: a list of its own, found as `records` of the result. */
  records?: HostRecords | undefined;
}

/** Makes hosts of real processes, and ends them all. */
export interface ProcessHosts {
  (context: MachineContext): ProcessHost;
  /** Complete for machines that were halted; `collect` reads the others'. */
  readonly records: HostRecords;
  /** By the machine's id. */
  readonly hosts: ReadonlyMap<string, ProcessHost>;
  /** Brings `records` up to date. */
  collect(): void;
  /** Kills every process of every machine and removes their folders. @throws Error when a process does not die. */
  dispose(): void;
}

/** How often a machine's own wish to be switched off is looked for. */
const LOOK_MS = 100;
const END_RETRY_MS = 1_000;

/**
 * Machines that are real processes of this computer under the real clock, with the real host agent: a folder is the disk, all processes carry the
 * machine's mark, and the loss of power is SIGKILL to everything that carries it. Use `processHooks` as the cloud's hooks. What cannot be
 * shown: a network that is cut between such a machine and its store.
 */
export function processHost(options: ProcessHostOptions = {}): ProcessHosts {
  const root = options.root ?? mkdtempSync(join(tmpdir(), "runctl-machines-"));
  const records = options.records ?? new HostRecords();
  const hosts = new Map<string, ProcessHost>();
  const make = (context: MachineContext): ProcessHost => {
    const host = new ProcessHost(context, root, options, records);
    hosts.set(context.id, host);
    return host;
  };
  return Object.assign(make satisfies MachineHostFactory, {
    records,
    hosts,
    collect: () => {
      for (const host of hosts.values()) host.collect();
    },
    dispose: () => {
      for (const host of hosts.values()) host.halt("gone");
      const left = [...hosts.values()].flatMap((host) => host.processes());
      if (options.root === undefined) rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
      if (left.length > 0) throw new Error(`these processes do not die: ${left.join(", ")}`);
    },
  });
}

/** The hooks of a cloud whose machines are process hosts: sh that the real agent runs in the attempt's folder, `<home>/runs/<run>/<attempt>`. */
export function processHooks(guard: "os-poweroff" | "host-calls-api" | "none" = "os-poweroff"): HostHooks {
  const notice = "cat ../../../notice.json 2>/dev/null";
  if (guard === "none") return { notice };
  const end = `: >../../../${guard === "os-poweroff" ? POWER_OFF : END_ITSELF}`;
  return { notice, stop: end, terminate: end };
}

const POWER_OFF = "poweroff.wish";
const END_ITSELF = "end-itself.wish";

/** One machine. */
export class ProcessHost implements MachineHost {
  readonly context: MachineContext;
  /** RUNCTL_HOME of this machine. */
  readonly home: string;
  readonly #cacheDir: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #env: Record<string, string>;
  readonly #token: string;
  readonly #records: HostRecords;
  #boots = 0;
  #isOn = false;
  #look: Timer | undefined;

  constructor(context: MachineContext, root: string, options: ProcessHostOptions, records: HostRecords) {
    this.context = context;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#records = records;
    this.#token = randomId(systemRandom, 24);
    this.#cacheDir = join(root, "cache");
    this.home = join(root, encodeURIComponent(context.id));
    this.#env = { ...(options.env ?? inherited()), RUNCTL_HOME: this.home, [MARK]: this.#token };
    mkdirSync(this.home, { recursive: true, mode: 0o700 });
  }

  /** Ids of the processes that run on it. */
  processes(): number[] {
    return processesOf(this.#token);
  }

  boot(): void {
    if (this.#isOn) return;
    this.#isOn = true;
    this.#boots += 1;
    mkdirSync(this.home, { recursive: true, mode: 0o700 });
    for (const wish of [POWER_OFF, END_ITSELF]) rmSync(join(this.home, wish), { force: true });
    // This computer was not started anew, but the machine was.
    if (this.#boots > 1) pretendReboot(this.home, this.#boots - 1);
    this.#watchWishes();
  }

  notice(notice: MachineNotice | undefined): void {
    const path = join(this.home, "notice.json");
    if (notice === undefined) {
      rmSync(path, { force: true });
      return;
    }
    const at = notice.atMs === undefined ? null : new Date(notice.atMs).toISOString();
    // The disk may just be going away.
    if (!existsSync(this.home)) return;
    writeFileSync(`${path}.new`, `${JSON.stringify({ action: notice.action, at })}\n`);
    renameSync(`${path}.new`, path);
  }

  halt(disk: "kept" | "gone"): void {
    const wasOn = this.#isOn;
    this.#isOn = false;
    this.#look?.cancel();
    if (wasOn) killAllOf(this.#token);
    this.collect();
    if (disk === "gone") rmSync(this.home, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  }

  async connect(): Promise<HostSession> {
    if (!this.#isOn) throw new HostUnreachableError({ what: `The machine ${this.context.id} does not answer.` });
    const boot = this.#boots;
    return new ProcessSession({
      id: this.context.id,
      home: this.home,
      cacheDir: this.#cacheDir,
      env: this.#env,
      clock: this.#clock,
      random: this.#random,
      isUp: () => this.#isOn && this.#boots === boot,
    });
  }

  /** Writes down who trained on it, and what is known of it by now. */
  collect(): void {
    for (const found of trainingsIn(this.home, this.context.id, this.#isOn ? undefined : this.#clock.now())) {
      const known = this.#records.trainings.find((one) => one.nonce === found.nonce && one.machineId === found.machineId);
      if (known === undefined) this.#records.trainings.push(found);
      else if (known.to === undefined) Object.assign(known, found);
    }
  }

  #watchWishes(): void {
    this.#look = this.#clock.timer(
      LOOK_MS,
      () => {
        if (!this.#isOn) return;
        if (existsSync(join(this.home, POWER_OFF))) {
          this.context.powerOff();
          return;
        }
        if (!existsSync(join(this.home, END_ITSELF))) {
          this.#watchWishes();
          return;
        }
        this.context.endItself().catch(() => {
          if (this.#isOn) this.#look = this.#clock.timer(END_RETRY_MS, () => this.#watchWishes(), { unref: true });
        });
      },
      { unref: true },
    );
  }
}

function inherited(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of ["PATH", "HOME", "LANG", "TMPDIR"]) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}
