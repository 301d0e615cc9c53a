import { isoNow } from "../util/clock.ts";
import type { DriverPort } from "./driver-port.ts";
import { machineOf } from "./run-state.ts";

/**
 * Ends an attempt that was never seen to start. If its host has it after all (a process died between the start and its record),
 * the attempt counts as armed, and is then stopped like any other.
 */
export async function callOff(
  driver: DriverPort,
  number: number,
  outcome: "cancelled" | "stopped" | "suspended",
  cause: string,
): Promise<void> {
  const attempt = driver.state.attempts.find((candidate) => candidate.number === number);
  if (attempt === undefined || attempt.outcome !== undefined || attempt.armedAt !== undefined) return;
  const { machine } = machineOf(driver.state, attempt);
  const { providers, host, clock } = driver.context;
  const session = await providers.get(machine.ref.provider).connect?.(machine, { signal: driver.signal });
  try {
    const seen = session === undefined ? undefined : await host.observe(session, driver.runId, number);
    if (seen?.exists === true) {
      await driver.fact({ type: "attempt-armed", attempt: number });
      return;
    }
  } finally {
    await session?.close();
  }
  await driver.fact({ type: "attempt-ended", attempt: number, outcome, cause, endedAt: isoNow(clock), evidence: "observed" });
}
