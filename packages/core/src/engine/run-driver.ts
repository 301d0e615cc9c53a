import { encodeCursor } from "../events/cursor.ts";
import type { HostEvent } from "../host/records.ts";
import type { Timer } from "../util/clock.ts";
import { type Command, isStanding } from "./commands.ts";
import type { EngineContext } from "./context.ts";
import { decide } from "./decide.ts";
import { isSettled } from "./decide-end.ts";
import type { DriverPort } from "./driver-port.ts";
import { execute } from "./execute.ts";
import { errorText, failureRecord } from "./failure.ts";
import type { RunLogEvent } from "./log-events.ts";
import { DriverStopped, LogWriter } from "./log-writer.ts";
import { hasBeenRefused, usesSlot } from "./project-slots.ts";
import { runStream } from "./run-log.ts";
import { asEndedSummary } from "./run-records.ts";
import { liveMachines, openAttempt, type RunState } from "./run-state.ts";
import { startStanding } from "./standing.ts";
import { SteadyNow } from "./steady-now.ts";

/** A decision was made on an old version of the log: it is dropped and made anew. */
class StaleDecision extends Error {}

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 30_000;
/** A command that succeeded and changed nothing is not repeated at once. */
const IDLE_PAUSE_MS = 1_000;

const OPERATIONS = ["staging", "dependencies", "image", "volume", "transfer"] as const;
const UNITS = ["bytes", "files", "steps", "lines"] as const;

/** A command that failed this often is made known as an alarm, and tried on. */
const ALARM_AFTER = 3;
const TROUBLE: Partial<Record<Command["do"], string>> = {
  buy: "Choosing a machine",
  create: "Buying a machine",
  "plan-attempt": "Planning the attempt",
  "start-host": "Starting the host agent",
  control: "Telling the host",
  conclude: "Reading the end of an attempt",
  machine: "Ending or stopping the machine",
  prune: "Removing old checkpoints",
};

interface Work {
  running: boolean;
  failures: number;
  notBefore: number;
}

/**
 * Drives one run: asks `decide`, carries out commands, appends what happened, asks again. All effects pass its gate: once closed,
 * or once its lease is gone, nothing of it reaches the world or the log.
 */
export class RunDriver implements DriverPort {
  readonly context: EngineContext;
  readonly runId: string;
  /** Intents recorded by this driver: their create was certainly not sent by anybody else. */
  readonly recordedHere = new Set<string>();
  /** Aborted when the driver stops: every wait inside it ends. */
  readonly #closing = new AbortController();
  readonly #work = new Map<string, Work>();
  readonly #standing = new Map<string, () => void>();
  readonly #flights = new Set<Promise<void>>();
  readonly #listeners = new Set<() => void>();
  readonly #log: LogWriter;
  readonly #time: SteadyNow;
  #wake: (() => void) | undefined;
  #woken = false;
  readonly #seen = new Set<string>();
  #done: Promise<void> | undefined;
  #handingOver = false;
  #quiet = false;

  constructor(context: EngineContext, state: RunState) {
    this.context = context;
    this.runId = state.runId;
    this.#time = new SteadyNow(context.clock, Date.parse(state.lastEventAt));
    this.#log = new LogWriter(context, state, this.#closing, () => {
      for (const listener of [...this.#listeners]) listener();
      this.wake();
    });
  }

  get state(): RunState {
    return this.#log.state;
  }

  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  /** Starts driving once; resolves when the run needs nothing more, or the driver was closed or lost its lease. */
  run(): Promise<void> {
    this.#done ??= this.#loop().finally(() => this.#shutDown());
    return this.#done;
  }

