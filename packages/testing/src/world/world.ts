import { Runctl, type RunctlOptions, type RunSpec } from "@runctl/core";
import type { TrainingProvider } from "@runctl/core/provider";
import { runStream } from "@runctl/core/seams";
import { SeededRandom } from "../clock/seeded-random.ts";
import { VirtualClock } from "../clock/virtual-clock.ts";
import type { EmulatedCloudOptions } from "../cloud/cloud-options.ts";
import { EmulatedCloud } from "../cloud/emulated-cloud.ts";
import type { Job } from "../hosts/job-model.ts";
import { simulatedHooks } from "../hosts/simulated-hooks.ts";
import { simulatedHost } from "../hosts/simulated-host.ts";
import { HostRecords } from "../hosts/trainings.ts";
import type { Boundary, ProcessPlan } from "./boundary.ts";
import { Controller } from "./controller.ts";
import { Gate, type LateEffect } from "./gate.ts";
import { gatedProvider } from "./gated-provider.ts";
import { gatedState } from "./gated-state.ts";
import { gatedStore } from "./gated-store.ts";
import { acquireFolder, type WorldFolder } from "./project-folder.ts";
import { warmUp } from "./warm-up.ts";
import { describeWorld } from "./world-digest.ts";
import { WorldState } from "./world-state.ts";
import { WorldStore } from "./world-store.ts";

/** What a simulated world is made of. */
export interface WorldOptions {
  /** One seed, one history, bit by bit. Print it with every failure. */
  seed: number | string;
  /** Emulated clouds, by name. Default: one with default options. Machines without a `host` get simulated hosts that do `job`. */
  clouds?: readonly EmulatedCloudOptions[] | undefined;
  /** What simulated hosts train. Default: 100 steps of 6 s. */
  job?: Job | undefined;
  /** Simulated machines switch themselves off at their intent's `endBy` when nobody armed an attempt on them. Default false. */
  bootGuard?: boolean | undefined;
  /** What becomes of appends that need not be durable when their process dies. Default "dropped", as with `fileState`. */
  unsynced?: "dropped" | "kept" | undefined;
  /** Controllers share one computer: that one is dead is seen at once. Default false: only after its sign of life stood still for 30 s. */
  sameComputer?: boolean | undefined;
  /** First wall time, ISO. Default 2026-01-01T00:00:00Z. */
  start?: string | undefined;
  /** Which calls are kept in `boundaries`. Default "all"; long simulations keep "none". */
  record?: "all" | "effects" | "none" | undefined;
  /** Told of every call before its effect. */
  onCall?: ((boundary: Boundary) => void) | undefined;
  /** Told of every call after its effect, before its reply arrives. */
  onEffect?: ((boundary: Boundary) => void) | undefined;
}

/** A simulated process. */
export interface ControllerOptions {
  /** Default "ada". */
  user?: string | undefined;
  /** Default "world". */
  project?: string | undefined;
  /** Account at every cloud; default each cloud's first. */
  account?: string | undefined;
  /** Instead of clients of all clouds. They get a gate, too. */
  providers?: readonly TrainingProvider[] | undefined;
  /** Instead of the world's state: another user's, say, or what is left after a loss. */
  state?: WorldState | undefined;
  /** More options for Runctl. */
  runctl?: Partial<Omit<RunctlOptions, "providers" | "state" | "clock" | "random" | "user" | "project">> | undefined;
  /** What befalls it, at which of its calls. */
  plan?: ProcessPlan | readonly ProcessPlan[] | undefined;
}

/**
 * Everything that outlives a process, and a clock: state, store, clouds with their machines. Controllers are processes in it. Nothing
 * happens unless `run` (or the clock) is awaited, and then everything does, as fast as the computer can: a day takes milliseconds.
 * Costs nothing; `dispose` frees its folder.
 */
