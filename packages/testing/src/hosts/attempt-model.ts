import type { ObjectStore } from "@runctl/core/provider";
import type { AttemptSecrets, HostObservation, HostStatus } from "@runctl/core/seams";
import type { AttemptDisk } from "./attempt-disk.ts";
import { Guardian, type GuardianHost } from "./guardian.ts";
import { type HostStore, openHostStore } from "./host-store.ts";
import type { Job, ResolvedJob } from "./job-model.ts";
import { Life, type Power } from "./power.ts";
import { Supervisor, type SupervisorHost } from "./supervisor.ts";
import { type TrainingEvent, TrainingProcess } from "./training-process.ts";
import type { Training } from "./trainings.ts";

/** What an attempt finds on its machine. */
export interface AttemptPort {
  readonly power: Power;
  readonly job: Job;
  readonly machineId: string;
  readonly zone: string;
  now(): number;
  wall(): number;
  storeFor(access: { kind: string }): ObjectStore;
  isOnline(): boolean;
  takeHost(attempt: AttemptModel): string | undefined;
  releaseHost(attempt: AttemptModel): void;
  /** Is another attempt's guardian alive here? */
  hasOtherGuardian(attempt: AttemptModel): boolean;
  /** Is there an attempt beside it that is not over? */
  isUsedByAnother(attempt: AttemptModel): boolean;
  notice(): { action: string; at: string | null } | undefined;
  noticeSince(): number;
  runHook(hook: string): Promise<void>;
  recordTraining(training: Training): void;
  /** Something that an observer would see. */
  changed(attempt: AttemptModel): void;
}

/** One attempt on a machine with power: its guardian, supervisor and training, woken by one timer. */
export class AttemptModel implements SupervisorHost, GuardianHost {
  readonly disk: AttemptDisk;
  readonly #port: AttemptPort;
  #guardian: Guardian | undefined;
  #supervisor: Supervisor | undefined;
  /** A supervisor that hangs: alive for the kernel, since this instant deaf. */
  #wedgedAt: number | undefined;
  #lastFedAt: number | undefined;
  #canStartSupervisor = true;
  #lastStatus: HostStatus | undefined;
  #training: TrainingProcess | undefined;
  #record: Training | undefined;
  #timer: { due: number; cancel(): void } | undefined;
  #isTicking = false;
  #isWoken = false;
  #hadSecrets = false;
  #firstSupervisorAt: number | undefined;

  constructor(disk: AttemptDisk, port: AttemptPort) {
    this.disk = disk;
    this.#port = port;
  }

  // --- the controller's side

