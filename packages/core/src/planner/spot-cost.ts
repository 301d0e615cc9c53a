/** What interruptions do to a training. */
export interface InterruptionModel {
  /** Mean time between interruptions of one machine. */
  meanBetweenMs: number;
  /** From the end of one machine to the first useful work on the next, work since the last checkpoint not counted. */
  restartMs: number;
  /** What one save takes from the training. */
  saveMs: number;
}

/**
 * Used where a project has no history of its own. Restart: 4 min machine and 5 min setup, measured for ML jobs in
 * "Can't Be Late" (NSDI'24), see spot-policy.md §4.1. Eight hours between interruptions and 30 s a save are cautious
 * assumptions without a source; plans name them.
 */
export const DEFAULT_INTERRUPTIONS: InterruptionModel = { meanBetweenMs: 8 * 3_600_000, restartMs: 9 * 60_000, saveMs: 30_000 };

/**
 * Machine time per useful time with checkpoints: 1.1 is ten per cent more. Saves at Young's interval √(2·save·mean), and each
 * interruption costs a restart and half an interval. Infinity when interruptions come faster than work gets done.
 */
export function overheadWithCheckpoints({ meanBetweenMs, restartMs, saveMs }: InterruptionModel): number {
  if (meanBetweenMs <= 0) return Number.POSITIVE_INFINITY;
  if (!Number.isFinite(meanBetweenMs)) return 1;
  const interval = Math.sqrt(2 * saveMs * meanBetweenMs);
  const saving = interval === 0 ? 0 : saveMs / interval;
  const lost = (restartMs + interval / 2) / meanBetweenMs;
  return lost >= 1 ? Number.POSITIVE_INFINITY : (1 + saving) / (1 - lost);
}

/**
 * The same without checkpoints: every interruption starts the work anew, so (mean + restart) · (e^(work/mean) − 1) for work that
 * must go through in one piece (Daly's model with one segment).
 */
export function overheadWithoutCheckpoints(workMs: number, { meanBetweenMs, restartMs }: InterruptionModel): number {
  if (meanBetweenMs <= 0) return Number.POSITIVE_INFINITY;
  if (workMs <= 0 || !Number.isFinite(meanBetweenMs)) return 1;
  return ((meanBetweenMs + restartMs) * Math.expm1(workMs / meanBetweenMs)) / workMs;
}
