import { type Clock, sleep, TimeoutError } from "@runctl/core/provider";
import { type AttemptDir, isAlive, listAttempts, orderOf, recordedProcesses } from "./attempts.ts";
import { removeContainers } from "./docker.ts";
import type { MachineFiles } from "./machine-record.ts";
import { bootId, processesWithMarks } from "./processes.ts";

/** The name under which a machine's token is in the environment of its processes. */
export const TOKEN_VARIABLE = "RUNCTL_LOCAL_MACHINE";

const PATIENCE_MS = 20_000;

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone already, or not ours to kill: the next listing tells.
  }
}

// In the order of the records: the guardian first, since it restarts the others.
async function killRecorded(attempts: AttemptDir[], boot: string): Promise<number[]> {
  const killed: number[] = [];
  for (const attempt of attempts) {
    for (const recorded of recordedProcesses(attempt)) {
      if (recorded.pid === process.pid || !(await isAlive(recorded, boot))) continue;
      killed.push(recorded.pid);
      kill(recorded.pid);
    }
  }
  return killed;
}

/**
 * SIGKILL to everything that runs on the machine: recorded processes of the agent, then every process that carries the machine's
 * token or an attempt's nonce, in whatever session or group it is, until two listings in a row show none; then its containers.
 * @throws TimeoutError when a process does not die within 20 s (a hung disk or driver).
 */
export async function killMachine(machine: MachineFiles, clock: Clock): Promise<void> {
  const boot = await bootId();
  const deadline = clock.monotonic() + PATIENCE_MS;
  let quiet = 0;
  for (;;) {
    // Read every time: an attempt may be starting right now.
    const attempts = listAttempts(machine.dir);
    const orders = attempts.map(orderOf).filter((order) => order !== undefined);
    const left = await killRecorded(attempts, boot);
    for (const { pid } of await processesWithMarks([
      `${TOKEN_VARIABLE}=${machine.record.token}`,
      ...orders.map(({ nonce }) => `RUNCTL_NONCE=${nonce}`),
    ])) {
      left.push(pid);
      kill(pid);
    }
    // One empty listing may have missed the child of a process that died while it was taken.
    quiet = left.length === 0 ? quiet + 1 : 0;
    if (quiet === 2) {
      for (const order of orders) if (order.container) await removeContainers(order.nonce);
      return;
    }
    if (clock.monotonic() > deadline) {
      throw new TimeoutError({
        what: `Processes ${left.join(", ")} of the local machine ${machine.record.name} do not die.`,
        why: "They got SIGKILL for 20 s; a process that waits for a hung disk, network share or driver dies only when that answers.",
        fix: ["Look at them with ps; repeat when the disk or driver works again."],
        context: { pids: left },
      });
    }
    if (quiet === 0) await sleep(clock, 10);
  }
}
