import { AbortedError, ConflictError, StorageError } from "../errors/kinds.ts";
import { isoNow } from "../util/clock.ts";
import { sleep } from "../util/sleep.ts";
import type { EngineContext } from "./context.ts";
import { decide } from "./decide.ts";
import { isSettled } from "./decide-end.ts";
import { evolve } from "./evolve.ts";
import { errorText } from "./failure.ts";
import { StateFollower } from "./follow-state.ts";
import type { RunLogEvent, UserRequest } from "./log-events.ts";
import { DriverStopped } from "./log-writer.ts";
import { RunDriver } from "./run-driver.ts";
import { asJson, asLogged, loadRun, requireRun, runStream } from "./run-log.ts";
import type { ProgressTracker } from "./run-metrics.ts";
import { asEndedSummary } from "./run-records.ts";
import type { RunState } from "./run-state.ts";
import { type LogView, Wakers } from "./run-view.ts";

/** Where a store tells of changes, a reader that is told nothing looks this often by itself; and where this process drives, hardly ever. */
const DRIVEN_NEWS_MS = 600_000;
const WATCHED_NEWS_MS = 5_000;
const UNWATCHED_NEWS_MS = 1_000;
/** A log that could not be read for this long is given up by those who wait for its end. */
const GONE_MS = 30_000;

/** All runs that this process drives or looks at. */
export class Engine {
  readonly context: EngineContext;
  readonly #drivers = new Map<string, RunDriver>();
  readonly #states = new Map<string, RunState>();
  readonly #progress = new Map<string, ProgressTracker>();
  readonly #standby = new Set<string>();
  readonly #wakers: Wakers;
  readonly #follower: StateFollower;
  /** Runs whose log cannot be read, since when by the clock that never jumps, and why. */
  readonly #unreadable = new Map<string, { since: number; error: unknown }>();
  #closed = false;

