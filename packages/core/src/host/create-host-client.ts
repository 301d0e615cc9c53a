import { NotFoundError, SyncError } from "../errors/kinds.ts";
import { attemptFolder } from "./attempt-paths.ts";
import { type HostClient, hostClientOf } from "./host-client.ts";
import { CONTROL_SH, OBSERVE_SH } from "./host-scripts.ts";
import { parseObservation } from "./parse-observation.ts";
import { startAttempt } from "./start-attempt.ts";

/** The controller's side of the host protocol. Holds no state: one client serves all sessions. */
export function createHostClient(): HostClient {
  return {
    start: (session, attempt, secrets, options) =>
      hostClientOf(session)?.start(session, attempt, secrets, options) ?? startAttempt(session, attempt, secrets, options?.signal),

    async observe(session, runId, attempt, options) {
      const own = hostClientOf(session);
      if (own !== undefined) return own.observe(session, runId, attempt, options);
      const offset = options?.eventsOffset ?? 0;
      const dir = attemptFolder(session, runId, attempt);
      const { wait, signal } = options ?? {};
      const waiting = wait === undefined ? [] : [String(Math.ceil(wait.ms / 1000)), wait.mark];
      const result = await session.exec(["sh", "-c", OBSERVE_SH, "sh", dir, String(offset), ...waiting], { signal });
      if (result.exitCode === 4) {
        return { exists: false, alive: { guardian: false, supervisor: false, runner: false }, events: [], eventsOffset: offset };
      }
      if (result.exitCode !== 0) throw failed(`looking at ${dir}`, result.stderr);
      return parseObservation(result.stdout, offset);
    },

    async control(session, runId, attempt, command) {
      const own = hostClientOf(session);
      if (own !== undefined) return own.control(session, runId, attempt, command);
      const dir = attemptFolder(session, runId, attempt);
      const result = await session.exec(["sh", "-c", CONTROL_SH, "sh", dir], { stdin: `${JSON.stringify(command)}\n` });
      if (result.exitCode === 4) {
        throw new NotFoundError({
          what: `Attempt ${attempt} of run ${runId} was never started on this host.`,
          context: { runId, attempt },
        });
      }
      if (result.exitCode !== 0) throw failed(`telling ${dir} to ${command.op}`, result.stderr);
    },

    readLog: (session, runId, attempt, which, offset, maxBytes) =>
      hostClientOf(session)?.readLog(session, runId, attempt, which, offset, maxBytes) ??
      session.read(`${attemptFolder(session, runId, attempt)}/${which}`, offset, maxBytes),

    attemptDir: attemptFolder,
  };
}

function failed(what: string, stderr: string): SyncError {
  const said = stderr.trim().slice(-2000);
  return new SyncError({
    what: `${what} failed on the host`,
    why: said === "" ? undefined : said,
    fix: ["Check that the host's disk is not full"],
  });
}
