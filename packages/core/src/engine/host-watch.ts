import type { HostObservation } from "../host/host-client.ts";
import type { HostSession } from "../provider/host-session.ts";
import type { Clock } from "../util/clock.ts";
import { sleep } from "../util/sleep.ts";
import { conclude, recordHostEvents } from "./conclude.ts";
import type { DriverPort } from "./driver-port.ts";
import { errorText } from "./failure.ts";
import type { RunLogEvent } from "./log-events.ts";
import { machineOf } from "./run-state.ts";

/** Looks at most this often, however often the host's folder changes. */
const MIN_LOOK_MS = 40;
/** Without a change signal: fast at first, then slower. */
const POLL_MS = 500;
const FAR_POLL_MS = 5_000;
const UNREACHABLE_ALARM_MS = 10 * 60_000;

/** Follows one attempt on its host and records what it says, until stopped. An unreachable host is not a dead one. */
export function watchHost(driver: DriverPort, attempt: number, onSeen: () => void = () => undefined): () => void {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, driver.signal]);
  void follow(driver, attempt, signal, onSeen).catch((error: unknown) => {
    if (!signal.aborted)
      driver.context.logger.error?.("following a host ended unexpectedly", { runId: driver.runId, error: errorText(error) });
  });
  return () => stop.abort();
}

async function follow(driver: DriverPort, attempt: number, signal: AbortSignal, onSeen: () => void): Promise<void> {
  const { clock, logger } = driver.context;
  let unreachableSince: number | undefined;
  while (!signal.aborted) {
    try {
      await withSession(driver, attempt, signal, () => {
        unreachableSince = undefined;
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
      await sleep(clock, FAR_POLL_MS / 10, signal).catch(() => undefined);
    }
  }
}

async function withSession(driver: DriverPort, attempt: number, signal: AbortSignal, reached: () => void): Promise<void> {
  const { providers, clock, host } = driver.context;
  const planned = driver.state.attempts.find((candidate) => candidate.number === attempt);
  if (planned === undefined) return;
  const machine = machineOf(driver.state, planned);
  const provider = providers.get(machine.machine.ref.provider);
  if (provider.connect === undefined) {
    await sleep(clock, FAR_POLL_MS, signal);
    return;
  }
  const session: HostSession = await provider.connect(machine.machine, { signal });
  const changes = new ChangeSignal();
  const wake = (): void => changes.raise();
  signal.addEventListener("abort", wake);
  let unwatch: (() => void) | undefined;
  try {
    let offset = 0;
    let deadLooks = 0;
    let seen: Partial<HostObservation> = {};
    while (!signal.aborted) {
      unwatch ??= session.watch?.(host.attemptDir(session, driver.runId, attempt), () => changes.raise());
      const observation = await host.observe(session, driver.runId, attempt, { eventsOffset: offset });
      await record(driver, attempt, observation, seen);
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
      await changes.wait(deadLooks > 0 ? MIN_LOOK_MS : session.watch === undefined ? FAR_POLL_MS : POLL_MS, clock);
    }
  } finally {
    signal.removeEventListener("abort", wake);
    unwatch?.();
    await session.close();
  }
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

  async wait(maxMs: number, clock: Clock): Promise<void> {
    if (!this.#raised) {
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      await sleep(clock, maxMs, woken.signal).catch(() => undefined);
      this.#wake = undefined;
    }
    // Changes come in bursts: the pause lets one look see all of a burst.
    await sleep(clock, MIN_LOOK_MS);
    this.#raised = false;
  }
}