  constructor(context: EngineContext) {
    this.context = context;
    this.#wakers = new Wakers(context.clock);
    this.#follower = new StateFollower(context.state, context.clock, {
      runIds: () => [...new Set([...this.#drivers.keys(), ...this.#standby])],
      isFollowed: (runId) => this.#drivers.has(runId) || this.#standby.has(runId),
      catchUp: (runId) => this.#catchUp(runId),
      isStandingBy: () => this.#isStandingBy(),
      tendStandby: () => this.#tendStandby(),
      changed: (runId) => (runId === undefined ? this.#wakers.nudgeAll() : this.#wakers.nudge(runId)),
    });
  }

  driverOf(runId: string): RunDriver | undefined {
    return this.#drivers.get(runId);
  }

  get drivers(): RunDriver[] {
    return [...this.#drivers.values()];
  }

  /** Drives a run if its lease is free. "settled": it needs nobody any more. */
  async tryDrive(runId: string): Promise<"driving" | "held" | "settled"> {
    const { state: store, session, leases } = this.context;
    if (this.#drivers.has(runId)) return "driving";
    for (;;) {
      this.#mustBeOpen(runId);
      await session.start();
      const state = await this.#load(runId);
      if (this.#needsNobody(state)) {
        // A process that died between the end of a run and its summary left this undone.
        if (isSettled(state)) await this.#summarise(state).catch(() => undefined);
        return "settled";
      }
      if (leases.judge(state.lease, await store.beats()) === "held") return "held";
      if (this.#drivers.has(runId)) return "driving";
      const taken: RunLogEvent = { type: "lease-taken", session: session.id };
      const at = isoNow(this.context.clock);
      try {
        await store.append(runStream(runId), asJson([taken]), { expected: state.version, session: session.id, at });
      } catch (error) {
        if (!ConflictError.isInstance(error)) throw error;
        // What is known of it may be of a log that was put back: from its beginning.
        this.#states.delete(runId);
        continue;
      }
      const driver = this.adopt(evolve(state, { seq: state.version, at, session: session.id, event: taken }));
      // Closed meanwhile: the lease goes back.
      if (driver.signal.aborted) await this.#release(driver);
      this.#mustBeOpen(runId);
      return "driving";
    }
  }

  /** Starts a driver for a run whose lease is ours already. */
  adopt(state: RunState): RunDriver {
    const known = this.#drivers.get(state.runId);
    if (known !== undefined) return known;
    const driver = new RunDriver(this.context, state);
    if (this.#closed) {
      void driver.close();
      return driver;
    }
    this.#drivers.set(state.runId, driver);
    driver.onChange(() => this.#wakers.nudge(state.runId));
    this.#states.delete(state.runId);
    this.#follower.start();
    this.#follower.soon();
    void driver
      .run()
      .catch((error: unknown) =>
        this.context.logger.error?.("a driver stopped unexpectedly", { runId: state.runId, error: errorText(error) }),
      )
      .finally(() => {
        if (this.#drivers.get(state.runId) === driver) this.#drivers.delete(state.runId);
        this.#wakers.nudge(state.runId);
        if (driver.state.ended !== undefined) this.#forget(state.runId);
        // It may be another's now: then it is waited for.
        else if (this.#standby.has(state.runId)) this.#follower.standBy();
      });
    return driver;
  }

  /** Stops driving one run and frees its lease; what it started goes on. */
  async letGo(runId: string): Promise<void> {
    const driver = this.#drivers.get(runId);
    if (driver === undefined) return;
    await driver.close();
    this.#drivers.delete(runId);
    await this.#release(driver);
  }

  /** Appends what a user asks of a run, whoever drives it. Asking twice is asking once. */
  async request(runId: string, request: UserRequest): Promise<RunState> {
    const event: RunLogEvent = { type: "user-request", ...request };
    const driver = this.#drivers.get(runId);
    if (driver !== undefined && !driver.signal.aborted) {
      try {
        await driver.fact(event);
        return driver.state;
      } catch (error) {
        // Somebody else took the lease a moment ago: the log is everybody's.
        if (!(error instanceof DriverStopped)) throw error;
      }
    }
    const { state: store, session, clock } = this.context;
    for (;;) {
      const state = await requireRun(store, runId);
      if (state.ended !== undefined) return state;
      const at = isoNow(clock);
      try {
        await store.append(runStream(runId), asJson([event]), { expected: state.version, session: session.id, at });
        return evolve(state, { seq: state.version, at, session: session.id, event });
      } catch (error) {
        if (!ConflictError.isInstance(error)) throw error;
      }
    }
  }

  /** The one progress tracker of a run in this process. */
  progressTracker(runId: string, make: () => ProgressTracker): ProgressTracker {
    const known = this.#progress.get(runId) ?? make();
    this.#progress.set(runId, known);
    return known;
  }

  /** Takes over a run that was attached for driving as soon as its holder is gone. */
  async keepTrying(runId: string): Promise<void> {
    if (this.#closed || !this.#standby.has(runId) || this.#drivers.has(runId)) return;
    if ((await this.tryDrive(runId)) === "settled") this.#standby.delete(runId);
  }

  /** From now on this process drives the run whenever nobody else does. */
  standBy(runId: string): void {
    this.#standby.add(runId);
    this.#follower.standBy();
  }

  /** A view for one reader; of all runs for "". */
  view(runId: string): LogView {
    const waker = this.#wakers.of(runId);
    let since = waker.nudges;
    this.#follower.start();
    const changed = async (maxMs: number, signal: AbortSignal | undefined): Promise<void> => {
      await waker.wait(maxMs, since, signal);
      // Also for readers that never refresh: what comes from now on is news to them.
      since = waker.nudges;
    };
    return {
      refresh: async () => {
        since = waker.nudges;
        return this.#newest(runId);
      },
      changed,
      news: (signal) => changed(this.#newsMs(runId), signal),
      nudge: () => waker.nudge(),
    };
  }

  /**
   * Stops driving. Within `handOverMs` everything that was started is brought to "supervisor armed" or "no machine"; paid work is
   * never ended. Leases are released so that the next process goes on at once.
   */
  async close(handOverMs: number): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { clock, session } = this.context;
    for (const driver of this.#drivers.values()) driver.handOver();
    const until = clock.monotonic() + handOverMs;
    while (handOverMs > 0 && [...this.#drivers.values()].some((driver) => !driver.handedOver) && clock.monotonic() < until)
      await sleep(clock, 50);
    const drivers = [...this.#drivers.values()];
    await Promise.all(drivers.map((driver) => driver.close()));
    await Promise.all(drivers.map((driver) => this.#release(driver)));
    this.#drivers.clear();
    this.#follower.close();
    this.context.pollers.close();
    this.context.slots.close();
    this.#wakers.nudgeAll();
    // A sign of life that cannot be taken away (a state that became read-only) is seen to be dead by others; the rest must be freed.
    await session.end().catch((error: unknown) => this.context.logger.warn?.("the session could not be ended", { error: String(error) }));
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  async #summarise(state: RunState): Promise<void> {
    const { state: store, stateId, clock } = this.context;
    await store.compact(runStream(state.runId), asEndedSummary(state, stateId, clock.now()));
  }

  async #release(driver: RunDriver): Promise<void> {
    const { state: store, session, clock } = this.context;
    const state = await loadRun(store, driver.runId).catch(() => undefined);
    if (state === undefined || state.lease !== session.id || isSettled(state)) return;
    const released: RunLogEvent = { type: "lease-released", session: session.id };
    await store
      .append(runStream(driver.runId), asJson([released]), { expected: state.version, session: session.id, at: isoNow(clock) })
      // Somebody else was faster: then the lease is no longer ours to release.
      .catch(() => undefined);
  }

  async #newest(runId: string): Promise<RunState> {
    this.#mustBeOpen(runId);
    const driver = this.#drivers.get(runId);
    if (driver === undefined || driver.signal.aborted) return this.#load(runId);
    const unreadable = this.#unreadable.get(runId);
    if (unreadable !== undefined && this.context.clock.monotonic() - unreadable.since >= GONE_MS) throw unreadable.error;
    return driver.state;
  }

  /** A run's state by its log: what is known of it, and what came since. */
  async #load(runId: string): Promise<RunState> {
    const known = this.#states.get(runId);
    if (known === undefined) {
      const state = await requireRun(this.context.state, runId);
      this.#remember(state);
      return state;
    }
    let state = known;
    for (const stored of await this.context.state.read(runStream(runId), known.version)) state = evolve(state, asLogged(stored));
    this.#remember(state);
    return state;
  }

  #newsMs(runId: string): number {
    if (this.#drivers.has(runId)) return DRIVEN_NEWS_MS;
    return this.context.state.watch === undefined ? UNWATCHED_NEWS_MS : WATCHED_NEWS_MS;
  }

  #forget(runId: string): void {
    this.#states.delete(runId);
    this.#progress.delete(runId);
    this.#standby.delete(runId);
    this.#unreadable.delete(runId);
    this.#wakers.forget(runId);
  }

  #mustBeOpen(runId: string): void {
    if (!this.#closed) return;
    throw new AbortedError({
      what: "This Runctl was closed while something was waited for.",
      why: `Run ${runId} itself goes on, unattended.`,
      fix: ["Wait for it in another process: `runctl.attach(runId)`."],
      context: { runId },
    });
  }

  /** Settled, or over with nothing but machines that are kept on purpose. */
  #needsNobody(state: RunState): boolean {
    if (state.ended === undefined) return false;
    if (isSettled(state)) return true;
    const { commands, wakeAt } = decide(state, { now: this.context.clock.now(), mayBuy: false, inFlight: () => false });
    return commands.length === 0 && wakeAt === undefined;
  }

  /** Only runs that go on are kept: a thousand ended ones must not stay in memory. */
  #remember(state: RunState): void {
    if (state.ended !== undefined) this.#forget(state.runId);
    else this.#states.set(state.runId, state);
  }

  /** Are there runs that this process would drive and somebody else holds? */
  #isStandingBy(): boolean {
    for (const runId of this.#standby) if (!this.#drivers.has(runId)) return true;
    return false;
  }

  /** One look at the signs of life for all runs that are waited for. */
  async #tendStandby(): Promise<void> {
    const waiting = [...this.#standby].filter((runId) => !this.#drivers.has(runId));
    const beats = await this.context.state.beats();
    const verdicts = new Map<string | undefined, boolean>();
    for (const runId of waiting) {
      const known = this.#states.get(runId);
      const lease = known?.lease;
      const held = verdicts.get(lease) ?? this.context.leases.judge(lease, beats) === "held";
      verdicts.set(lease, held);
      if (known === undefined || !held) await this.keepTrying(runId).catch(() => undefined);
    }
  }

  async #catchUp(runId: string): Promise<boolean> {
    const driver = this.#drivers.get(runId);
    if (driver === undefined) {
      const before = this.#states.get(runId)?.version;
      await this.keepTrying(runId);
      return before !== undefined && this.#states.get(runId)?.version !== before;
    }
    const before = driver.state.version;
    try {
      await driver.sync();
      this.#unreadable.delete(runId);
    } catch (error) {
      if (StorageError.isInstance(error) && error.context.corrupt !== undefined) this.#noteUnreadable(runId, error);
      return false;
    }
    return driver.state.version !== before;
  }

  /** A log that is damaged or gone may come back (a mount, a backup): those who wait for its end are told after a while. */
  #noteUnreadable(runId: string, error: unknown): void {
    const known = this.#unreadable.get(runId);
    this.#unreadable.set(runId, { since: known?.since ?? this.context.clock.monotonic(), error });
    this.#follower.soon();
    this.#wakers.nudge(runId);
  }
}
