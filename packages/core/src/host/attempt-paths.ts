import { ValidationError } from "../errors/kinds.ts";
import type { HostSession } from "../provider/host-session.ts";

/** The attempt's folder on the host: `<home>/runs/<run>/<attempt>`. ValidationError for a run id that is not a plain file name. */
export function attemptFolder(session: HostSession, runId: string, attempt: number): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(runId) || !Number.isSafeInteger(attempt) || attempt < 0) {
    throw new ValidationError({
      what: `run ${JSON.stringify(runId)}, attempt ${attempt} cannot be a folder name`,
      fix: ['Use ids of letters, digits, ".", "_" and "-", e.g. "r7k2", and attempts from 1 on'],
    });
  }
  return `${session.home}/runs/${runId}/${attempt}`;
}

/** Where this version of the agent lives on the host; shared by all runs, and by machines that share `cacheDir`. */
export function agentFolder(session: HostSession, digest: string): string {
  return `${session.cacheDir ?? `${session.home}/cache`}/agent/${digest}`;
}
