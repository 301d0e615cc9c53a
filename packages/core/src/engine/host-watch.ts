import type { HostObservation } from "../host/host-client.ts";
import type { Clock } from "../util/clock.ts";
import { sleep } from "../util/sleep.ts";
import { within } from "../util/within.ts";
import { conclude, recordHostEvents } from "./conclude.ts";
import { connectWithin } from "./connect-within.ts";
import type { DriverPort } from "./driver-port.ts";
import { errorText } from "./failure.ts";
import type { RunLogEvent } from "./log-events.ts";
import { machineOf } from "./run-state.ts";

/** Looks at most this often, however often the host's folder changes. */
const MIN_LOOK_MS = 40;
/**
 * Pauses between looks that nothing asked for: short after a change, doubled while all is quiet. A session that tells of changes is
 * looked at only in case it missed one (a killed agent writes nothing); docs/decisions/0011-polling.md.
 */
const WATCHED_MS = { first: 500, max: 120_000 };
const POLLED_MS = { first: 5_000, max: 30_000 };
/** A look held open on the host comes back at a change, at the latest after this; then a pause, so that a chatty host costs little. */
const WAIT_MS = 45_000;
const WAITED_PAUSE_MS = 1_000;
/** What gives no answer is tried anew: one hung call must not blind a run. */
const LOOK_LIMIT_MS = 60_000;
/** An unreachable host is tried with pauses that grow to this. */
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;
const UNREACHABLE_ALARM_MS = 10 * 60_000;

/** Follows one attempt on its host and records what it says, until stopped. An unreachable host is not a dead one. */
export function watchHost(driver: DriverPort, attempt: number, onSeen: () => void = () => undefined): () => void {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, driver.signal]);
  const leave = driver.context.pace.enter();
  void follow(driver, attempt, signal, onSeen)
    .catch((error: unknown) => {
      if (!signal.aborted)
        driver.context.logger.error?.("following a host ended unexpectedly", { runId: driver.runId, error: errorText(error) });
    })
    .finally(leave);
  return () => stop.abort();
}

async function follow(driver: DriverPort, attempt: number, signal: AbortSignal, onSeen: () => void): Promise<void> {
  const { clock, logger } = driver.context;
  let unreachableSince: number | undefined;
  let retryMs = FIRST_RETRY_MS;
  while (!signal.aborted) {
    try {
      await withSession(driver, attempt, signal, () => {
        unreachableSince = undefined;
        retryMs = FIRST_RETRY_MS;
        onSeen();
      });
    } catch (error) {
      if (signal.aborted) return;
      logger.debug?.("host not reachable", { runId: driver.runId, attempt, error: errorText(error) });
      const now = clock.monotonic();
      unreachableSince ??= now;
      if (now - unreachableSince >= UNREACHABLE_ALARM_MS) await unreachable(driver, attempt);
      // The machine may be gone: ask at once instead of at the next poll.
      await lookNow(driver, attempt);
      onSeen();
      await sleep(clock, retryMs, signal).catch(() => undefined);
      retryMs = Math.min(MAX_RETRY_MS, retryMs * 2);
    }
  }
}

async function withSession(driver: DriverPort, attempt: number, signal: AbortSignal, reached: () => void): Promise<void> {
  const { providers, clock, host, pace, random } = driver.context;
  const planned = driver.state.attempts.find((candidate) => candidate.number === attempt);
  if (planned === undefined) return;
  const machine = machineOf(driver.state, planned);
  const provider = providers.get(machine.machine.ref.provider);
  if (provider.connect === undefined) {
    await sleep(clock, POLLED_MS.max, signal);
    return;
  }
  const session = await connectWithin(clock, provider, machine.machine, signal);
  const changes = new ChangeSignal();
  const wake = (): void => changes.raise();
  signal.addEventListener("abort", wake);
  let unwatch: (() => void) | undefined;
  let waits: (() => void) | undefined;
  try {
    const { first, max } = session.watch === undefined ? POLLED_MS : WATCHED_MS;
    let offset = 0;
    let deadLooks = 0;
    let pauseMs = first;
    let seen: Partial<HostObservation> = {};
    while (!signal.aborted) {
      unwatch ??= session.watch?.(host.attemptDir(session, driver.runId, attempt), () => changes.raise());
      // Only while nothing is odd: a wait cannot tell a dead host from a quiet one.
      const wait = waits === undefined || seen.mark === undefined || deadLooks > 0 ? undefined : { ms: WAIT_MS, mark: seen.mark };
      const look = host.observe(session, driver.runId, attempt, { eventsOffset: offset, wait, signal });
      const observation = await within(clock, LOOK_LIMIT_MS + (wait?.ms ?? 0), "The host", look, signal);
      await record(driver, attempt, observation, seen);
      const isNews = differs(observation, seen);
      offset = observation.eventsOffset;
      seen = observation;
      if (observation.final !== undefined) {
        await conclude(driver, attempt, observation.final);
        return;
      }
      const { guardian, supervisor, runner } = observation.alive;
      deadLooks = observation.exists && !guardian && !supervisor && !runner ? deadLooks + 1 : 0;
      if (deadLooks >= 2) {
        // Either the machine was reclaimed, or somebody killed everything of ours on it.
        await lookNow(driver, attempt);
        await conclude(driver, attempt, undefined, "agent-killed");
        return;
      }
      if (deadLooks === 0) reached();
      if (session.watch === undefined && observation.mark !== undefined) waits ??= pace.mayWait(machine.machine.market === "spot");
      pauseMs = isNews ? first : Math.min(max, pauseMs * 2);
      if (deadLooks > 0) await changes.wait(MIN_LOOK_MS, clock);
      else if (waits !== undefined) await changes.wait(WAITED_PAUSE_MS, clock);
      else if (session.watch === undefined) await changes.wait(pace.quietMs(pauseMs) * (0.9 + random.next() / 5), clock);
      // Told of a change: the next may come soon, and so may an end that nobody is left to tell of.
      else if (await changes.wait(pauseMs === first ? first : pace.quietMs(pauseMs), clock)) pauseMs = first / 2;
    }
  } finally {
    signal.removeEventListener("abort", wake);
    waits?.();
    unwatch?.();
    await session.close();
  }
}

