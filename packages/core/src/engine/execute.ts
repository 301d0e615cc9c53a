import { billMachine } from "./bill-machine.ts";
import type { Command } from "./commands.ts";
import { conclude } from "./conclude.ts";
import type { DriverPort } from "./driver-port.ts";
import { buy } from "./execute-buy.ts";
import { callOff } from "./execute-call-off.ts";
import { control } from "./execute-control.ts";
import { create, settleIntent } from "./execute-create.ts";
import { endMachine } from "./execute-machine.ts";
import { planAttempt } from "./execute-plan.ts";
import { startHost } from "./execute-start.ts";
import { applyExistingMachine } from "./execute-use.ts";
import { prune } from "./prune.ts";
import { renewAllowance } from "./renew-allowance.ts";
import { endVolume } from "./run-volumes.ts";

/** Carries out one command. Whatever happened is in the log when this resolves; a rejection is tried again later. */
export async function execute(driver: DriverPort, command: Command): Promise<void> {
  await driver.gate();
  switch (command.do) {
    case "buy":
      return buy(driver);
    case "use-machine":
      return applyExistingMachine(driver);
    case "create":
      return create(driver, command.intentId);
    case "settle-intent":
      return settleIntent(driver, command.intentId);
    case "plan-attempt":
      return planAttempt(driver, command.machineId, command.attempt);
    case "start-host":
      return startHost(driver, command.attempt);
    case "call-off":
      return callOff(driver, command.attempt, command.outcome, command.cause);
    case "control":
      return control(driver, command.attempt, command.command, command.op);
    case "conclude":
      return conclude(driver, command.attempt);
    case "machine":
      return endMachine(driver, command.machineId, command.action);
    case "renew-allowance":
      return renewAllowance(driver, command.attempt);
    case "bill":
      return billMachine(driver, command.machineId);
    case "end-volume":
      return endVolume(driver, command.index);
    case "prune":
      return prune(driver);
    default:
      return;
  }
}