export class World implements Disposable {
  readonly seed: string;
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly clouds: readonly EmulatedCloud[];
  /** The state that controllers share. `loseState` replaces it. */
  state: WorldState;
  readonly store: WorldStore;
  /** What simulated hosts did: who trained what, and when. */
  readonly hosts = new HostRecords();
  /** Every call so far, in order; see `record`. */
  readonly boundaries: Boundary[] = [];
  readonly #options: WorldOptions;
  readonly #controllers: Array<{ controller: Controller; gate: Gate }> = [];
  readonly #late: LateEffect[] = [];
  readonly #deadSessions = new Set<string>();
  readonly #folder: WorldFolder;
  #states = 0;
  #calls = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.seed = String(options.seed);
    this.clock = new VirtualClock({ start: options.start });
    this.random = new SeededRandom(options.seed);
    this.store = new WorldStore({ clock: this.clock });
    this.state = this.#newState();
    this.#folder = acquireFolder();
    const { bootGuard } = options;
    const host = simulatedHost(options.job ?? {}, { clock: this.clock, store: this.store, records: this.hosts, bootGuard });
    this.clouds = (options.clouds ?? [{}]).map(
      (cloud, index) =>
        new EmulatedCloud({
          host,
          // Without hooks no notice reaches a job, and no guardian ends a machine.
          hostHooks: () => simulatedHooks(cloud.onPowerOff === "keeps-billing" ? "host-calls-api" : "os-poweroff"),
          ...cloud,
          clock: this.clock,
          random: this.random.fork(`cloud-${index}`),
        }),
    );
    this.clock.explain(() => this.#waiting());
    void this.clock.during(warmUp(), "loading core");
  }

  /** The folder of the project that `spec` trains from. */
  get projectRoot(): string {
    return this.#folder.root;
  }

  /** All controllers so far, dead ones too. */
  get controllers(): readonly Controller[] {
    return this.#controllers.map(({ controller }) => controller);
  }

  /** Effects of dead processes that `releaseLate` will let happen. */
  get late(): readonly Boundary[] {
    return this.#late.map(({ boundary }) => boundary);
  }

  /** A spec that fits this world: a script that is there, no dependencies. */
  spec(change: RunSpec = {}): RunSpec {
    return { script: `${this.projectRoot}/train.py`, dependencies: "none", ...change };
  }

  /** A fresh simulated process. */
  controller(options: ControllerOptions = {}): Controller {
    const order = this.#controllers.length;
    const name = `controller-${order + 1}`;
    const process = this.clock.process(name);
    const sessions: string[] = [];
    const gate = new Gate(
      name,
      order,
      this.clock,
      process,
      {
        onCall: (call) => this.#record(call),
        onEffect: (boundary) => this.#options.onEffect?.(boundary),
        onLate: (late) => void this.#late.push(late),
        onDeath: () => {
          for (const session of sessions) this.#deadSessions.add(session);
        },
      },
      options.plan === undefined ? [] : [options.plan].flat(),
    );
    const providers = options.providers ?? this.#clients(name, gate, options);
    const state = gatedState({
      state: options.state ?? this.state,
      gate,
      clock: process.clock,
      host: name,
      unsynced: this.#options.unsynced ?? "dropped",
      scratch: () => this.#folder.scratch(),
      isSeenDead: (session) => this.#options.sameComputer === true && this.#deadSessions.has(session),
      onSession: (session) => void (sessions.includes(session) || sessions.push(session)),
    });
    const store = gatedStore(this.store, gate);
    const runctl = new Runctl({
      store: "memory://world/",
      ...options.runctl,
      stores: [store, ...(options.runctl?.stores ?? [])],
      providers: providers.map((provider) => gatedProvider(provider, gate)),
      project: options.project ?? "world",
      user: options.user ?? "ada",
      state,
      clock: process.clock,
      random: this.random.fork(name),
    });
    const controller = new Controller({ name, runctl, state, store, gate, clock: process });
    this.#controllers.push({ controller, gate });
    return controller;
  }

