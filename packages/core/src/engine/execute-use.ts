import { errorKind } from "../errors/runctl-error.ts";
import type { Machine } from "../provider/resource.ts";
import type { DriverPort } from "./driver-port.ts";
import { findExistingMachine } from "./existing-machine.ts";
import { failureRecord } from "./failure.ts";

/** Looks up the machine that the spec names and records it as used. It is not ours to end. */
export async function applyExistingMachine(driver: DriverPort): Promise<void> {
  const name = driver.state.spec.machine;
  if (name === undefined) return;
  const madeAt = driver.state.version;
  let machine: Machine;
  try {
    machine = await findExistingMachine(driver.context.providers.all(), name);
  } catch (error) {
    if (errorKind(error) !== "not-found" && errorKind(error) !== "conflict") throw error;
    await driver.decided([{ type: "run-ended", status: "failed", error: failureRecord(error) }], madeAt);
    return;
  }
  await driver.decided([{ type: "machine-used", machine, pricePerHour: machine.pricePerHour }], madeAt);
}
