import { UnsupportedCapabilityError } from "../errors/kinds.ts";
import { errorKind } from "../errors/runctl-error.ts";
import { isoNow } from "../util/clock.ts";
import { within } from "../util/within.ts";
import { attemptFile } from "./attempt-file.ts";
import { connectWithin } from "./connect-within.ts";
import type { DriverPort } from "./driver-port.ts";
import { failureRecord } from "./failure.ts";
import { machineOf } from "./run-state.ts";

/** Bringing the agent over a slow line takes minutes; more than this is a hung connection, and starting is safe to repeat. */
const START_LIMIT_MS = 10 * 60_000;

/** Brings the agent and the attempt to the machine and starts them. Starting twice is one start (the host's bootstrap sees to it). */
export async function startHost(driver: DriverPort, attempt: number): Promise<void> {
  const record = driver.state.attempts.find((candidate) => candidate.number === attempt);
  if (record === undefined || record.outcome !== undefined || record.armedAt !== undefined) return;
  const { machine } = machineOf(driver.state, record);
  const { providers, host, secrets } = driver.context;
  const provider = providers.get(machine.ref.provider);
  if (provider.connect === undefined) {
    throw new UnsupportedCapabilityError({
      what: `${provider.name} gives no way to reach a machine and no boot hook was used.`,
      provider: provider.name,
    });
  }
  const lookup = await secrets(driver.runId, driver.state.spec);
  if (lookup.missing.length > 0) {
    await driver.fact(
      { type: "secrets-missing", names: lookup.missing },
      {
        type: "attempt-ended",
        attempt,
        outcome: "never-started",
        cause: "secrets-missing",
        endedAt: isoNow(driver.context.clock),
        evidence: "observed",
      },
    );
    return;
  }
  const session = await connectWithin(driver.context.clock, provider, machine, driver.signal);
  try {
    const { file, storeSecrets } = await attemptFile(driver, record);
    await driver.gate();
    const starting = host.start(session, file, { env: lookup.values, stores: storeSecrets }, { signal: driver.signal });
    await within(driver.context.clock, START_LIMIT_MS, "Starting the host agent", starting);
  } catch (error) {
    // What no retry can mend ends the attempt; everything else (a host still booting) is tried again.
    const kind = errorKind(error);
    if (kind !== "configuration" && kind !== "validation" && kind !== "permission") throw error;
    const cause = "setup-failed";
    await driver.fact({
      type: "attempt-ended",
      attempt,
      outcome: "failed",
      cause,
      endedAt: isoNow(driver.context.clock),
      evidence: "observed",
      error: failureRecord(error),
    });
    return;
  } finally {
    await session.close();
  }
  await driver.note({ type: "attempt-armed", attempt });
}
