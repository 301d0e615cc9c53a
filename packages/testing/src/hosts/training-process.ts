import type { ResolvedJob } from "./job-model.ts";

/** What happened inside the training, in order of time. `at` is monotonic milliseconds. `isWhole`: all its steps are done. */
export type TrainingEvent =
  | { type: "saved"; at: number; step: number }
  | { type: "exit"; at: number; code: number | null; signal: string | null; isWhole: boolean };

/**
 * One process of the modelled job, by time: nothing happens between its events, so nobody has to wake for a step. Whoever holds it
 * calls `advance` at `nextAt()` and before asking anything.
 */
export class TrainingProcess {
  readonly beganAt: number;
  readonly startStep: number;
  readonly #job: ResolvedJob;
  readonly #saves: boolean;
  #step: number;
  #savedStep: number;
  /** When `#step` was reached, or the save that follows it began. */
  #since: number;
  #phase: "stepping" | "saving" | "waiting" | "hung" | "ended" = "stepping";
  #stopping = false;

  /** `saves`: the attempt has a checkpoint folder. */
  constructor(job: ResolvedJob, beganAt: number, startStep: number, saves: boolean) {
    this.#job = job;
    this.#saves = saves;
    this.beganAt = beganAt;
    this.startStep = startStep;
    this.#step = startStep;
    this.#savedStep = startStep;
    this.#since = beganAt;
    if (startStep >= job.steps) this.#step = job.steps;
  }

  get ended(): boolean {
    return this.#phase === "ended";
  }

  /** Is a checkpoint half written? */
  get saving(): boolean {
    return this.#phase === "saving";
  }

  /** Whole steps done by `now`. */
  stepAt(now: number): number {
    if (this.#phase !== "stepping") return this.#step;
    return Math.min(this.#target(), this.#step + Math.max(0, Math.floor((now - this.#since) / this.#job.stepMs)));
  }

  /** When something happens next by itself; Infinity when nothing does. */
  nextAt(): number {
    if (this.#phase === "stepping") return this.#since + (this.#target() - this.#step) * this.#job.stepMs;
    return this.#phase === "saving" ? this.#since + this.#job.saveMs : Number.POSITIVE_INFINITY;
  }

  /** When somebody can see something new of it; that a save begins is nobody's business. */
  wakeAt(): number {
    const next = this.nextAt();
    if (this.#phase !== "stepping") return next;
    const target = this.#target();
    const { failAt, hangAt } = this.#job;
    // What ends or stops it there comes first.
    return target !== failAt?.step && target !== hangAt && this.#isSavedAt(target) ? next + this.#job.saveMs : next;
  }

  /** Everything up to and including `now`. */
  advance(now: number): TrainingEvent[] {
    const events: TrainingEvent[] = [];
    while (this.nextAt() <= now) this.#next(this.nextAt(), events);
    return events;
  }

  /** The polite signal. */
  signal(now: number): TrainingEvent[] {
    const events = this.advance(now);
    if (this.#phase === "ended" || this.#phase === "hung" || this.#stopping) return events;
    const { onSignal } = this.#job;
    if (onSignal === "ignore") return events;
    if (onSignal === "exit" || !this.#saves) {
      this.#settle(now);
      this.#exit(now, events, this.#job.stopExitCode, null, false);
      return events;
    }
    this.#stopping = true;
    if (this.#phase === "stepping" || this.#phase === "waiting") {
      this.#settle(now);
      // Nothing new since the last save: there is nothing to write.
      if (this.#step === this.#savedStep) this.#exit(now, events, this.#job.stopExitCode, null, false);
      else this.#save(now, events);
    }
    return events;
  }

  /** SIGKILL, or the power goes: what was being written is torn. */
  kill(now: number): TrainingEvent[] {
    const events = this.advance(now);
    if (this.#phase === "ended") return events;
    this.#settle(now);
    this.#exit(now, events, null, "SIGKILL", false);
    return events;
  }

  /** The machine stood still for `ms`: everything that was to come comes later. */
  shift(ms: number): void {
    this.#since += ms;
  }

  #settle(now: number): void {
    if (this.#phase !== "stepping") return;
    this.#step = this.stepAt(now);
    this.#since = now;
  }

  /** The step at which something happens next. */
  #target(): number {
    const { steps, saveEvery, saveAt, failAt, hangAt, waitAt } = this.#job;
    let target = steps;
    if (this.#saves) target = Math.min(target, saveAt.find((step) => step > this.#step) ?? target);
    if (this.#saves && saveEvery > 0) target = Math.min(target, (Math.floor(this.#step / saveEvery) + 1) * saveEvery);
    if (failAt !== undefined && failAt.step > this.#step) target = Math.min(target, failAt.step);
    for (const at of [hangAt, waitAt]) if (at !== undefined && at > this.#step) target = Math.min(target, at);
    return Math.max(target, this.#step);
  }

  #next(at: number, events: TrainingEvent[]): void {
    if (this.#phase === "saving") {
      this.#savedStep = this.#step;
      events.push({ type: "saved", at, step: this.#step });
      this.#phase = "stepping";
      this.#since = at;
      if (this.#stopping) this.#exit(at, events, this.#job.stopExitCode, null, false);
      else if (this.#job.waitAt === this.#step) this.#phase = "waiting";
      else if (this.#step >= this.#job.steps) this.#finish(at, events);
      return;
    }
    const { steps, failAt, hangAt } = this.#job;
    this.#step = this.#target();
    this.#since = at;
    if (failAt?.step === this.#step && this.#step > this.startStep) {
      this.#exit(at, events, failAt.code, failAt.signal, false);
      return;
    }
    if (hangAt === this.#step) {
      this.#phase = "hung";
      return;
    }
    if (this.#isSavedAt(this.#step)) this.#save(at, events);
    else if (this.#job.waitAt === this.#step) this.#phase = "waiting";
    else if (this.#step >= steps) this.#finish(at, events);
  }

  #isSavedAt(step: number): boolean {
    if (!this.#saves || step === this.#savedStep) return false;
    const { steps, saveEvery, saveAt, saveAtEnd } = this.#job;
    return step >= steps ? saveAtEnd : (saveEvery > 0 && step % saveEvery === 0) || saveAt.includes(step);
  }

  #save(at: number, events: TrainingEvent[]): void {
    this.#phase = "saving";
    this.#since = at;
    if (this.#job.saveMs === 0) this.#next(at, events);
  }

  #finish(at: number, events: TrainingEvent[]): void {
    this.#exit(at, events, this.#job.exitCode, null, true);
  }

  #exit(at: number, events: TrainingEvent[], code: number | null, signal: string | null, isWhole: boolean): void {
    this.#phase = "ended";
    this.#since = at;
    events.push({ type: "exit", at, code, signal, isWhole });
  }
}
