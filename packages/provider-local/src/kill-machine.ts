import { type Clock, sleep, TimeoutError } from "@runctl/core/provider";
import { type AttemptFolder, listAttempts } from "./attempts.ts";
import { removeContainers } from "./docker.ts";
import type { MachineFiles } from "./machine-record.ts";
import { bootId, processesWithMarks, startTime } from "./processes.ts";

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

// Guardians restart supervisors and supervisors runners, so the order matters.
async function killRecorded(attempts: AttemptFolder[], boot: string): Promise<number> {
  const rank = (role: string): number => (role.startsWith("guard") ? 0 : role === "supervisor" ? 1 : 2);
  const processes = attempts.flatMap((attempt) => attempt.processes).sort((a, b) => rank(a.role) - rank(b.role));
  let alive = 0;
  for (const { pid, startTime: began, bootId } of processes) {
    if (bootId !== boot || pid === process.pid || (await startTime(pid)) !== began) continue;
    alive += 1;
    kill(pid);
  }
  return alive;
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
    const attempts = await listAttempts(machine.dir);
    const nonces = attempts.flatMap((attempt) => (attempt.nonce === undefined ? [] : [`RUNCTL_NONCE=${attempt.nonce}`]));
    const recorded = await killRecorded(attempts, boot);
    const marked = await processesWithMarks([`${TOKEN_VARIABLE}=${machine.record.token}`, ...nonces]);
    for (const pid of marked) kill(pid);
    // One empty listing may have missed the child of a process that died while it was taken.
    quiet = recorded + marked.length === 0 ? quiet + 1 : 0;
    if (quiet === 2) {
      const contained = attempts.filter((attempt) => attempt.container && attempt.nonce !== undefined);
      for (const attempt of contained) await removeContainers(attempt.nonce as string);
      return;
    }
    if (clock.monotonic() > deadline) {
      throw new TimeoutError({
        what: `Processes ${marked.join(", ")} of the local machine ${machine.record.name} do not die.`,
        why: "They got SIGKILL for 20 s; a process that waits for a hung disk, network share or driver dies only when that answers.",
        fix: ["Look at them with ps; repeat when the disk or driver works again."],
        context: { pids: marked },
      });
    }
    if (quiet === 0) await sleep(clock, 10);
  }
}
