import type { AttemptCause, AttemptSecrets, HostFinal, HostStatus } from "@runctl/core/seams";
import type { AttemptDisk } from "./attempt-disk.ts";
import { causeOf, failureOf, type Verdict } from "./causes.ts";
import { type Ending, finalOf, lastUploads, RETRY_MS, Shipping } from "./finish.ts";
import { type HostStore, StoreFailure } from "./host-store.ts";
import { graceFor } from "./interruption.ts";
import { type Job, type JobCircumstances, type ResolvedJob, resolveJob } from "./job-model.ts";
import { limitReached, nextLimitAt } from "./limits.ts";
import type { Life, Power } from "./power.ts";
import { PublisherModel } from "./publisher.ts";
import { type Prepared, prepare, SetupEnded } from "./setup.ts";
import type { TrainingProcess } from "./training-process.ts";

/** What a supervisor finds on its machine. */
export interface SupervisorHost {
  readonly disk: AttemptDisk;
  readonly power: Power;
  readonly job: Job;
  readonly machineId: string;
  readonly zone: string;
  now(): number;
  wall(): number;
  iso(): string;
  /** `stores[index]` of the attempt, for one life. */
  open(index: number, life: Life): HostStore;
  emit(event: Record<string, unknown>): void;
  wasTold(manifest: string): boolean;
  changed(): void;
  /** Look at everything again, soon. */
  wake(): void;
  /** Takes the host's lock: the run that has it, if it is another's. */
  takeHost(): string | undefined;
  releaseHost(): void;
  training(): TrainingProcess | undefined;
  launch(job: ResolvedJob, step: number): void;
  signalTraining(): void;
  killTraining(): void;
  /** The provider's notice as its hook tells it now. */
  notice(): { action: string; at: string | null } | undefined;
  /** Since when, monotonic. */
  noticeSince(): number;
  runHook(hook: string): Promise<void>;
  isUsedByAnother(): boolean;
}

type Phase = HostStatus["phase"];
type State = "setup" | "training" | "finishing" | "policy" | "over";

const NEVER = Number.POSITIVE_INFINITY;
/** attempt/supervisor.py, attempt/notice.py. */
const UPLOAD_MS = 110_000;
const LEAST_UPLOAD_MS = 3_000;
const NOTICE_EVERY_MS = 4_000;
const END_TRIES = 20;
const END_RETRY_MS = 30_000;

/** The agent's supervisor by time: setup, training, stop, last uploads, end policy. */
export class Supervisor {
  readonly life: Life;
  readonly #host: SupervisorHost;
  readonly #disk: AttemptDisk;
  readonly #bornAt: number;
  readonly #secretsLost: boolean;
  readonly #rebooted: boolean;
  /** Uptime at which the attempt began. */
  readonly #begun: number;
  readonly #store: HostStore;
  readonly #shipping: Shipping;
  #state: State = "setup";
  #phase: Phase = "starting";
  #phaseSince: number;
  #noticesFrom: number | undefined;
  #said: string | undefined;
  #cause: AttemptCause | undefined;
  #detail: string | null = null;
  #until: string | null = null;
  #stopSince: number | undefined;
  #doneFirst = false;
  #unsent = false;
  #killAt: number | undefined;
  #publisher: PublisherModel | undefined;
  #prepared: Prepared | undefined;
  #failure: Verdict | undefined;
  #ending: Ending | undefined;
  #giveUpAt = NEVER;
  #uploaded: { lost: string[]; outputs: HostFinal["outputs"] } | undefined;
  #isRecording = false;
  #policySince = 0;
  #policyTries = 0;
  #policyNext = 0;

  constructor(host: SupervisorHost, life: Life, secrets: AttemptSecrets | undefined, hadSecrets: boolean) {
    this.#host = host;
    this.life = life;
    const disk = host.disk;
    this.#disk = disk;
    this.#bornAt = host.now();
    this.#phaseSince = host.power.uptime;
    this.#secretsLost = secrets === undefined && hadSecrets;
    this.#store = host.open(0, life);
    this.#shipping = new Shipping(disk, this.#store, () => JSON.stringify(this.status()));
    const boot = host.power.bootId;
    this.#rebooted = (disk.boots[0] ?? boot) !== boot || (disk.begun ?? { bootId: boot }).bootId !== boot;
    disk.begun ??= { bootId: boot, uptime: host.power.uptime };
    this.#begun = this.#rebooted ? host.power.uptime : disk.begun.uptime;
  }

