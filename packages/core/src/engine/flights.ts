import { type Command, isStanding } from "./commands.ts";
import type { DriverPort } from "./driver-port.ts";
import { execute } from "./execute.ts";
import { errorText, failureRecord } from "./failure.ts";
import { DriverStopped } from "./log-writer.ts";

/** A decision was made on an old version of the log: it is dropped and made anew. */
export class StaleDecision extends Error {}

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 30_000;
/** A command that succeeded and changed nothing is not repeated at once. */
const IDLE_PAUSE_MS = 1_000;

/** A command that failed this often is made known as an alarm, and tried on. */
const ALARM_AFTER = 3;
/** And for so long: a machine takes its time to boot, and a listing to show that it ended. Others are no trouble by nature. */
const PATIENCE_MS: Partial<Record<Command["do"], number>> = { "start-host": 120_000, machine: 60_000 };
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
  /** Monotonic milliseconds of the first of them. */
  failingSince: number;
  notBefore: number;
}

/** A driver's commands under way: one of a key at a time, those that failed tried again with growing pauses while they are wanted. */
export class Flights {
  readonly #driver: DriverPort;
  readonly #onEnd: () => void;
  readonly #work = new Map<string, Work>();
  readonly #flights = new Set<Promise<void>>();

  /** `onEnd`: called after each command, however it ended. */
  constructor(driver: DriverPort, onEnd: () => void) {
    this.#driver = driver;
    this.#onEnd = onEnd;
  }

  /** How many are under way. */
  get size(): number {
    return this.#flights.size;
  }

  isRunning(key: string): boolean {
    return this.#work.get(key)?.running === true;
  }

  /** Is one under way whose key begins so? */
  isRunningWith(prefix: string): boolean {
    return [...this.#work].some(([key, work]) => work.running && key.startsWith(prefix));
  }

  /** Failures in a row of a command that is still wanted. */
  failuresOf(key: string): number {
    return this.#work.get(key)?.failures ?? 0;
  }

  /** Starts what is not under way, and forgets what is no longer wanted; in how many milliseconds the earliest paused one may be tried again. */
  start(commands: readonly Command[]): number {
    // Pauses are durations: the wall clock may jump.
    const now = this.#driver.context.clock.monotonic();
    let retryAt = Number.POSITIVE_INFINITY;
    const wanted = new Set(commands.map((command) => command.key));
    for (const [key, work] of this.#work) if (!work.running && !wanted.has(key)) this.#work.delete(key);
    for (const command of commands) {
      if (isStanding(command)) continue;
      const work = this.#work.get(command.key) ?? { running: false, failures: 0, failingSince: 0, notBefore: 0 };
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
    return Math.ceil(retryAt - now);
  }

  /** Resolves when nothing is under way. */
  async landed(): Promise<void> {
    await Promise.allSettled([...this.#flights]);
  }

  async #perform(command: Command, work: Work): Promise<void> {
    const driver = this.#driver;
    const { clock, random, logger } = driver.context;
    const { version } = driver.state;
    try {
      if (command.do === "append") {
        // A process that slept decides on what it knew before: it takes its lease anew first, and then looks again.
        await driver.gate();
        await driver.decided(command.events, version);
      } else await execute(driver, command);
      if (work.failures >= ALARM_AFTER) await this.#clearTrouble(command);
      work.failures = 0;
      if (driver.state.version === version) work.notBefore = clock.monotonic() + IDLE_PAUSE_MS;
    } catch (error) {
      if (error instanceof StaleDecision) {
        work.notBefore = 0;
      } else if (!(error instanceof DriverStopped)) {
        if (work.failures === 0) work.failingSince = clock.monotonic();
        work.failures += 1;
        const lasts = clock.monotonic() - work.failingSince >= (PATIENCE_MS[command.do] ?? 0);
        if (work.failures >= ALARM_AFTER && lasts) await this.#tellTrouble(command, error, work.failures);
        const pause = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (work.failures - 1)) * (0.5 + random.next() / 2);
        work.notBefore = clock.monotonic() + pause;
        logger.warn?.(`${command.do} failed, trying again in ${Math.round(pause)} ms`, {
          runId: driver.runId,
          error: errorText(error),
          failures: work.failures,
        });
      }
    } finally {
      work.running = false;
      this.#onEnd();
    }
  }

  /** What fails again and again must not do so in silence: somebody may be able to mend it while it is tried. */
  async #tellTrouble(command: Command, error: unknown, failures: number): Promise<void> {
    const id = `retrying/${command.do}`;
    if (this.#driver.state.alarms.includes(id)) return;
    const { what, why, fix } = failureRecord(error);
    await this.#driver
      .fact({
        type: "alarm",
        id,
        what: `${TROUBLE[command.do] ?? command.do} has failed ${failures} times: ${what}`,
        why: `${why} It is tried again.`.trim(),
        fix,
      })
      .catch(() => undefined);
  }

  async #clearTrouble(command: Command): Promise<void> {
    const id = `retrying/${command.do}`;
    if (this.#driver.state.alarms.includes(id)) await this.#driver.fact({ type: "alarm-cleared", id });
  }
}
