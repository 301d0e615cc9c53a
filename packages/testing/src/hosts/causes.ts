import type { AttemptCause, HostFinal } from "@runctl/core/seams";
import type { AttemptDisk } from "./attempt-disk.ts";
import { StoreFailure } from "./host-store.ts";
import { SetupFailure } from "./restore.ts";
import { Refused } from "./setup.ts";

/** Why an attempt ended, and the error that a user sees. */
export interface Verdict {
  cause: AttemptCause;
  error: HostFinal["error"];
}

/** The stop of an attempt, if any. */
export interface Stop {
  cause: AttemptCause | undefined;
  /** The job had written its done file before any cause of ours. */
  doneFirst: boolean;
  /** Uptime at which it began. */
  since: number | undefined;
}

/** attempt/causes.py: why an attempt ended, out of what is known at its end. The first cause wins. */
export function causeOf(disk: AttemptDisk, stop: Stop): Verdict {
  const { exit, isDone, job, file } = disk;
  if (exit?.spawnError !== undefined) {
    return {
      cause: "spawn-failed",
      error: {
        what: `'${file.argv[0]}' could not be started: ${exit.spawnError}`,
        why: "It was looked for on the PATH of the training host and in the working folder.",
        fix: ["Check the command's first word, its path and its executable bit"],
      },
    };
  }
  if (stop.doneFirst || (isDone && stop.cause === undefined)) return { cause: "done-file", error: null };
  const wasFirst = exit !== undefined && stop.since !== undefined && exit.endedUptime < stop.since;
  if (stop.cause !== undefined && !wasFirst) return { cause: stop.cause, error: null };
  if (job?.diskFullAt !== undefined && exit?.code !== 0) {
    return {
      cause: "disk-full",
      error: {
        what: "the disk of the training host is full",
        why: "The training ended while nothing could be written.",
        fix: ["Ask for a larger disk", "Keep fewer checkpoints on the host"],
      },
    };
  }
  return { cause: "exit", error: null };
}

/** What a failure of setup is for the attempt. */
export function failureOf(error: unknown): Verdict {
  if (error instanceof Refused) return { cause: error.attemptCause, error: error.error };
  if (error instanceof SetupFailure) return { cause: "setup-failed", error: { what: error.what, why: error.why, fix: error.fix } };
  const what = error instanceof Error ? error.message : String(error);
  if (error instanceof StoreFailure) {
    const fix = ["Look at the store's folder or rights, then start again"];
    return { cause: "setup-failed", error: { what, why: "Setup needs the run's store.", fix } };
  }
  const fix = ["Look at agent.log in the attempt's folder, and report this"];
  return { cause: "setup-failed", error: { what: `the host agent failed: ${what}`, why: "", fix } };
}