/** Is there anything in it that was not in the last one? */
function differs(now: HostObservation, before: Partial<HostObservation>): boolean {
  if (now.events.length > 0 || now.exists !== before.exists) return true;
  if (now.status?.phase !== before.status?.phase || now.status?.startedAt !== before.status?.startedAt) return true;
  return (now.notice === undefined) !== (before.notice === undefined) || (now.exit === undefined) !== (before.exit === undefined);
}

async function record(driver: DriverPort, attempt: number, observation: HostObservation, before: Partial<HostObservation>): Promise<void> {
  const events: RunLogEvent[] = [];
  const known = driver.state.attempts.find((candidate) => candidate.number === attempt);
  const status = observation.status;
  if (status !== undefined && status.phase !== before.status?.phase && status.phase !== known?.phase) {
    events.push({ type: "attempt-phase", attempt, phase: status.phase });
  }
  const startedAt = status?.startedAt ?? observation.final?.startedAt ?? null;
  if (startedAt !== null && known?.startedAt === undefined) {
    const resumed = status?.resumedFrom ?? observation.final?.resumedFrom ?? null;
    const from = driver.state.checkpoints.find((checkpoint) => checkpoint.manifestKey === resumed)?.ref;
    const given = driver.state.resumedFrom?.manifestKey === resumed ? driver.state.resumedFrom?.checkpoint : undefined;
    await driver.update((state) =>
      state.attempts.find((candidate) => candidate.number === attempt)?.startedAt === undefined
        ? [{ type: "attempt-started", attempt, startedAt, resumedFrom: from ?? given }]
        : [],
    );
  }
  if (events.length > 0) await driver.note(...events);
  await recordHostEvents(driver, attempt, observation.events);
}

async function lookNow(driver: DriverPort, attempt: number): Promise<void> {
  const record = driver.state.attempts.find((candidate) => candidate.number === attempt);
  if (record === undefined) return;
  await driver.context.pollers.of(machineOf(driver.state, record).machine.ref.provider).fresh();
}

async function unreachable(driver: DriverPort, attempt: number): Promise<void> {
  const id = `unreachable/${attempt}`;
  if (driver.state.alarms.includes(id)) return;
  await driver.fact({
    type: "alarm",
    id,
    what: `The machine of attempt ${attempt} has not answered for ${UNREACHABLE_ALARM_MS / 60_000} min; its provider reports it as running.`,
    why: "It is kept: a host that cannot be seen may well be training. It ends itself at its limits.",
    fix: ["Check this machine's network.", "`run.cancel()` ends the run and its machine."],
  });
}

/** Wakes a waiter when something changed, with a pause in between so that a chatty log costs little. */
class ChangeSignal {
  #raised = false;
  #wake: (() => void) | undefined;

  raise(): void {
    this.#raised = true;
    this.#wake?.();
  }

  /** True: woken by a change. */
  async wait(maxMs: number, clock: Clock): Promise<boolean> {
    if (!this.#raised) {
      await new Promise<void>((resolve) => {
        const timer = clock.timer(maxMs, resolve);
        this.#wake = () => {
          timer.cancel();
          resolve();
        };
      });
      this.#wake = undefined;
      if (!this.#raised) return false;
    }
    // Changes come in bursts: the pause lets one look see all of a burst.
    await sleep(clock, MIN_LOOK_MS);
    this.#raised = false;
    return true;
  }
}
