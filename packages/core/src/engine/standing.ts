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
  let seen = false;
  return driver.context.pollers.of(record.machine.ref.provider).subscribe(command.machineId, (listing) => {
    // The common case by far, and for a thousand machines: no promise, nothing to write.
    const known = sight.isKnown(listing);
    if (known && seen) return true;
    sight(listing).then(
      (certain) => {
        if (certain) driver.markSeen(command.key);
        seen ||= certain;
      },
      () => undefined,
    );
    return known;
  });
}
