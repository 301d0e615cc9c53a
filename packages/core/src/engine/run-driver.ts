import { encodeCursor } from "../events/cursor.ts";
import type { HostEvent } from "../host/records.ts";
import type { Timer } from "../util/clock.ts";
import { type Command, isStanding } from "./commands.ts";
import type { EngineContext } from "./context.ts";
import { decide } from "./decide.ts";
import { isSettled } from "./decide-end.ts";
import type { DriverPort } from "./driver-port.ts";
import { Flights, StaleDecision } from "./flights.ts";
import type { RunLogEvent } from "./log-events.ts";
import { DriverStopped, LogWriter } from "./log-writer.ts";
import { hasBeenRefused, usesSlot } from "./project-slots.ts";
import { runStream } from "./run-log.ts";
import { asEndedSummary } from "./run-records.ts";
import { liveMachines, openAttempt, type RunState } from "./run-state.ts";
import { startStanding } from "./standing.ts";
import { SteadyNow } from "./steady-now.ts";

const OPERATIONS = ["staging", "dependencies", "image", "volume", "transfer"] as const;
const UNITS = ["bytes", "files", "steps", "lines"] as const;

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
  readonly #standing = new Map<string, () => void>();
  readonly #flights: Flights;
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
    this.#flights = new Flights(this, () => this.wake());
    this.#time = new SteadyNow(context.clock, Date.parse(state.lastEventAt));
    this.#log = new LogWriter(context, state, this.#closing, this.#time, () => {
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
    await this.#flights.landed();
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
    return this.#flights.isRunningWith(prefix);
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
      const hunting = hasBeenRefused(this.state) || this.#flights.failuresOf("buy") > 0;
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
          inFlight: (key) => this.#flights.isRunning(key),
        });
        const commands = this.#handingOver ? decision.commands.filter((command) => command.do !== "buy") : decision.commands;
        // Who no longer asks is no longer in the queue.
        if (!asked) slots.leave(this.runId);
        this.#quiet = commands.every(isStanding);
        this.#reconcileStanding(commands);
        const retryAt = this.#time.now() + this.#flights.start(commands);
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
