import type { AttemptDisk } from "./attempt-disk.ts";
import type { Power } from "./power.ts";

/** What a guardian can do to its attempt. */
export interface GuardianHost {
  readonly disk: AttemptDisk;
  readonly power: Power;
  now(): number;
  iso(): string;
  /** Is there a supervisor that feeds? */
  isFed(): boolean;
  /** When one last fed; undefined while none ever did. */
  fedAt(now: number): number | undefined;
  supervisorIsAlive(): boolean;
  startSupervisor(): boolean;
  killSupervisor(): void;
  trainingIsAlive(): boolean;
  signalTraining(): void;
  killTraining(): void;
  /** Runs the hook that ends the machine, unless another attempt's guardian lives here. */
  endMachine(): void;
}

const NEVER = Number.POSITIVE_INFINITY;

/** guardian.sh by time: it restarts a dead supervisor, and ends the attempt when nobody feeds it or its time is up. */
export class Guardian {
  readonly #host: GuardianHost;
  readonly #startedAt: number;
  readonly #spentBefore: number;
  #fedAt: number;
  #wasFed = false;
  #supervisorSince: number;
  #pauseMs = 1000;
  #ending: number | undefined;
  #killedFor: number | "end" | undefined;
  #broke = false;
  isAlive = true;

  constructor(host: GuardianHost) {
    this.#host = host;
    const now = host.now();
    this.#startedAt = now;
    this.#fedAt = now;
    this.#supervisorSince = now;
    const { guard } = host.disk;
    // The same boot: a predecessor died, and time went on without it.
    const since = guard.bootId === host.power.bootId ? Math.max(0, host.power.uptime - guard.uptime) : 0;
    this.#spentBefore = (guard.spentSeconds + since) * 1000;
    if (!host.disk.boots.includes(host.power.bootId)) host.disk.boots.push(host.power.bootId);
    this.#save(now);
  }

  /** Saves what it spent, as of the last whole minute, before the power goes. */
  persist(now: number): void {
    this.#save(this.#startedAt + Math.floor((now - this.#startedAt) / 60_000) * 60_000);
  }

  #save(at: number): void {
    this.#host.disk.guard = {
      spentSeconds: Math.floor(this.#spentAt(at) / 1000),
      bootId: this.#host.power.bootId,
      uptime: (at - this.#host.power.bootedAt) / 1000,
    };
  }

  #spentAt(now: number): number {
    return this.#spentBefore + (now - this.#startedAt);
  }

  #hardAt(): number {
    return this.#startedAt + Math.ceil(this.#host.disk.allowance.hardSeconds) * 1000 - this.#spentBefore;
  }

  #feedLimit(): number {
    const { guard } = this.#host.disk.file;
    return Math.ceil(this.#wasFed ? guard.feedSeconds : guard.firstFeedSeconds) * 1000;
  }

  nextAt(now: number): number {
    const { disk } = this.#host;
    if (!this.isAlive) return NEVER;
    if (disk.ended !== undefined) return disk.endHook === null ? now : this.#hardAt();
    const fed = this.#host.fedAt(now);
    // As long as it is fed, only the hard limit can come.
    const isFed = this.#host.isFed();
    let next = this.#ending === undefined ? this.#hardAt() + 3000 : this.#ending + this.#host.disk.graceMs;
    if (this.#ending !== undefined && next <= now) next = this.#giveUpAt(isFed);
    if (isFed) return next;
    const quietSince = fed ?? this.#fedAt;
    if (!this.#host.supervisorIsAlive()) next = Math.min(next, this.#restartAt(quietSince));
    else if (this.#isWedged() && this.#killedFor !== quietSince) next = Math.min(next, quietSince + this.#feedLimit() / 2);
    if (this.#ending === undefined) next = Math.min(next, quietSince + this.#feedLimit());
    return next;
  }

  /** It looks once a second, and leaves a pause between two starts that did not help. */
  #restartAt(diedAt: number): number {
    return Math.max(this.#supervisorSince + this.#pauseMs, diedAt + 1000);
  }

  #isWedged(): boolean {
    return this.#wasFed && this.#host.trainingIsAlive();
  }

  #giveUpAt(isFed: boolean): number {
    return (this.#ending ?? 0) + this.#host.disk.graceMs + (isFed || this.#fedAt > (this.#ending ?? 0) ? 120_000 : 20_000);
  }

  tick(now: number): void {
    const { disk } = this.#host;
    if (!this.isAlive) return;
    if (disk.ended !== undefined) {
      if (disk.endHook === null || now >= this.#hardAt()) this.#leave();
      return;
    }
    const fed = this.#host.fedAt(now);
    if (fed !== undefined && fed > this.#fedAt) {
      this.#fedAt = fed;
      this.#wasFed = true;
      this.#pauseMs = 1000;
    } else if (fed !== undefined) {
      this.#wasFed = true;
    }
    const quiet = now - this.#fedAt;
    const limit = this.#feedLimit();
    if (!this.#host.supervisorIsAlive()) {
      if (now >= this.#restartAt(this.#fedAt)) {
        this.#supervisorSince = now;
        this.#pauseMs = Math.min(30_000, this.#pauseMs * 2);
        this.#host.startSupervisor();
      }
    } else if (this.#isWedged() && quiet * 2 >= limit && this.#killedFor !== this.#fedAt) {
      this.#killedFor = this.#fedAt;
      this.#host.killSupervisor();
    }
    if (this.#ending === undefined && (now >= this.#hardAt() + 3000 || quiet >= limit)) {
      this.#ending = now;
      const spent = Math.floor(this.#spentAt(now) / 1000);
      if (disk.notice === undefined) {
        disk.notice = {
          cause: "guard",
          at: this.#host.iso(),
          until: null,
          detail: `${spent} s spent of ${Math.ceil(disk.allowance.hardSeconds)}, ${Math.floor(quiet / 1000)} s without a feed`,
        };
        this.#host.signalTraining();
      }
    }
    if (this.#ending !== undefined && now >= this.#ending + disk.graceMs && !this.#broke) {
      this.#host.killTraining();
      if (this.#fedAt < this.#ending && this.#killedFor !== "end" && this.#host.supervisorIsAlive()) {
        this.#killedFor = "end";
        this.#host.killSupervisor();
      }
      if (now >= this.#giveUpAt(false)) {
        this.#broke = true;
        this.#host.killSupervisor();
        this.#leave();
      }
    }
  }

  #leave(): void {
    this.isAlive = false;
    this.#host.endMachine();
  }
}