  /** Lets time pass until `promise` settles. @throws StuckError when that can never be, or takes longer than `limitMs` of the world's time. */
  run<T>(promise: Promise<T>, options?: { limitMs?: number | undefined }): Promise<T> {
    return this.clock.run(promise, options);
  }

  /** The calls in which processes died with the plan "late" take effect now, in their order. Returns what became of each. */
  async releaseLate(): Promise<Array<{ boundary: Boundary; error?: unknown }>> {
    const results: Array<{ boundary: Boundary; error?: unknown }> = [];
    for (const { boundary, apply } of this.#late.splice(0)) {
      const result = await this.run(
        apply().then(
          () => ({ boundary }),
          (error: unknown) => ({ boundary, error }),
        ),
      );
      this.#options.onEffect?.(boundary);
      results.push(result);
    }
    return results;
  }

  /** A state of its own in this world: a second user's, say. */
  newState(): WorldState {
    return this.#newState();
  }

  /** The whole state is gone; controllers made from now on get a new, empty one. Returns the id of what was lost. */
  loseState(): string {
    const { id } = this.state;
    this.state = this.#newState();
    return id;
  }

  /** A run's log as it lies in the state: one JSON text an event. */
  log(runId: string): readonly string[] {
    return this.state.texts(runStream(runId)).events;
  }

  /**
   * One word for everything that outlives processes: equal worlds have equal digests, whatever random ids they drew. Left out are signs of
   * life and, unless `now` is given, the time (times in logs are in).
   */
  digest(options: { now?: boolean | undefined } = {}): string {
    return describeWorld(this, options.now === true).digest;
  }

  /** The text behind `digest`, to see in what two worlds differ. */
  describe(options: { now?: boolean | undefined } = {}): string {
    return describeWorld(this, options.now === true).text;
  }

  /** Ends everything and frees the project folder. Repeating is fine. */
  dispose(): void {
    for (const { controller } of this.#controllers) controller.kill();
    this.#folder.release();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #newState(): WorldState {
    this.#states += 1;
    return new WorldState({ random: this.random.fork(`state-${this.#states}`) });
  }

  #clients(name: string, gate: Gate, options: ControllerOptions): TrainingProvider[] {
    return this.clouds.map((cloud) =>
      cloud.client({
        name,
        // The network's time, not the process's: what was sent is on its way, whatever becomes of the sender.
        clock: this.clock,
        ...(options.account === undefined ? {} : { account: options.account }),
        betweenSteps: ({ intentId, index, done, next }) =>
          gate.between("provider", `create#${index}`, `intent ${intentId}: ${done}, not ${next}`),
      }),
    );
  }

  #record(boundary: Boundary): void {
    boundary.index = this.#calls;
    boundary.time = this.clock.now();
    this.#calls += 1;
    const { record = "all", onCall } = this.#options;
    if (record === "all" || (record === "effects" && boundary.hasEffect)) this.boundaries.push(boundary);
    onCall?.(boundary);
  }

  /** What hangs in the air, for the report of a stuck world. */
  #waiting(): string[] {
    const lines: string[] = [`seed ${this.seed}`];
    for (const { controller, gate } of this.#controllers) {
      if (!controller.isAlive) continue;
      for (const { port, op, what, time } of gate.inFlight) {
        lines.push(`${controller.name} waits for ${port}.${op} ${what} since ${Math.round((this.clock.now() - time) / 1000)} s`);
      }
    }
    for (const stream of this.state.streams) {
      const { events, summary } = this.state.texts(stream);
      if (summary !== undefined) continue;
      const last = events.slice(-3).map((text) => String((JSON.parse(text) as { event: { type?: unknown } }).event.type));
      lines.push(`${stream}: ${events.length} events, the last ${last.join(", ")}`);
      if (lines.length > 40) break;
    }
    return lines;
  }
}