  /** Goes on where the attempt is. Apart from the constructor: what it does calls back. */
  begin(): void {
    const disk = this.#disk;
    if (disk.final !== undefined) {
      this.#toPolicy();
    } else if (this.#rebooted) {
      if (disk.runner !== undefined && !this.#secretsLost) this.#loadPublisher();
      this.#end("reboot", null);
    } else if (disk.runner !== undefined) {
      if (this.#secretsLost) {
        this.#decision("the supervisor was restarted without its keys: the store cannot be reached from here any more");
      }
      this.#decision("the supervisor was restarted and goes on with the running training");
      this.#startNotices();
      this.#loadPublisher();
      this.#publisher?.start();
      this.#state = "training";
      this.#enter("training");
    } else if (this.#secretsLost) {
      this.#end("agent-lost", null);
    } else {
      void this.#setup();
      this.#startNotices();
    }
  }

  get isOver(): boolean {
    return this.#state === "over";
  }

  /** Takes a finished save. */
  saved(step: number): void {
    this.#publisher?.take(step);
  }

  /** When something happens by itself. */
  nextAt(): number {
    const host = this.#host;
    switch (this.#state) {
      case "setup":
      case "training": {
        let next = this.#nextNoticeAt();
        if (this.#cause === undefined) next = Math.min(next, nextLimitAt(this.#disk, this.#begun, this.#trainingSince(), host.power));
        if (this.#killAt !== undefined && this.#state === "training") next = Math.min(next, this.#killAt);
        return next;
      }
      case "finishing":
        return this.#isRecording ? NEVER : this.#giveUpAt;
      case "policy": {
        const { action, afterSeconds } = this.#disk.endPolicy;
        return action === "none" ? host.now() : Math.max(this.#policyNext, this.#policyAt(afterSeconds));
      }
      default:
        return NEVER;
    }
  }

  tick(): void {
    this.#runControl();
    if (this.#state === "setup" || this.#state === "training") this.#lookForReasons();
    if (this.#state === "setup") this.#tickSetup();
    if (this.#state === "training") this.#tickTraining();
    if (this.#state === "finishing") this.#tickFinishing();
    if (this.#state === "policy") this.#tickPolicy();
  }

  #runControl(): void {
    for (let command = this.#disk.control.shift(); command !== undefined; command = this.#disk.control.shift()) this.#execute(command);
  }

  #execute(command: Record<string, unknown>): void {
    const disk = this.#disk;
    switch (command.op) {
      case "stop":
        this.#stop(command.cause as AttemptCause, typeof command.graceSeconds === "number" ? command.graceSeconds * 1000 : undefined);
        return;
      case "cancel":
        this.#stop("cancel");
        return;
      case "allowance": {
        const { seq, seconds, hardSeconds } = command as { seq: number; seconds: number | null; hardSeconds: number };
        if (seq > disk.allowance.seq) disk.allowance = { seq, seconds, hardSeconds };
        break;
      }
      case "end-policy":
        disk.endPolicy = { action: command.action as "none" | "terminate" | "stop", afterSeconds: Number(command.afterSeconds) };
        break;
      default:
    }
    this.#host.changed();
  }

  /** Begins to end setup or training; the first cause wins. */
  #stop(cause: AttemptCause, graceMs?: number, until: string | null = null, detail: string | null = null): void {
    if (this.#state !== "setup" && this.#state !== "training") return;
    const host = this.#host;
    if (this.#cause !== undefined || this.#recall()) {
      if (cause === "cancel") this.#killAt = host.now();
      return;
    }
    this.#doneFirst = this.#disk.isDone;
    const ms = cause === "cancel" ? 0 : (graceMs ?? this.#disk.graceMs);
    this.#disk.notice = { cause, at: host.iso(), until, detail, graceSeconds: ms / 1000 };
    this.#cause = cause;
    this.#detail = detail;
    this.#until = until;
    this.#stopSince = host.power.uptime;
    this.#killAt = host.now() + ms;
    if (this.#phase === "training") this.#enter("stopping");
    host.changed();
    if (cause !== "cancel") this.#signal();
  }

  #signal(): void {
    this.#unsent = this.#disk.runner === undefined;
    if (!this.#unsent) this.#host.signalTraining();
  }

  /** Takes over a notice that is on disk: the guardian's, or one from before a restart. True when it is news. */
  #recall(): boolean {
    const { notice } = this.#disk;
    if (this.#cause !== undefined || notice === undefined) return false;
    this.#cause = notice.cause;
    this.#detail = notice.detail ?? null;
    this.#until = notice.until;
    this.#killAt = this.#host.now() + (notice.cause === "cancel" ? 0 : (notice.graceSeconds ?? this.#disk.graceMs / 1000) * 1000);
    if (this.#phase === "training") this.#enter("stopping");
    return true;
  }

  #lookForReasons(): void {
    const host = this.#host;
    this.#recall();
    if (this.#cause === undefined) {
      const reached = limitReached(this.#disk, this.#begun, this.#trainingSince(), host.power, host.iso());
      if (reached !== undefined) this.#stop(reached.cause, undefined, null, reached.detail);
    }
    const said = host.now() >= this.#nextNoticeAt() ? host.notice() : undefined;
    if (said === undefined) return;
    this.#said = JSON.stringify(said);
    host.emit({ type: "notice", action: said.action, until: said.at, source: "hook" });
    const { grace, decision } = graceFor(said.action, this.#secondsLeft(said.at), this.#disk.graceMs, this.#publisher?.saveSeconds);
    this.#decision(decision);
    if (grace !== undefined) this.#stop("notice", grace, said.at, said.action);
  }

  #startNotices(): void {
    const { hooks } = this.#disk.file;
    if (hooks.notice !== null || hooks.noticeBuiltin !== null) this.#noticesFrom = this.#host.now();
  }

  /** The hook is asked every 4 s; nobody has to wake while it says nothing new. */
  #nextNoticeAt(): number {
    if (this.#noticesFrom === undefined) return NEVER;
    const said = this.#host.notice();
    if (said === undefined || JSON.stringify(said) === this.#said) return NEVER;
    const since = this.#host.noticeSince();
    return this.#noticesFrom + Math.max(0, Math.ceil((since - this.#noticesFrom) / NOTICE_EVERY_MS)) * NOTICE_EVERY_MS;
  }

  #secondsLeft(at: string | null): number | undefined {
    if (at === null) return undefined;
    const ms = Date.parse(`${at.slice(0, 19)}Z`);
    return Number.isNaN(ms) ? undefined : Math.max(0, (ms - this.#host.wall()) / 1000);
  }

  // --- setup

  async #setup(): Promise<void> {
    const host = this.#host;
    const busyWith = host.takeHost();
    const resolve = (circumstances: Pick<JobCircumstances, "resumedStep">): ResolvedJob => {
      const { runId, attempt } = this.#disk.file;
      return resolveJob(host.job, { runId, attempt, ...circumstances, machineId: host.machineId, zone: host.zone });
    };
    try {
      const prepared = await prepare(this.#disk, this.#store, this.#checkpointStore(), this.life, {
        busyWith,
        resolve,
        phase: (phase) => this.#enter(phase),
        iso: () => host.iso(),
        rejected: (manifest, reason) => host.emit({ type: "resume-rejected", manifest, reason }),
        isEnding: () => this.#state !== "setup" || this.#cause !== undefined,
      });
      this.#prepared = prepared;
    } catch (error) {
      if (error instanceof SetupEnded) return;
      this.#failure = failureOf(error);
    }
    host.wake();
  }

  #checkpointStore(): HostStore {
    const index = this.#disk.file.checkpoints?.store ?? 0;
    return index === 0 ? this.#store : this.#host.open(index, this.life);
  }

  #tickSetup(): void {
    if (this.#cause !== undefined) this.#end(this.#cause, null);
    else if (this.#failure !== undefined) this.#end(this.#failure.cause, this.#failure.error);
    else if (this.#prepared !== undefined) {
      const { job, restored } = this.#prepared;
      this.#disk.job = job;
      this.#disk.restored = restored;
      this.#host.launch(job, restored?.step ?? 0);
      this.#loadPublisher();
      this.#state = "training";
      this.#enter("training");
      this.#ship();
    }
  }

  #loadPublisher(): void {
    const { file, job } = this.#disk;
    if (file.checkpoints === null || job === undefined || this.#publisher !== undefined) return;
    this.#publisher = new PublisherModel(file, file.checkpoints.prefix, job, this.#disk.publisher, {
      store: this.#checkpointStore(),
      life: this.life,
      iso: () => this.#host.iso(),
      emit: (event) => {
        this.#host.emit(event);
        if (event.type === "checkpoint-published") this.#ship();
      },
      wasTold: (manifest) => this.#host.wasTold(manifest),
      decision: (text) => this.#decision(text),
      changed: () => this.#host.changed(),
    });
    if (this.#disk.unseenSave !== undefined) this.#publisher.take(this.#disk.unseenSave);
    this.#disk.unseenSave = undefined;
  }

  #ship(): void {
    // While the training runs a failure is tried again with the next thing to tell.
    this.#shipping.once().catch(() => undefined);
  }

  // --- training

  #trainingSince(): number | undefined {
    return this.#rebooted ? undefined : this.#disk.runner?.startedUptime;
  }

  #tickTraining(): void {
    const host = this.#host;
    if (this.#unsent) this.#signal();
    if (this.#disk.exit === undefined && this.#killAt !== undefined && host.now() >= this.#killAt) host.killTraining();
    const { exit } = this.#disk;
    const training = host.training();
    if (exit === undefined && training !== undefined && !training.ended) return;
    const { cause, error } = causeOf(this.#disk, { cause: this.#cause, doneFirst: this.#doneFirst, since: this.#stopSince });
    this.#end(cause, error);
  }

  // --- the end

  #end(cause: AttemptCause, error: HostFinal["error"]): void {
    const host = this.#host;
    if (cause === "busy") this.#disk.endPolicy = { action: "none", afterSeconds: 0 };
    if (cause === "busy") this.#disk.hasNoEndHook = true;
    const { exit, runner } = this.#disk;
    this.#ending = { cause, error, exit: cause === "reboot" ? undefined : exit, startedAt: runner?.startedAt ?? null };
    const now = host.now();
    const hardAt = this.#hardAt();
    // A budget has set time aside for the last uploads; other limits have not.
    this.#giveUpAt = this.#disk.allowance.seconds === null ? Math.max(hardAt, now) + UPLOAD_MS : Math.max(hardAt, now + LEAST_UPLOAD_MS);
    const left = this.#secondsLeft(this.#until);
    // The machine goes away then: the last record has to be out before.
    if (left !== undefined) this.#giveUpAt = Math.min(this.#giveUpAt, now + Math.max(2, left - 3) * 1000);
    this.#enter("uploading");
    this.#state = "finishing";
    void this.#finish(this.#ending);
  }

  async #finish(ending: Ending): Promise<void> {
    this.#uploaded = await lastUploads(ending, {
      disk: this.#disk,
      store: this.#store,
      open: (index) => this.#host.open(index, this.life),
      life: this.life,
      shipping: this.#shipping,
      publisher: this.#publisher,
      giveUpAt: this.#giveUpAt,
      now: () => this.#host.now(),
      emit: (event) => this.#host.emit(event),
    });
    this.#host.wake();
  }

  #tickFinishing(): void {
    if (this.#isRecording || this.#ending === undefined) return;
    if (this.#uploaded === undefined && this.#host.now() < this.#giveUpAt) return;
    this.#isRecording = true;
    const uploaded = this.#uploaded ?? { lost: ["uploads that the time limit cut off"], outputs: [] };
    void this.#record(this.#ending, uploaded);
  }

  /** final.json, first into the store and then here: whoever sees it here may take the machine away. */
  async #record(ending: Ending, uploaded: { lost: string[]; outputs: HostFinal["outputs"] }): Promise<void> {
    const host = this.#host;
    this.#enter("done");
    host.releaseHost();
    const final = finalOf(this.#disk, ending, uploaded, this.#lengths(), host.iso());
    const end = Math.min(this.#giveUpAt, host.now() + (RETRY_MS[this.#store.kind] ?? 0));
    for (let pause = 200; ; pause = Math.min(30_000, pause * 2)) {
      try {
        await this.#shipping.put("final.json", JSON.stringify(final));
        break;
      } catch (error) {
        if (!(error instanceof StoreFailure)) throw error;
        if (host.now() + pause > end) {
          final.lost.push(`final.json: ${error.message}`);
          break;
        }
      }
      await this.life.sleep(pause);
    }
    this.#disk.final = final;
    this.#toPolicy();
    host.changed();
    host.wake();
  }

  #toPolicy(): void {
    this.#state = "policy";
    this.#policySince = this.#host.now();
  }

  /** At the hard limit nothing is waited for any more: it is the budget's end. */
  #policyAt(afterSeconds: number): number {
    return Math.min(this.#policySince + afterSeconds * 1000, this.#hardAt());
  }

  #hardAt(): number {
    return this.#host.power.bootedAt + Math.ceil((this.#begun + this.#disk.allowance.hardSeconds) * 1000);
  }

  #tickPolicy(): void {
    const { action, afterSeconds } = this.#disk.endPolicy;
    const now = this.#host.now();
    if (action === "none") {
      this.#mark(action);
      return;
    }
    if (now < this.#policyAt(afterSeconds) || now < this.#policyNext) return;
    const hook = this.#disk.file.hooks[action];
    if (hook === null || this.#host.isUsedByAnother()) {
      this.#mark(action);
      return;
    }
    this.#policyTries += 1;
    this.#policyNext = NEVER;
    this.life.reply(this.#host.runHook(hook)).then(
      () => this.#mark(action),
      () => {
        if (this.#policyTries >= END_TRIES) {
          this.#mark(action);
          return;
        }
        this.#policyNext = this.#host.now() + END_RETRY_MS;
        this.#host.wake();
      },
    );
  }

  #mark(action: string): void {
    this.#disk.ended = action;
    this.#state = "over";
    // The process exits: nothing of it goes on.
    this.life.end();
    this.#host.wake();
  }

  // --- what it shows

  #enter(phase: Phase): void {
    const now = this.#host.power.uptime;
    const { seconds } = this.#disk;
    seconds[this.#phase] = (seconds[this.#phase] ?? 0) + now - this.#phaseSince;
    this.#phase = phase;
    this.#phaseSince = now;
    this.#disk.statusSeq += 1;
    this.#host.changed();
  }

  #lengths(): Record<string, number> {
    const lengths: Record<string, number> = { ...this.#disk.seconds };
    lengths[this.#phase] = (lengths[this.#phase] ?? 0) + this.#host.power.uptime - this.#phaseSince;
    for (const name in lengths) lengths[name] = Math.round((lengths[name] ?? 0) * 1000) / 1000;
    return lengths;
  }

  #decision(what: string): void {
    this.#host.emit({ type: "decision", what });
  }

  /** status.json as of now. */
  status(): HostStatus & { seconds: Record<string, number>; metricsBytes: number } {
    const host = this.#host;
    const disk = this.#disk;
    const training = host.training();
    const since = this.#trainingSince();
    const ended = this.#ending?.exit?.endedUptime ?? disk.exit?.endedUptime;
    return {
      seq: disk.statusSeq,
      phase: this.#phase,
      uptime: host.power.uptime,
      wall: host.iso(),
      bootId: host.power.bootId,
      trainingSeconds: since === undefined ? 0 : Math.round(((ended ?? host.power.uptime) - since) * 1000) / 1000,
      startedAt: disk.runner?.startedAt ?? null,
      step: training === undefined || disk.job?.silent === true ? null : training.stepAt(host.now()),
      logBytes: disk.log.size,
      setupLogBytes: disk.setupLog.size,
      checkpoint: disk.publisher.newest,
      published: disk.publisher.published,
      uploading: this.#publisher?.uploading ?? null,
      resumedFrom: disk.restored?.manifest ?? null,
      detail: this.#detail,
      progress: null,
      allowanceSeq: disk.allowance.seq,
      pid: disk.runner === undefined ? null : 1000,
      seconds: this.#lengths(),
      metricsBytes: 0,
    };
  }

  /** When it began, monotonic. */
  get bornAt(): number {
    return this.#bornAt;
  }
}
