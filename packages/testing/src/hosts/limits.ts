import type { AttemptCause } from "@runctl/core/seams";
import type { AttemptDisk } from "./attempt-disk.ts";
import type { Power } from "./power.ts";

/** The monotonic instant of the next limit of attempt/limits.py. `begun` and `trainingSince` are uptimes in seconds. */
export function nextLimitAt(disk: AttemptDisk, begun: number, trainingSince: number | undefined, power: Power): number {
  const { seconds, hardSeconds } = disk.allowance;
  const max = disk.file.maxDurationSeconds;
  const uptimes = [begun + hardSeconds];
  if (seconds !== null) uptimes.push(begun + seconds);
  if (max !== null && trainingSince !== undefined) uptimes.push(trainingSince + max);
  return power.bootedAt + Math.ceil(Math.min(...uptimes) * 1000);
}

/** A limit that has been reached, and what the notice says of it. */
export function limitReached(
  disk: AttemptDisk,
  begun: number,
  trainingSince: number | undefined,
  power: Power,
  wall: string,
): { cause: AttemptCause; detail: string } | undefined {
  const { seconds, hardSeconds } = disk.allowance;
  const { maxDurationSeconds: max, deadlineAt } = disk.file;
  // Sums of seconds and milliseconds may miss each other by a rounding.
  const now = power.uptime + 1e-6;
  if (seconds !== null && now - begun >= seconds) {
    return { cause: "allowance", detail: `the ${Math.trunc(seconds)} s that the budget allows are used up` };
  }
  if (max !== null && trainingSince !== undefined && now - trainingSince >= max) {
    return { cause: "max-duration", detail: `${Math.trunc(max)} s of training` };
  }
  if (now - begun >= hardSeconds) {
    // Same format, so text compares as time.
    if (deadlineAt !== null && deadlineAt.slice(0, 19) <= wall.slice(0, 19))
      return { cause: "deadline", detail: `the deadline ${deadlineAt}` };
    return { cause: "guard", detail: `the hard limit of ${Math.trunc(hardSeconds)} s` };
  }
  return undefined;
}
