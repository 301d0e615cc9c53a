import { type Clock, HostUnreachableError, systemClock } from "@runctl/core/provider";
import { type CommandOptions, type CommandResult, runCommand } from "./run-command.ts";
import { safeEnv } from "./safe-env.ts";

/** Runs the docker client. Exit code 127: there is none. */
export function docker(args: string[], options: Partial<CommandOptions> = {}, clock: Clock = systemClock): Promise<CommandResult> {
  return runCommand(clock, ["docker", ...args], { ...options, env: { ...safeEnv(process.env), ...options.env } });
}

/**
 * Ends and removes the containers of an attempt: those that the host agent started carry its nonce as a label. Without a docker
 * command or a running engine there are none. @throws HostUnreachableError when an engine is there and refuses.
 */
export async function removeContainers(nonce: string): Promise<void> {
  const listed = await docker(["ps", "-aq", "--filter", `label=runctl.nonce=${nonce}`], { timeoutMs: 30_000 });
  if (listed.exitCode === 127 || (listed.exitCode !== 0 && /cannot connect to the docker daemon/i.test(listed.stderr))) return;
  const ids = listed.stdout.split(/\s+/).filter((id) => /^[0-9a-f]+$/.test(id));
  const removed = listed.exitCode !== 0 || ids.length === 0 ? listed : await docker(["rm", "-f", "-v", ...ids], { timeoutMs: 60_000 });
  // One that ended by itself meanwhile is as good as removed.
  if (removed.exitCode === 0 || /no such container|already in progress/i.test(removed.stderr)) return;
  throw new HostUnreachableError({
    what: "The containers of a training on this computer could not be ended.",
    why: removed.stderr.trim().slice(-500),
    fix: [`Look at them with: docker ps --filter label=runctl.nonce=${nonce}`, "Let this user use Docker (group docker), then repeat."],
    context: { containers: ids },
  });
}