  /** Called back after every change of the state in this process. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  /** Stops without ending anything: what runs goes on unattended. */
  async close(): Promise<void> {
    this.#closing.abort(new DriverStopped("closed"));
    this.wake();
    await this.#done?.catch(() => undefined);
    await Promise.allSettled([...this.#flights]);
    await this.#log.idle();
  }

  /** No new purchases or attempts; what was started is brought to "armed" or "no machine" by the normal commands. */
  handOver(): void {
    this.#handingOver = true;
    this.wake();
  }

  /** True when nothing that was started hangs in the air. */
  get handedOver(): boolean {
    const open = Object.values(this.state.intents).some((intent) => intent.status === "recorded" || intent.status === "ambiguous");
    const last = openAttempt(this.state);
    if (open || this.isInFlight("buy") || this.isInFlight("create/") || this.isInFlight("start-host/")) return false;
    if (last !== undefined) return last.armedAt !== undefined;
    // Nobody here can arm it: waiting would change nothing.
    if (this.state.secretsMissing.length > 0) return true;
    return this.state.ended !== undefined || liveMachines(this.state).every((machine) => !machine.owned || machine.state === "stopped");
  }

  /** True while nothing is to be done but to watch and wait: for a driver that wants to look in only now and then. */
  get isQuiet(): boolean {
    return this.isWaiting && [...this.#standing.keys()].every((key) => this.#seen.has(key));
  }

  /** As `isQuiet`, but what there is to see may not have been seen yet. */
  get isWaiting(): boolean {
    return this.#quiet && !this.#woken && this.#flights.size === 0;
  }

  /** A standing look has had its first full sight, and what it saw is in the log. Before that nothing is known to be quiet. */
  markSeen(key: string): void {
    this.#seen.add(key);
  }

  isInFlight(prefix: string): boolean {
    return [...this.#work].some(([key, work]) => work.running && key.startsWith(prefix));
  }

  /** @throws DriverStopped once the driver is closed or its lease is gone; renews a lease that grew doubtful. Call before every effect. */
  async gate(): Promise<void> {
    if (this.#closing.signal.aborted) throw new DriverStopped("closed");
    const { session } = this.context;
    if (session.isFresh()) return;
    await session.renew();
    await this.decided([{ type: "lease-taken", session: session.id }]);
  }

  /** Appends what happened. Conflicts with other writers are resolved by reloading: a fact stays a fact. */
  fact(...events: RunLogEvent[]): Promise<void> {
    return this.#log.append(() => events, true);
  }

  /** As `fact`, but not synced to disk one by one: bookkeeping that announces no side effect. */
  note(...events: RunLogEvent[]): Promise<void> {
    return this.#log.append(() => events, false);
  }

  /** Appends a decision: dropped with StaleDecision when the log has moved on since it was made. */
  decided(events: RunLogEvent[], madeAt = this.state.version): Promise<void> {
    return this.#log.append((state) => {
      if (state.version !== madeAt) throw new StaleDecision();
      return events;
    }, true);
  }

  /** Appends what `make` wants for the newest state; nothing when it wants nothing. */
  update(make: (state: RunState) => RunLogEvent[]): Promise<void> {
    return this.#log.append(make, true);
  }

  /** What the host is busy with, for listeners of this process; never in the log. */
  progress(attempt: number, event: Extract<HostEvent, { type: "progress" }>): void {
    const operation = OPERATIONS.find((name) => name === event.operation) ?? "transfer";
    const unit = UNITS.find((name) => name === event.unit) ?? "steps";
    this.context.bus.emit({
      v: 1,
      type: "operation-progress",
      cursor: encodeCursor({ stream: runStream(this.runId), seq: this.state.version - 1, index: 0 }),
      at: event.at,
      runId: this.runId,
      attempt,
      operation,
      done: event.done,
      unit,
      ...(event.total === null ? {} : { total: event.total }),
      ...(event.detail === null ? {} : { detail: event.detail }),
    });
  }

  /** Reads what others appended. @throws DriverStopped when another session took the lease. */
  sync(): Promise<void> {
    return this.#log.sync();
  }

  async #loop(): Promise<void> {
    const { clock, slots } = this.context;
    const wake = (): void => this.wake();
    let asked = false;
    const mayBuy = (): boolean => {
      asked = true;
      const hunting = hasBeenRefused(this.state) || (this.#work.get("buy")?.failures ?? 0) > 0;
      return !this.#handingOver && slots.ask({ runId: this.runId, createdAt: this.state.createdAt, isHunting: hunting }, wake);
    };
    try {
      while (!this.#closing.signal.aborted) {
        this.#woken = false;
        asked = false;
        // By its log alone, so that every process counts the same: a slot is held with a machine, not while one is looked for.
        if (usesSlot(this.state)) slots.hold(this.runId);
        else if (slots.holds(this.runId) && !this.isInFlight("buy")) slots.release(this.runId);
        const decision = decide(this.state, {
          now: this.#time.now(),
          get mayBuy() {
            return mayBuy();
          },
          inFlight: (key) => this.#work.get(key)?.running === true,
        });
        const commands = this.#handingOver ? decision.commands.filter((command) => command.do !== "buy") : decision.commands;
        // Who no longer asks is no longer in the queue.
        if (!asked) slots.leave(this.runId);
        this.#quiet = commands.every(isStanding);
        this.#reconcileStanding(commands);
        const retryAt = this.#startAll(commands);
        if (commands.length === 0 && decision.wakeAt === undefined && this.#flights.size === 0 && this.state.ended !== undefined) break;
        await this.#idle(Math.min(decision.wakeAt ?? Number.POSITIVE_INFINITY, retryAt));
      }
      if (isSettled(this.state)) {
        await this.context.state.compact(runStream(this.runId), asEndedSummary(this.state, this.context.stateId, clock.now()));
      }
    } finally {
      slots.leave(this.runId);
    }
  }

  #shutDown(): void {
    if (!this.#closing.signal.aborted) this.#closing.abort(new DriverStopped("done"));
    for (const stop of this.#standing.values()) stop();
    this.#standing.clear();
    this.context.slots.release(this.runId);
    for (const listener of [...this.#listeners]) listener();
  }

  #reconcileStanding(commands: readonly Command[]): void {
    const wanted = new Map(commands.filter(isStanding).map((command) => [command.key, command]));
    for (const [key, stop] of this.#standing) {
      if (wanted.has(key)) continue;
      stop();
      this.#standing.delete(key);
    }
    for (const [key, command] of wanted) {
      if (!this.#standing.has(key)) this.#standing.set(key, startStanding(this, command));
    }
  }

  /** Starts what is not in flight; returns when the earliest paused command may be tried again. */
  #startAll(commands: readonly Command[]): number {
    // Pauses are durations: the wall clock may jump.
    const now = this.context.clock.monotonic();
    let retryAt = Number.POSITIVE_INFINITY;
    const wanted = new Set(commands.map((command) => command.key));
    for (const [key, work] of this.#work) if (!work.running && !wanted.has(key)) this.#work.delete(key);
    for (const command of commands) {
      if (isStanding(command)) continue;
      const work = this.#work.get(command.key) ?? { running: false, failures: 0, notBefore: 0 };
      if (work.running) continue;
      if (work.notBefore > now) {
        retryAt = Math.min(retryAt, work.notBefore);
        continue;
      }
      work.running = true;
      this.#work.set(command.key, work);
      const flight = this.#perform(command, work).finally(() => this.#flights.delete(flight));
      this.#flights.add(flight);
    }
    // Whole milliseconds: what is left of a fraction would be a timer of 0 ms, again and again.
    return this.#time.now() + Math.ceil(retryAt - now);
  }

  async #perform(command: Command, work: Work): Promise<void> {
    const { clock, random, logger } = this.context;
    const version = this.state.version;
    try {
      if (command.do === "append") {
        // A process that slept decides on what it knew before: it takes its lease anew first, and then looks again.
        await this.gate();
        await this.decided(command.events, version);
      } else await execute(this, command);
      if (work.failures >= ALARM_AFTER) await this.#clearTrouble(command);
      work.failures = 0;
      if (this.state.version === version) work.notBefore = clock.monotonic() + IDLE_PAUSE_MS;
    } catch (error) {
      if (error instanceof StaleDecision) {
        work.notBefore = 0;
      } else if (!(error instanceof DriverStopped)) {
        work.failures += 1;
        if (work.failures === ALARM_AFTER) await this.#tellTrouble(command, error);
        const pause = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (work.failures - 1)) * (0.5 + random.next() / 2);
        work.notBefore = clock.monotonic() + pause;
        logger.warn?.(`${command.do} failed, trying again in ${Math.round(pause)} ms`, {
          runId: this.runId,
          error: errorText(error),
          failures: work.failures,
        });
      }
    } finally {
      work.running = false;
      this.wake();
    }
  }

  /** What fails again and again must not do so in silence: somebody may be able to mend it while it is tried. */
  async #tellTrouble(command: Command, error: unknown): Promise<void> {
    const id = `retrying/${command.do}`;
    if (this.state.alarms.includes(id)) return;
    const { what, why, fix } = failureRecord(error);
    await this.fact({
      type: "alarm",
      id,
      what: `${TROUBLE[command.do] ?? command.do} has failed ${ALARM_AFTER} times: ${what}`,
      why: `${why} It is tried again.`.trim(),
      fix,
    }).catch(() => undefined);
  }

  async #clearTrouble(command: Command): Promise<void> {
    const id = `retrying/${command.do}`;
    if (this.state.alarms.includes(id)) await this.fact({ type: "alarm-cleared", id });
  }

  async #idle(until: number): Promise<void> {
    if (this.#woken || this.#closing.signal.aborted) return;
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (Number.isFinite(until)) timer = this.context.clock.timer(Math.max(0, Math.ceil(until - this.#time.now())), resolve);
    });
    timer?.cancel();
    this.#wake = undefined;
  }
}
