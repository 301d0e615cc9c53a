import { type Clock, type HostSession, HostUnreachableError, type ObjectStore } from "@runctl/core/provider";
import type { AttemptFile, AttemptSecrets } from "@runctl/core/seams";
import type { MachineContext, MachineHost, MachineHostFactory, MachineNotice } from "../cloud/machine-host.ts";
import { AttemptDisk } from "./attempt-disk.ts";
import { AttemptModel, type AttemptPort } from "./attempt-model.ts";
import type { Job } from "./job-model.ts";
import { Power } from "./power.ts";
import { SimulatedSession } from "./simulated-session.ts";
import { HostRecords } from "./trainings.ts";

/** What simulated hosts stand on. */
export interface SimulatedHostOptions {
  /** The world's time, not a controller's. */
  clock: Clock;
  /**
   * The store that hosts write to, past any controller's gate, or one for each kind of access. Keys are put below `settings.uri` of its
   * `hostAccess` (a folder of kind "file": below `settings.root`).
   */
  store: ObjectStore | ((access: { kind: string }) => ObjectStore);
  /** Where trainings and impossible calls are written down. Default: a list of its own, found as `records` of the result. */
  records?: HostRecords | undefined;
  /** Does each boot start the guardians of attempts that are on the disk, as a boot hook would? Default: if the machine's intent has one. */
  guardianAtBoot?: boolean | undefined;
  /**
   * A boot hook switches the machine off at its intent's `endBy` if no attempt was armed on it by then, as the cloud-init of a provider
   * with boot "user-data" does: without one nobody watches a machine whose buyer died before it was armed. Default false.
   */
  bootGuard?: boolean | undefined;
}

/** Makes simulated hosts, and knows them. */
export interface SimulatedHosts {
  (context: MachineContext): SimulatedHost;
  readonly records: HostRecords;
  /** By the machine's id. */
  readonly hosts: ReadonlyMap<string, SimulatedHost>;
}

/**
 * Hosts that are a model of the host agent and of a training job: they obey HostClient calls, claim, train, publish checkpoints, save on
 * notices and end at limits as the real agent does, by time and with one timer for each attempt. A provider's hooks are understood by
 * their text: one that contains "poweroff" or "shutdown" switches the machine off, any other ends it through the cloud's API.
 */
export function simulatedHost(job: Job, options: SimulatedHostOptions): SimulatedHosts {
  const records = options.records ?? new HostRecords();
  const hosts = new Map<string, SimulatedHost>();
  const make = (context: MachineContext): SimulatedHost => {
    const host = new SimulatedHost(context, job, options, records);
    hosts.set(context.id, host);
    return host;
  };
  return Object.assign(make satisfies MachineHostFactory, { records, hosts });
}

/** How a machine hangs: "deaf" answers no controller and trains on; "frozen" does nothing at all until it is thawed. */
export type Hang = "deaf" | "frozen";

/** One machine's inside. */
export class SimulatedHost implements MachineHost {
  readonly context: MachineContext;
  readonly #job: Job;
  readonly #options: SimulatedHostOptions;
  readonly #records: HostRecords;
  readonly #disks = new Map<string, AttemptDisk>();
  readonly #live = new Map<string, AttemptModel>();
  readonly #holders = new Map<AttemptModel, boolean>();
  readonly #watchers = new Map<string, Set<() => void>>();
  /** Files that sessions wrote. */
  readonly files = new Map<string, Uint8Array>();
  #power: Power | undefined;
  #boots = 0;
  #isDeaf = false;
  #frozenSince = 0;
  #notice: { action: string; at: string | null } | undefined;
  #noticeSince = 0;

  constructor(context: MachineContext, job: Job, options: SimulatedHostOptions, records: HostRecords) {
    this.context = context;
    this.#job = job;
    this.#options = options;
    this.#records = records;
  }

  /** RUNCTL_HOME on this machine. */
  get home(): string {
    return "/home/runctl";
  }

  get isOn(): boolean {
    return this.#power !== undefined;
  }