  /** bootstrap.sh: arms the guardian, once. */
  arm(secrets: AttemptSecrets | undefined): void {
    if (secrets !== undefined) this.#hadSecrets = this.disk.needsSecrets(secrets);
    if (this.#guardian?.isAlive === true || (this.disk.ended !== undefined && this.disk.endHook === null)) return;
    if (this.disk.ended === undefined && this.#supervisor === undefined) this.#newSupervisor(secrets);
    this.#guardian = new Guardian(this);
    this.wake();
  }

  observe(eventsOffset: number): HostObservation {
    const { disk } = this;
    const { events, eventsOffset: next } = this.#eventsFrom(eventsOffset);
    return {
      exists: true,
      alive: {
        guardian: this.#guardian?.isAlive === true,
        supervisor: this.supervisorIsAlive(),
        runner: this.trainingIsAlive(),
      },
      status: this.#isHealthy() ? this.#supervisor?.status() : this.#lastStatus,
      notice: disk.notice,
      exit: disk.exit,
      final: disk.final,
      events,
      eventsOffset: next,
    };
  }

  #eventsFrom(offset: number): Pick<HostObservation, "events" | "eventsOffset"> {
    const { events } = this.disk;
    // Most looks find nothing new.
    if (offset >= events.size) return { events: [], eventsOffset: offset };
    const text = new TextDecoder().decode(events.read(offset, 4 << 20));
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    const lines = whole.split("\n").filter((line) => line !== "");
    return {
      events: lines.map((line) => JSON.parse(line) as HostObservation["events"][number]),
      eventsOffset: offset + Buffer.byteLength(whole),
    };
  }

  control(command: Record<string, unknown>): void {
    this.disk.control.push(command);
    this.wake();
  }

  // --- the machine's side

  /** The power goes: closes the books. */
  powerOff(): void {
    const now = this.now();
    if (this.#isHealthy()) this.#lastStatus = this.#supervisor?.status();
    this.#guardian?.persist(now);
    if (this.#training !== undefined) this.#deliver(this.#training.advance(now));
    this.#training?.kill(now);
    this.#closeRecord();
    this.#timer?.cancel();
  }

  /** The machine stood still. */
  thawed(ms: number): void {
    this.#training?.shift(ms);
    this.wake();
  }

  killSupervisor(): void {
    if (this.#supervisor === undefined) return;
    if (this.#isHealthy()) {
      this.#lastStatus = this.#supervisor.status();
      this.#lastFedAt = this.now();
    }
    this.#supervisor.life.end();
    this.#supervisor = undefined;
    this.#wedgedAt = undefined;
    this.wake();
  }

  /** It hangs from now on. */
  wedgeSupervisor(): void {
    if (!this.#isHealthy()) return;
    this.#lastStatus = this.#supervisor?.status();
    this.#wedgedAt = this.now();
    this.#supervisor?.life.end();
    this.wake();
  }

  killGuardian(): void {
    this.#guardian?.persist(this.now());
    if (this.#guardian !== undefined) this.#guardian.isAlive = false;
    this.wake();
  }

  // --- SupervisorHost and GuardianHost

  get power(): Power {
    return this.#port.power;
  }
  get job(): Job {
    return this.#port.job;
  }
  get machineId(): string {
    return this.#port.machineId;
  }
  get zone(): string {
    return this.#port.zone;
  }
  now(): number {
    return this.#port.now();
  }
  wall(): number {
    return this.#port.wall();
  }
  iso(): string {
    return new Date(this.#port.wall()).toISOString();
  }

  open(index: number, life: Life): HostStore {
    const entry = this.disk.file.stores[index];
    if (entry === undefined) throw new Error(`the attempt names no store ${index}`);
    return openHostStore(entry, this.#port.storeFor(entry.access), {
      isOnline: () => this.#port.isOnline(),
      reply: (work) => life.reply(work),
    });
  }

  emit(event: Record<string, unknown>): void {
    this.disk.events.append(`${JSON.stringify({ ...event, at: this.iso() })}\n`);
    if (event.type === "checkpoint-published" && this.#record !== undefined) {
      this.#record.stepPublished = this.#record.stepSaved;
    }
    this.changed();
  }

  wasTold(manifest: string): boolean {
    return this.disk.events.toString().includes(JSON.stringify(manifest));
  }

  changed(): void {
    this.#port.changed(this);
  }

  takeHost(): string | undefined {
    return this.#port.takeHost(this);
  }
  releaseHost(): void {
    this.#port.releaseHost(this);
  }
  training(): TrainingProcess | undefined {
    return this.#training;
  }
  trainingIsAlive(): boolean {
    return this.#training !== undefined && !this.#training.ended;
  }
  supervisorIsAlive(): boolean {
    return this.#supervisor !== undefined && !this.#supervisor.isOver;
  }

  launch(job: ResolvedJob, step: number): void {
    const { disk } = this;
    const now = this.now();
    disk.runner = { bootId: this.power.bootId, startedUptime: this.power.uptime, startedAt: this.iso() };
    if (job.spawnFails !== undefined) {
      disk.exit = { code: 127, signal: null, endedUptime: this.power.uptime, endedAt: this.iso(), spawnError: job.spawnFails };
      return;
    }
    this.#training = new TrainingProcess(job, now, step, disk.file.checkpoints !== null);
    const { runId, attempt, nonce } = disk.file;
    this.#record = {
      runId,
      attempt,
      nonce,
      machineId: this.machineId,
      from: this.wall(),
      stepsFrom: step,
      stepsTo: step,
      resumedFrom: disk.restored?.manifest ?? null,
    };
    this.#port.recordTraining(this.#record);
    this.#print(`training from step ${step} to ${job.steps}\n`);
    this.#deliver(this.#training.advance(now));
  }

  signalTraining(): void {
    if (this.#training !== undefined) this.#deliver(this.#training.signal(this.now()));
  }

  killTraining(): void {
    if (this.#training !== undefined) this.#deliver(this.#training.kill(this.now()));
  }

  notice(): { action: string; at: string | null } | undefined {
    return this.#port.notice();
  }
  noticeSince(): number {
    return this.#port.noticeSince();
  }
  runHook(hook: string): Promise<void> {
    return this.#port.runHook(hook);
  }
  isUsedByAnother(): boolean {
    return this.#port.isUsedByAnother(this);
  }

  isFed(): boolean {
    return this.#isHealthy();
  }

  fedAt(now: number): number | undefined {
    if (this.#isHealthy()) return now;
    return this.#wedgedAt ?? this.#lastFedAt;
  }

  startSupervisor(): boolean {
    if (!this.#canStartSupervisor) return false;
    this.#newSupervisor(undefined);
    return true;
  }

  endMachine(): void {
    const { endHook } = this.disk;
    if (endHook === null || this.#port.hasOtherGuardian(this)) return;
    const { power } = this;
    const again = (): void => void power.at(this.now() + 30_000, attempt);
    const attempt = (): void => {
      power.reply(this.#port.runHook(endHook)).catch(again);
    };
    attempt();
  }

  get guardianIsAlive(): boolean {
    return this.#guardian?.isAlive === true;
  }

  // --- the loop

  /** Looks at everything again as soon as whoever calls is through. */
  wake(): void {
    this.#isWoken = true;
    if (!this.#isTicking) this.#tick();
  }

  #tick(): void {
    if (this.power.isOff) return;
    if (this.power.isFrozen) return void this.#schedule(this.now());
    this.#isTicking = true;
    const before = this.now();
    try {
      // A round may give the next one something to do; a machine that ends itself stops it.
      for (let round = 0; this.#isWoken && round < 50 && !this.power.isOff; round++) {
        this.#isWoken = false;
        this.#befall();
        if (this.#training !== undefined) this.#deliver(this.#training.advance(this.now()));
        if (this.#isHealthy()) this.#supervisor?.tick();
        this.#guardian?.tick(this.now());
      }
    } finally {
      this.#isTicking = false;
    }
    this.#schedule(before);
  }

  /** What the job model wants to happen to the agent. */
  #befall(): void {
    const next = this.#nextFault();
    if (next === undefined || next.at > this.now()) return;
    this.#doneFaults.add(next.what);
    if (this.disk.job?.agent.forGood === true) this.#canStartSupervisor = false;
    if (next.what === "wedged") this.wedgeSupervisor();
    else this.killSupervisor();
  }

  readonly #doneFaults = new Set<"dies" | "wedged">();

  #nextFault(): { what: "dies" | "wedged"; at: number } | undefined {
    const faults = this.disk.job?.agent;
    if (faults === undefined || this.#firstSupervisorAt === undefined || !this.#isHealthy()) return undefined;
    if (faults.supervisorDiesAt !== undefined && !this.#doneFaults.has("dies")) {
      return { what: "dies", at: this.#firstSupervisorAt + faults.supervisorDiesAt * 1000 };
    }
    if (faults.wedgedAt !== undefined && !this.#doneFaults.has("wedged")) {
      return { what: "wedged", at: this.#firstSupervisorAt + faults.wedgedAt * 1000 };
    }
    return undefined;
  }

  #schedule(now: number): void {
    if (this.power.isOff) return;
    let due = this.#training?.wakeAt() ?? Number.POSITIVE_INFINITY;
    if (this.#isHealthy()) due = Math.min(due, this.#supervisor?.nextAt() ?? due, this.#nextFault()?.at ?? due);
    if (this.#guardian !== undefined) due = Math.min(due, this.#guardian.nextAt(this.now()));
    if (this.#isWoken) due = this.now();
    // Never twice at one instant: a look that changes nothing must not become a loop without time.
    due = Math.max(due, now + 1);
    if (this.#timer?.due === due) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (due === Number.POSITIVE_INFINITY) return;
    const timer = this.power.at(due, () => {
      this.#timer = undefined;
      this.wake();
    });
    this.#timer = { due, cancel: () => timer.cancel() };
  }

  #isHealthy(): boolean {
    return this.supervisorIsAlive() && this.#wedgedAt === undefined;
  }

  #newSupervisor(secrets: AttemptSecrets | undefined): void {
    const supervisor = new Supervisor(this, new Life(this.power), secrets, this.#hadSecrets);
    this.#supervisor = supervisor;
    this.#wedgedAt = undefined;
    this.#firstSupervisorAt ??= this.now();
    supervisor.begin();
    this.wake();
  }

  #deliver(events: TrainingEvent[]): void {
    for (const event of events) {
      const wall = this.wall() - (this.now() - event.at);
      if (event.type === "saved") {
        const metrics = Object.entries(this.disk.job?.metricsAt(event.step) ?? {});
        this.#print(`step ${event.step}${metrics.map(([name, value]) => ` ${name}=${value}`).join("")}\n`);
        if (this.#record !== undefined) this.#record.stepSaved = event.step;
        if (this.#isHealthy()) this.#supervisor?.saved(event.step);
        else this.disk.unseenSave = event.step;
        continue;
      }
      this.disk.isWhole ||= event.isWhole;
      this.disk.isDone ||= event.isWhole && this.disk.job?.doneFile === true;
      const { code, signal } = event;
      const endedUptime = (event.at - this.power.bootedAt) / 1000;
      this.disk.exit = { code, signal, endedUptime, endedAt: new Date(wall).toISOString() };
      this.#closeRecord(wall);
    }
    if (events.length > 0) {
      this.#isWoken = true;
      this.changed();
    }
  }

  #closeRecord(wall = this.wall()): void {
    const record = this.#record;
    if (record === undefined || record.to !== undefined || this.#training === undefined) return;
    record.to = wall;
    record.stepsTo = this.#training.stepAt(this.now());
  }

  #print(text: string): void {
    if (this.disk.job?.silent !== true) this.disk.log.append(text);
  }
}
