import { UnsupportedCapabilityError } from "../errors/kinds.ts";
import type { ControlCommand } from "../host/host-client.ts";
import { within } from "../util/within.ts";
import { connectWithin } from "./connect-within.ts";
import type { DriverPort } from "./driver-port.ts";
import { machineOf } from "./run-state.ts";

const TELL_LIMIT_MS = 60_000;

/** Tells the attempt's host something; told twice is done once by the host. */
export async function control(driver: DriverPort, attempt: number, command: ControlCommand, op: string): Promise<void> {
  const record = driver.state.attempts.find((candidate) => candidate.number === attempt);
  if (record === undefined || record.outcome !== undefined) return;
  const { machine } = machineOf(driver.state, record);
  const provider = driver.context.providers.get(machine.ref.provider);
  if (provider.connect === undefined) {
    throw new UnsupportedCapabilityError({ what: `${provider.name} gives no way to reach a running machine.`, provider: provider.name });
  }
  const session = await connectWithin(driver.context.clock, provider, machine, driver.signal);
  try {
    await driver.gate();
    const { host } = driver.context;
    // Suspended is not over: its machine is stopped by us and started again, and does not end itself while it waits for that.
    if (command.op === "stop" && command.cause === "suspend")
      await host.control(session, driver.runId, attempt, { op: "end-policy", action: "none", afterSeconds: 0 });
    await within(driver.context.clock, TELL_LIMIT_MS, "Telling the host", host.control(session, driver.runId, attempt, command));
  } finally {
    await session.close();
  }
  await driver.fact({ type: "attempt-told", attempt, op });
}
