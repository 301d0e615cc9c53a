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
  /** A call is about to leave the process. Returns it as recorded. */
  onCall(call: Omit<Boundary, "index" | "time">): Boundary;
  /** The call's effect has taken place; its reply has not been delivered. */
  onEffect(boundary: Boundary): void;
  onLate(late: LateEffect): void;
  onDeath(): void;
}

interface InFlight {
  port: Boundary["port"];
  op: string;
  what: string;
  since: number;
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
  readonly #inFlight = new Set<InFlight>();
  readonly #parked: Array<() => void> = [];
  readonly #death: Promise<void>;
  #died: () => void = () => undefined;
  #isDead = false;
  #calls = 0;

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
  get inFlight(): readonly InFlight[] {
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
    const boundary = this.#listener.onCall({ controller: this.#name, at: this.#calls, port, op, what, hasEffect });
    const plan = this.#plans.get(boundary.at);
    return plan === undefined ? this.#carryOut(boundary, effect) : this.#meet(plan, boundary, effect);
  }

  /** A place between two steps of one call: the process can die here, with the first step done and the second not. */
  async between(port: Boundary["port"], op: string, what: string): Promise<void> {
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
      const done = started(effect);
      this.#end();
      const over = (): void => {
        this.#listener.onEffect(boundary);
        this.#died();
      };
      done.then(over, over);
      return never();
    }
    if (plan.variant === "late") this.#listener.onLate({ boundary, apply: effect });
    this.kill();
    return never();
  }

  #carryOut<T>(boundary: Boundary, effect: () => Promise<T>): Promise<T> {
    const flight: InFlight = { port: boundary.port, op: boundary.op, what: boundary.what, since: boundary.time };
    this.#inFlight.add(flight);
    const arrive = (settle: () => void): void => {
      this.#listener.onEffect(boundary);
      this.#inFlight.delete(flight);
      this.deliver(settle);
    };
    return new Promise((resolve, reject) => {
      started(effect).then(
        (value) => arrive(() => resolve(value)),
        (error: unknown) => arrive(() => reject(error)),
      );
    });
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
