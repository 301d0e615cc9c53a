import { TimeoutError, UnsupportedCapabilityError } from "../errors/kinds.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import type { ResourceRef } from "../provider/resource.ts";
import { sleep } from "../util/sleep.ts";
import { within } from "../util/within.ts";
import type { DriverPort } from "./driver-port.ts";
import { sawMachine } from "./machine-sight.ts";

/** How often a provider is asked again before an alarm says that a machine does not end. */
const ALARM_AFTER = 3;
/** A provider that answers nothing must not hold a run back for ever. */
const CALL_LIMIT_MS = 120_000;
/** A change that the provider shows to be under way (EC2 takes a minute, and more) is waited for this long before it is asked for again. */
const UNDER_WAY_MS = 300_000;
const UNDER_WAY = { terminate: "ending", stop: "stopping", start: "pending" } as const;
const DONE = { terminate: "terminated", stop: "stopped", start: "started" } as const;
const DEFAULT_SETTLE_MS = 60_000;
const tries = new WeakMap<DriverPort, Map<string, { count: number; since: number }>>();

/**
 * Ends, stops or starts a machine: the wish is durable first, then the call, then we look until it is so. A delete that lies is
 * seen by the next listing and sent again; the record is never closed on the provider's word alone.
 */
export async function endMachine(driver: DriverPort, machineId: string, action: "terminate" | "stop" | "start"): Promise<void> {
  const { providers, clock, pollers } = driver.context;
  const record = driver.state.machines[machineId];
  if (record === undefined) return;
  const provider = providers.get(record.machine.ref.provider);
  if (record.asked?.action !== action) await driver.fact({ type: "machine-end-asked", machineId, action });
  await driver.gate();
  if (record.endedAt !== undefined) {
    // It ended by itself: what the provider still keeps of it (a folder, an exited pod) goes too. No money hangs on it.
    if (action === "terminate") await provider.terminate(record.machine.ref).catch(() => undefined);
    return;
  }
  countTry(driver, machineId);
  try {
    await within(clock, CALL_LIMIT_MS, `${provider.name}.${action}`, ask(provider, record.machine.ref, action));
  } catch (error) {
    await raiseAlarm(driver, machineId, action, provider.capabilities.settleMs);
    throw error;
  }
  const poller = pollers.of(provider.name);
  const pollMs = provider.capabilities.pollMs ?? 10_000;
  const sight = sawMachine(driver, machineId);
  const begun = clock.monotonic();
  const isUnderWay = (): boolean =>
    driver.state.machines[machineId]?.state === UNDER_WAY[action] && clock.monotonic() - begun < UNDER_WAY_MS;
  for (let look = 0; look < 6 || isUnderWay(); look++) {
    await driver.gate();
    const listing = await poller.fresh();
    if (listing !== undefined) await sight(listing);
    const now = driver.state.machines[machineId];
    if (now === undefined || now.endedAt !== undefined) return;
    if (action === "stop" && now.state === "stopped") return;
    if (action === "start" && now.state === "running") return;
    // Where a listing is never late, the second one may follow the first at once.
    if (look > 0 || provider.capabilities.settleMs !== 0) await sleep(clock, Math.min(pollMs, 50 * 2 ** look), driver.signal);
  }
  await raiseAlarm(driver, machineId, action, provider.capabilities.settleMs);
  // Not done yet: asked again, with growing pauses.
  throw new TimeoutError({ what: `${machineId} was asked to ${action} and is not seen to be ${DONE[action]} yet.` });
}

async function ask(provider: TrainingProvider, ref: ResourceRef, action: "terminate" | "stop" | "start"): Promise<void> {
  if (action === "terminate") return provider.terminate(ref);
  if (provider[action] === undefined) throw unsupported(provider.name, action);
  return provider[action](ref);
}

function countTry(driver: DriverPort, machineId: string): void {
  const counts = tries.get(driver) ?? new Map<string, { count: number; since: number }>();
  const known = counts.get(machineId) ?? { count: 0, since: driver.context.clock.monotonic() };
  counts.set(machineId, { ...known, count: known.count + 1 });
  tries.set(driver, counts);
}

/** Not before a listing must show it: one that lags is no trouble. */
async function raiseAlarm(driver: DriverPort, machineId: string, action: keyof typeof DONE, settleMs = DEFAULT_SETTLE_MS): Promise<void> {
  const id = `not-${DONE[action]}/${machineId}`;
  const tried = tries.get(driver)?.get(machineId);
  if (tried === undefined || tried.count < ALARM_AFTER || driver.context.clock.monotonic() - tried.since < settleMs) return;
  if (driver.state.alarms.includes(id)) return;
  await driver.fact({
    type: "alarm",
    id,
    what: `${machineId} was asked to ${action} ${tried.count} times and is still there.`,
    why: "Until the provider says it is gone it is counted as costing money; its guardian's limit still holds.",
    fix: ["Look at the provider's console.", "Keep a process driving: it goes on asking."],
  });
}

function unsupported(provider: string, action: string): UnsupportedCapabilityError {
  return new UnsupportedCapabilityError({
    what: `${provider} cannot ${action} a machine.`,
    why: "The provider has no such operation.",
    fix: ['Use onEnd: "terminate" with this provider.'],
    provider,
  });
}
