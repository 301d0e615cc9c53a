import { type Clock, systemClock } from "@runctl/core/provider";
import { type CommandOptions, type CommandResult, runCommand } from "./run-command.ts";
import { safeEnv } from "./safe-env.ts";

/** Runs the docker client. Exit code 127: there is none. */
export function docker(args: string[], options: Partial<CommandOptions> = {}, clock: Clock = systemClock): Promise<CommandResult> {
  return runCommand(clock, ["docker", ...args], { ...options, env: { ...safeEnv(process.env), ...options.env } });
}

/** Ends and removes the containers of an attempt: those that the host agent started carry its nonce as a label. */
export async function removeContainers(nonce: string): Promise<void> {
  const listed = await docker(["ps", "-aq", "--filter", `label=runctl.nonce=${nonce}`], { timeoutMs: 30_000 });
  const ids = listed.stdout.split(/\s+/).filter((id) => /^[0-9a-f]+$/.test(id));
  if (listed.exitCode === 0 && ids.length > 0) await docker(["rm", "-f", "-v", ...ids], { timeoutMs: 60_000 });
}
