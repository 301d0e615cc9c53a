import { ConfigurationError, SyncError } from "../errors/kinds.ts";
import type { ExecResult, HostSession } from "../provider/host-session.ts";
import type { AttemptFile } from "./attempt-file.ts";
import { agentFolder, attemptFolder } from "./attempt-paths.ts";
import type { AttemptSecrets } from "./host-client.ts";
import { PREPARE_SH } from "./host-scripts.ts";

/**
 * Brings agent and attempt file to the host and arms the guardian. May be repeated at any point: what is there stays, and a
 * guardian that lives is left alone. ConfigurationError when the host has no fitting python3, SyncError when it could not be started.
 */
export async function startAttempt(
  session: HostSession,
  attempt: AttemptFile,
  secrets: AttemptSecrets,
  signal?: AbortSignal,
): Promise<void> {
  // Loaded at the first start only: importing the package must not cost the agent's bytes.
  const agent = await import("./agent.generated.ts");
  const dir = attemptFolder(session, attempt.runId, attempt.attempt);
  const folder = agentFolder(session, agent.AGENT_DIGEST);
  const prepared = await session.exec(["sh", "-c", PREPARE_SH, "sh", dir, folder], { signal });
  if (prepared.exitCode !== 0) throw refused(`the folder ${dir} could not be made on the host`, prepared);
  const there = prepared.stdout.split("\n");
  if (!there.includes("agent")) {
    await session.write(`${folder}/agent.pyz`, Buffer.from(agent.AGENT_ZIPAPP, "base64"), { mode: 0o600 });
    await session.write(`${folder}/guardian.sh`, agent.GUARDIAN_SH, { mode: 0o600 });
    // Last: it is the sign that the others are there.
    await session.write(`${folder}/bootstrap.sh`, agent.BOOTSTRAP_SH, { mode: 0o600 });
  }
  signal?.throwIfAborted();
  if (!there.includes("attempt")) {
    const hook = attempt.hooks[attempt.endPolicy.action === "stop" ? "stop" : "terminate"] ?? attempt.hooks.terminate ?? attempt.hooks.stop;
    // For the guardian: it ends the machine at the hard limit, reads no JSON, and may be all that is left.
    if (hook !== null) await session.write(`${dir}/end.sh`, hook, { mode: 0o600 });
    await session.write(`${dir}/attempt.json`, `${JSON.stringify(attempt)}\n`, { mode: 0o600 });
  }
  signal?.throwIfAborted();
  const started = await session.exec(["sh", `${folder}/bootstrap.sh`, dir, folder, guardLine(attempt)], {
    stdin: JSON.stringify(secrets),
    signal,
  });
  if (started.exitCode === 41) {
    throw new ConfigurationError({
      what: "The training host has no python3 of version 3.8 or newer.",
      why: `The host agent that looks after the training is written in Python. ${started.stderr.trim()}`,
      fix: [
        "Install it on the host, e.g. apt-get install python3 or dnf install python3.11",
        "Use an image that has it",
        "Put it on the PATH of the user that runctl connects as",
      ],
    });
  }
  if (started.exitCode !== 0) throw refused("the host agent could not be started", started);
}

/** What the guardian knows: hard limit, feed, first feed, grace (seconds), signal, nonce, end action. One line for sh's `read`. */
function guardLine(attempt: AttemptFile): string {
  const stop =
    attempt.checkpoints === null
      ? attempt.stop
      : { signal: attempt.checkpoints.stopSignal, graceSeconds: attempt.checkpoints.graceSeconds };
  const whole = (seconds: number): string => String(Math.max(0, Math.ceil(seconds)));
  return [
    whole(attempt.allowance.hardSeconds),
    whole(attempt.guard.feedSeconds),
    whole(attempt.guard.firstFeedSeconds),
    whole(stop.graceSeconds),
    stop.signal,
    attempt.nonce,
    attempt.endPolicy.action,
  ].join(" ");
}

function refused(what: string, result: ExecResult): SyncError {
  const said = result.stderr.trim().slice(-2000);
  return new SyncError({
    what: `${what} (exit code ${result.exitCode}${result.signal === undefined ? "" : `, ${result.signal}`})`,
    why: said === "" ? undefined : said,
    fix: ["Check that the disk of the host is not full and its home folder is writable", "Look at agent.log in the attempt's folder"],
  });
}
