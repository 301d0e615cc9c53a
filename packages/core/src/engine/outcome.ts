import type { AttemptOutcome } from "../events/event-types.ts";
import type { HostFinal } from "../host/records.ts";
import type { FailureRecord } from "./log-events.ts";

/** What an attempt's final record means. Our own signal's cause wins over any exit code (architecture.md). */
export function outcomeOf(final: HostFinal): AttemptOutcome {
  switch (final.cause) {
    case "exit":
      return final.code === 0 ? "succeeded" : "failed";
    case "done-file":
      return "succeeded";
    case "stop":
      return "stopped";
    case "cancel":
      return "cancelled";
    case "suspend":
      return "suspended";
    case "notice":
    case "reboot":
    case "agent-lost":
      return "interrupted";
    case "allowance":
      return "out-of-budget";
    case "max-duration":
    case "deadline":
      return "timed-out";
    case "guard":
      return "lost";
    case "claim-lost":
    case "busy":
      return "never-started";
    default:
      return "failed";
  }
}

/** The error a result shows for an attempt that did not succeed; undefined where the outcome speaks for itself. */
export function failureOf(final: HostFinal, script: string): FailureRecord | undefined {
  if (final.error !== null) return { code: codeOf(final.cause), ...final.error };
  const limit = LIMITS[final.cause];
  if (limit !== undefined) return limit;
  if (final.cause !== "exit" || final.code === 0) return undefined;
  const how = final.signal === null ? `ended with exit code ${final.code ?? "unknown"}` : `was ended by ${final.signal}`;
  return {
    code: "RUNCTL_RUN_FAILED",
    what: `${script} ${how}.`,
    why: final.signal === null ? hintFor(final.code) : hintForSignal(final.signal),
    fix: ["Read logTail or `run.logs()`: the script's last lines say what happened."],
  };
}

const GO_ON = "Go on from the newest checkpoint: `runctl.resume(runId, { … })` with a larger limit.";

/** Ends by a limit that the run was given. */
const LIMITS: Partial<Record<HostFinal["cause"], FailureRecord>> = {
  allowance: {
    code: "RUNCTL_BUDGET_EXCEEDED",
    what: "The budget is used up.",
    why: "The training was stopped with a checkpoint before the machine's price could pass what was left.",
    fix: [GO_ON, "Choose a cheaper machine (`runctl.plan` lists them)."],
  },
  "max-duration": {
    code: "RUNCTL_TIMEOUT",
    what: "The run trained for its maxDuration.",
    why: "It is the limit this run was given.",
    fix: [GO_ON],
  },
  deadline: { code: "RUNCTL_TIMEOUT", what: "The run's deadline has come.", why: "It is the limit this run was given.", fix: [GO_ON] },
  guard: {
    code: "RUNCTL_TIMEOUT",
    what: "The machine's guardian ended the attempt.",
    why: "Its hard limit was reached, or nobody fed it: the supervisor on the machine was gone for too long.",
    fix: ["Read the attempt's setup log.", GO_ON],
  },
};

function codeOf(cause: HostFinal["cause"]): string {
  switch (cause) {
    case "busy":
      return "RUNCTL_CONFLICT";
    case "claim-lost":
      return "RUNCTL_CONFLICT";
    case "disk-full":
      return "RUNCTL_STORAGE";
    case "setup-failed":
      return "RUNCTL_SYNC";
    default:
      return "RUNCTL_RUN_FAILED";
  }
}

// Exit codes as POSIX shells and Python give them.
function hintFor(code: number | null): string {
  switch (code) {
    case 1:
      return "A Python script ends so on an uncaught exception.";
    case 2:
      return "Most often wrong arguments: argparse ends so.";
    case 126:
      return "The file was found but may not be executed.";
    case 127:
      return "The command was not found on the machine.";
    default:
      return "The script chose this exit code.";
  }
}

function hintForSignal(signal: string): string {
  switch (signal) {
    case "SIGKILL":
      return "Nobody of runctl sent that signal: most often the machine ran out of memory.";
    case "SIGSEGV":
    case "SIGBUS":
    case "SIGILL":
    case "SIGFPE":
    case "SIGABRT":
      return "Native code ends so when it crashes: an extension module, a driver, or Python itself.";
    default:
      return "Nobody of runctl sent that signal.";
  }
}