  boot(): void {
    if (this.#power !== undefined) {
      this.refuse("boot", "it is running");
      return;
    }
    this.#boots += 1;
    this.#power = new Power(this.#options.clock, `${this.context.id}-boot-${this.#boots}`);
    this.#isDeaf = false;
    if (this.#options.bootGuard === true) {
      const left = Math.max(0, Date.parse(this.context.intent.endBy) - this.#options.clock.now());
      this.#power.at(this.#power.bootedAt + left, () => {
        if (this.#disks.size === 0) this.context.powerOff();
      });
    }
    if (this.#options.guardianAtBoot ?? this.context.intent.boot !== "") {
      for (const disk of this.#disks.values()) this.#attempt(disk).arm(undefined);
    }
  }

  notice(notice: MachineNotice | undefined): void {
    this.#notice =
      notice === undefined
        ? undefined
        : { action: notice.action, at: notice.atMs === undefined ? null : new Date(notice.atMs).toISOString() };
    this.#noticeSince = this.#options.clock.monotonic();
    for (const attempt of this.#live.values()) attempt.wake();
  }

  halt(disk: "kept" | "gone"): void {
    const power = this.#power;
    if (power !== undefined) {
      this.#power = undefined;
      power.off();
      for (const attempt of this.#live.values()) attempt.powerOff();
      this.#live.clear();
      this.#holders.clear();
      // Connections break: whoever watched looks, and finds nobody.
      for (const key of [...this.#watchers.keys()]) this.#changed(key);
    }
    if (disk === "gone") {
      this.#disks.clear();
      this.files.clear();
    }
  }

  async connect(): Promise<HostSession> {
    const power = this.#power;
    if (power === undefined) {
      this.refuse("connect", "it has no power");
      throw unreachable(this.context.id);
    }
    if (this.#isDeaf || power.isFrozen) throw unreachable(this.context.id);
    return new SimulatedSession(this, power);
  }

  /** It hangs, or goes on (undefined). */
  hang(how: Hang | undefined): void {
    const power = this.#power;
    if (power === undefined) return;
    this.#isDeaf = how === "deaf";
    if (how === "frozen" && !power.isFrozen) {
      this.#frozenSince = this.#options.clock.monotonic();
      power.freeze();
    } else if (how !== "frozen" && power.isFrozen) {
      const ms = this.#options.clock.monotonic() - this.#frozenSince;
      power.thaw();
      for (const attempt of this.#live.values()) attempt.thawed(ms);
    }
    // What was not told meanwhile.
    if (how === undefined) for (const key of [...this.#watchers.keys()]) this.#changed(key);
  }

  /** The attempt's processes, to kill some of them; undefined when it is not on this machine now. */
  attempt(runId: string, attempt: number): AttemptModel | undefined {
    return this.#live.get(`${runId}/${attempt}`);
  }

  /** @throws HostUnreachableError unless this boot is alive and answers. */
  mustAnswer(power: Power): void {
    if (this.#power !== power || this.#isDeaf || power.isFrozen) throw unreachable(this.context.id);
  }

  /** The first half of a start: the attempt's folder is there, once. */
  place(file: AttemptFile): void {
    const key = `${file.runId}/${file.attempt}`;
    if (file.machineId.split("/").at(-1) !== this.context.id) this.refuse("start", `${key} was made for ${file.machineId}`);
    let disk = this.#disks.get(key);
    if (disk === undefined) {
      // Through JSON: nothing of the controller is shared, and what JSON cannot hold is lost as in a file.
      disk = new AttemptDisk(JSON.parse(JSON.stringify(file)) as AttemptFile);
      this.#disks.set(key, disk);
    } else if (disk.file.nonce !== file.nonce) {
      this.refuse("start", `${key} is here with another nonce`);
    }
  }

  /** The second half: bootstrap.sh arms the guardian, once. */
  arm(file: AttemptFile, secrets: AttemptSecrets): void {
    this.find(file.runId, file.attempt)?.arm(secrets);
  }

  /** The attempt with its processes, if its folder is here. */
  find(runId: string, attempt: number): AttemptModel | undefined {
    const disk = this.#disks.get(`${runId}/${attempt}`);
    return disk === undefined ? undefined : this.#attempt(disk);
  }

  /** Calls back whenever something of the attempt changes, and when the machine is gone. */
  watch(runId: string, attempt: number, onChange: () => void): () => void {
    const key = `${runId}/${attempt}`;
    const watchers = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, watchers.add(onChange));
    return () => {
      watchers.delete(onChange);
      if (watchers.size === 0 && this.#watchers.get(key) === watchers) this.#watchers.delete(key);
    };
  }

  #changed(key: string): void {
    if (this.#isDeaf) return;
    for (const watcher of [...(this.#watchers.get(key) ?? [])]) watcher();
  }

  /** Writes down a call that should not have been made. */
  refuse(op: string, why: string): void {
    this.#records.refusals.push({ at: this.#options.clock.now(), machineId: this.context.id, op, why });
  }

  #attempt(disk: AttemptDisk): AttemptModel {
    const key = `${disk.file.runId}/${disk.file.attempt}`;
    let attempt = this.#live.get(key);
    if (attempt === undefined) {
      attempt = new AttemptModel(disk, this.#port());
      this.#live.set(key, attempt);
    }
    return attempt;
  }

  #port(): AttemptPort {
    const { clock, store } = this.#options;
    const power = this.#power;
    if (power === undefined) throw unreachable(this.context.id);
    return {
      power,
      job: this.#job,
      machineId: this.context.id,
      zone: this.context.zone,
      now: () => clock.monotonic(),
      wall: () => clock.now(),
      storeFor: (access) => (typeof store === "function" ? store(access) : store),
      isOnline: () => this.context.isOnline(),
      takeHost: (attempt) => this.#takeHost(attempt),
      releaseHost: (attempt) => void this.#holders.delete(attempt),
      isUsedByAnother: (attempt) =>
        [...this.#live.values()].some((other) => other !== attempt && other.guardianIsAlive && other.disk.final === undefined),
      hasOtherGuardian: (attempt) => [...this.#live.values()].some((other) => other !== attempt && other.guardianIsAlive),
      notice: () => this.#notice,
      noticeSince: () => this.#noticeSince,
      runHook: (hook) => this.#runHook(hook),
      changed: (attempt) => this.#changed(`${attempt.disk.file.runId}/${attempt.disk.file.attempt}`),
      recordTraining: (training) => void this.#records.trainings.push(training),
    };
  }

  /** hostlock.py: an exclusive lock, or shared ones. */
  #takeHost(attempt: AttemptModel): string | undefined {
    const { exclusive } = attempt.disk.file;
    for (const [holder, isExclusive] of this.#holders) {
      if (holder === attempt || !(exclusive || isExclusive)) continue;
      // One that may share is allowed beside any other.
      if (!exclusive) return undefined;
      return holder.disk.file.runId;
    }
    this.#holders.set(attempt, exclusive);
    return undefined;
  }

  async #runHook(hook: string): Promise<void> {
    if (/poweroff|shutdown/.test(hook)) this.context.powerOff();
    else await this.context.endItself();
  }
}

function unreachable(id: string): HostUnreachableError {
  return new HostUnreachableError({ what: `The machine ${id} does not answer.` });
}
