import type { ProcessClock } from "../clock/process-clock.ts";
import type { VirtualClock } from "../clock/virtual-clock.ts";
import type { Boundary, ProcessPlan } from "./boundary.ts";

/** An effect whose process died before it took place. */
export interface LateEffect {
  boundary: Boundary;
  apply: () => Promise<unknown>;
}

/** What a gate tells the world. */
export interface GateListener {
  /** A call is about to leave the process; `index` and `time` are for the world to fill in. */
  onCall(call: Boundary): void;
  /** The call's effect has taken place; its reply has not been delivered. */
  onEffect(boundary: Boundary): void;
  onLate(late: LateEffect): void;
  onDeath(): void;
}

/** Never settles: what a dead process waits for. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}

/**
 * The one way out of a simulated process. Everything it does to the world passes here, and what comes back, too: once it is dead
 * nothing of it has an effect and nothing reaches it; while it is frozen both wait.
 */
export class Gate {
  readonly #name: string;
  readonly #order: number;
  readonly #clock: VirtualClock;
  readonly #process: ProcessClock;
  readonly #listener: GateListener;
  readonly #plans = new Map<number, ProcessPlan>();
  readonly #inFlight = new Set<Boundary>();
  readonly #parked: Array<() => void> = [];
  readonly #death: Promise<void>;
  #died: () => void = () => undefined;
  #isDead = false;
  #calls = 0;
  /** Effects that are being carried out although the process is dead. */
  #posthumous = 0;

  constructor(
    name: string,
    order: number,
    clock: VirtualClock,
    process: ProcessClock,
    listener: GateListener,
    plans: readonly ProcessPlan[],
  ) {
    this.#name = name;
    this.#order = order;
    this.#clock = clock;
    this.#process = process;
    this.#listener = listener;
    for (const plan of plans) this.#plans.set(plan.at, plan);
    this.#death = new Promise((resolve) => {
      this.#died = resolve;
    });
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Calls so far. */
  get calls(): number {
    return this.#calls;
  }

  /** Resolves when the process is dead and the effect it died in, if that was to be applied, has taken place. */
  get death(): Promise<void> {
    return this.#death;
  }

  /** Calls without an answer yet, for reports. */
  get inFlight(): readonly Boundary[] {
    return [...this.#inFlight];
  }

  /** Carries out one call of the process and delivers its reply, unless the process is dead by then. */
  call<T>(port: Boundary["port"], op: string, what: string, hasEffect: boolean, effect: () => Promise<T>): Promise<T> {
    const wait = this.#clock.turnstile(this.#order);
    return wait === undefined
      ? this.#pass(port, op, what, hasEffect, effect)
      : wait.then(() => this.#pass(port, op, what, hasEffect, effect));
  }

  #pass<T>(port: Boundary["port"], op: string, what: string, hasEffect: boolean, effect: () => Promise<T>): Promise<T> {
    if (this.#isDead) return never();
    if (this.#process.isFrozen) {
      const thawed = new Promise<void>((go) => this.#parked.push(go));
      return thawed.then(() => this.#pass(port, op, what, hasEffect, effect));
    }
    this.#calls += 1;
    const boundary: Boundary = { index: 0, controller: this.#name, at: this.#calls, time: 0, port, op, what, hasEffect };
    this.#listener.onCall(boundary);
    const plan = this.#plans.size === 0 ? undefined : this.#plans.get(boundary.at);
    return plan === undefined ? this.#carryOut(boundary, effect) : this.#meet(plan, boundary, effect);
  }

  /** A place between two steps of one call: the process can die here, with the first step done and the second not. */
  async between(port: Boundary["port"], op: string, what: string): Promise<void> {
    // What is carried out for a dead process is carried out whole.
    if (this.#isDead && this.#posthumous > 0) return;
    await this.call(port, op, what, false, () => Promise.resolve());
  }

  /** Something from outside reaches the process: at once, later when it is frozen, never when it is dead. */
  deliver(news: () => void): void {
    if (this.#isDead) return;
    if (this.#process.isFrozen) this.#parked.push(news);
    else news();
  }

  /** The process ends this instant. What it sent before is on its way all the same. Repeating is fine. */
  kill(): void {
    if (this.#end()) this.#died();
  }

  /** The process stops, or goes on: what waited for it reaches it in order. */
  freeze(options: { suspend?: boolean | undefined } = {}): void {
    this.#process.freeze(options);
  }

  thaw(): void {
    if (this.#isDead || !this.#process.isFrozen) return;
    this.#process.thaw();
    for (const go of this.#parked.splice(0)) go();
  }

  #end(): boolean {
    if (this.#isDead) return false;
    this.#isDead = true;
    this.#inFlight.clear();
    this.#parked.length = 0;
    this.#process.kill();
    this.#listener.onDeath();
    return true;
  }

  #meet<T>(plan: ProcessPlan, boundary: Boundary, effect: () => Promise<T>): Promise<T> {
    if (!("variant" in plan)) {
      this.freeze(plan);
      this.#clock.timer(plan.sleepMs, () => this.thaw());
      return this.#carryOut(boundary, effect);
    }
    if (plan.variant === "applied") {
      // Sent while the process still lives; what comes back finds nobody.
      const done = this.#posthumously(effect);
      this.#end();
      const over = (): void => {
        this.#listener.onEffect(boundary);
        this.#died();
      };
      done.then(over, over);
      return never();
    }
    if (plan.variant === "late") this.#listener.onLate({ boundary, apply: () => this.#posthumously(effect) });
    this.kill();
    return never();
  }

  async #posthumously<T>(effect: () => Promise<T>): Promise<T> {
    this.#posthumous += 1;
    try {
      return await effect();
    } finally {
      this.#posthumous -= 1;
    }
  }

  #carryOut<T>(boundary: Boundary, effect: () => Promise<T>): Promise<T> {
    this.#inFlight.add(boundary);
    return new Promise((resolve, reject) => {
      started(effect).then(
        (value) => {
          if (this.#isBack(boundary)) resolve(value);
          else this.deliver(() => resolve(value));
        },
        (error: unknown) => {
          if (this.#isBack(boundary)) reject(error);
          else this.deliver(() => reject(error));
        },
      );
    });
  }

  /** The effect has taken place. False: the process is dead or frozen, the reply cannot be handed over now. */
  #isBack(boundary: Boundary): boolean {
    this.#listener.onEffect(boundary);
    this.#inFlight.delete(boundary);
    return !this.#isDead && !this.#process.isFrozen;
  }
}

/** A throw of the first synchronous part is an outcome like any other. */
function started<T>(effect: () => Promise<T>): Promise<T> {
  try {
    return effect();
  } catch (error) {
    return Promise.reject(error);
  }
}
