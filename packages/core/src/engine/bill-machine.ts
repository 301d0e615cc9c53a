import type { PriceSegment } from "../cost/resource-record.ts";
import { sleep } from "../util/sleep.ts";
import { within } from "../util/within.ts";
import type { Command } from "./commands.ts";
import type { DriverPort } from "./driver-port.ts";
import { errorText } from "./failure.ts";
import type { RunState } from "./run-state.ts";
import { segmentsOf } from "./spent.ts";

/** A result is not held back for its bill: asked twice, then what was seen stands. */
const TRIES = 2;
const ANSWER_LIMIT_MS = 10_000;
const PAUSE_MS = 1_000;

/** Machines that ended and whose provider has not been asked yet what they cost. */
export function bills(state: RunState): Array<Extract<Command, { do: "bill" }>> {
  return Object.values(state.machines)
    .filter((machine) => machine.owned && machine.endedAt !== undefined && machine.bills === undefined)
    .map((machine) => ({ do: "bill", key: `bill/${machine.id}`, machineId: machine.id }));
}

/**
 * Asks the provider what an ended machine cost: a minimum, a rounding to minutes or a price that changed are not seen from outside.
 * Recorded once; what it does not tell stays as it was seen, and `resources.refreshCosts()` asks again at any time.
 */
export async function billMachine(driver: DriverPort, machineId: string): Promise<void> {
  const { providers, clock, logger } = driver.context;
  const record = driver.state.machines[machineId];
  if (record?.endedAt === undefined || record.bills !== undefined) return;
  const provider = providers.get(record.machine.ref.provider);
  const machine = { ...record.machine, state: record.state, endedAt: record.endedAt };
  const to = new Date(Math.max(clock.now(), Date.parse(record.endedAt))).toISOString();
  let segments: PriceSegment[] = [];
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    await driver.gate();
    try {
      const asked = provider.costs(machine, record.createdAt, to);
      const intervals = await within(clock, ANSWER_LIMIT_MS, `${provider.name}.costs`, asked);
      const seen = new Set(segmentsOf(record).map((segment) => segment.what));
      segments = intervals
        .filter((interval) => interval.evidence === "billed" || !seen.has(interval.what))
        .map((interval) => ({ ...interval, evidence: "billed" }));
      break;
    } catch (error) {
      logger.debug?.("a bill could not be had", { machineId, error: errorText(error) });
      if (attempt < TRIES) await sleep(clock, PAUSE_MS, driver.signal);
    }
  }
  await driver.update((state) => (state.machines[machineId]?.bills === undefined ? [{ type: "machine-billed", machineId, segments }] : []));
}
