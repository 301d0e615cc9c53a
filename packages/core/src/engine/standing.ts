import type { StandingCommand } from "./commands.ts";
import type { DriverPort } from "./driver-port.ts";
import { watchHost } from "./host-watch.ts";
import { judgeMetrics } from "./judge-metrics.ts";
import { sawMachine } from "./machine-sight.ts";

/** Starts work that goes on until it is no longer wanted. The returned function ends it. */
export function startStanding(driver: DriverPort, command: StandingCommand): () => void {
  if (command.do === "observe") return watchHost(driver, command.attempt, () => driver.markSeen(command.key));
  if (command.do === "look") return look(driver, command);
  driver.markSeen(command.key);
  return judgeMetrics(driver);
}

function look(driver: DriverPort, command: Extract<StandingCommand, { do: "look" }>): () => void {
  const record = driver.state.machines[command.machineId];
  if (record === undefined) return () => undefined;
  const sight = sawMachine(driver, command.machineId);
  return driver.context.pollers.of(record.machine.ref.provider).subscribe((listing) => {
    sight(listing).then(
      (certain) => {
        if (certain) driver.markSeen(command.key);
      },
      () => undefined,
    );
  });
}
