import { parseDuration } from "@runctl/core/seams";
import type { JobCircumstances, JobModel } from "../hosts/job-model.ts";
import type { ReplayOptions } from "./choices.ts";
import type { RecordedRun } from "./recorded-run.ts";
import { median } from "./scenario.ts";

/** A step of a replayed job is this long: recorded moments are whole milliseconds. */
const STEP_SECONDS = 0.001;
/** Stands for "as long as it may" where a record does not tell how much work there was. */
const FURTHER_SAVES = 1_000;
const ENDLESS_MS = 3_650 * 86_400_000;

/** The training of a record as a model, and what was assumed for it. */
export interface ReplayedJob {
  /** For `World`. Called once an attempt's checkpoint is known. */
  job(circumstances: JobCircumstances): JobModel;
  /** Milliseconds from planning an attempt to its first step, corrected by what a first replay showed. */
  startups: Map<number, number>;
  /** To be called when an attempt ended by itself with a failure: a recorded failure happens once. */
  failed(): void;
  assumptions: string[];
  unknown: string[];
}

/** Makes the job of a record: as much useful work, as many saves, the same failures. */
export function jobOf(run: RecordedRun, options: ReplayOptions): ReplayedJob {
  const assumptions: string[] = [];
  const unknown: string[] = [];
  const saveMs = options.job?.save === undefined ? 0 : parseDuration(options.job.save, "job.save");
  const every = options.policy?.checkpointEvery;
  const everyMs = every === undefined ? undefined : Math.max(1, parseDuration(every, "policy.checkpointEvery"));
  const checkpoints = run.attempts.flatMap((attempt) => attempt.checkpoints);
  const work = workOf(run, options, unknown);
  // With a save's cost known, the recorded ones are taken out of the training and put back where saves are now.
  const recordedSaves =
    saveMs === 0 ? 0 : new Set(checkpoints.filter(({ progressMs }) => progressMs < work).map(({ progressMs }) => progressMs)).size;
  const steps = Math.max(1, Math.round(work - recordedSaves * saveMs));
  const savesAt = [...new Set(checkpoints.map(({ progressMs }) => Math.round(progressMs)))].filter((at) => at > 0).sort((a, b) => a - b);
  const gaps = savesAt.map((at, index) => at - (savesAt[index - 1] ?? 0));
  const cadence = everyMs ?? (savesAt.length === 0 ? 0 : Math.max(1, Math.round(median(gaps))));
  if (everyMs !== undefined) assumptions.push("A save costs the same whenever it is made.");
  else if (savesAt.length > 0) assumptions.push("It saves after as much work as in the record; beyond the record at its median interval.");
  if (every !== undefined && options.job?.save === undefined)
    unknown.push("What one save takes from the training is not in the record: give job.save. It is counted as nothing.");
  // Beyond what is recorded, as often as before.
  for (let more = 0; more < FURTHER_SAVES && cadence > 0 && everyMs === undefined && (savesAt.at(-1) ?? 0) + cadence < steps; more++)
    savesAt.push((savesAt.at(-1) ?? 0) + cadence);
  const onSignal = signalOf(run);
  if (onSignal.assumed !== undefined) assumptions.push(onSignal.assumed);
  assumptions.push("The job trains as fast as in the record, on whatever machine.");
  const recordedStartups = new Map(
    run.attempts.flatMap(
      ({ number, plannedAtMs, startedAtMs }): Array<[number, number]> =>
        startedAtMs === undefined ? [] : [[number, Math.max(0, startedAtMs - plannedAtMs)]],
    ),
  );
  const usual = median([...recordedStartups.values()]);
  if (recordedStartups.size === 0)
    unknown.push("No attempt of the record came to train: how long a start takes is not known, and counted as nothing.");
  else assumptions.push("A further start takes the median of the recorded ones.");
  const failures = run.attempts
    .filter((attempt) => attempt.outcome === "failed")
    .map((attempt) => ({ step: Math.max(1, Math.round(attempt.baseMs + attempt.trainedMs)), code: attempt.exitCode ?? 1 }));
  if (failures.length > 0) assumptions.push("The script fails after as much work as in the record, as often.");
  const startups = new Map(recordedStartups);
  return {
    startups,
    assumptions,
    unknown,
    failed: () => void failures.shift(),
    job: ({ attempt, resumedStep }) => {
      const failAt = failures.find(({ step }) => step > resumedStep);
      const ended = run.attempts.find(({ number }) => number === attempt);
      return {
        steps: failAt === undefined ? steps : Math.max(steps, failAt.step + 1),
        stepSeconds: STEP_SECONDS,
        silent: true,
        ...(everyMs === undefined && savesAt.length > 0 ? { saveAtSteps: savesAt } : {}),
        saveEverySteps: everyMs ?? 0,
        saveAtEnd: savesAt.some((at) => at >= steps - 1),
        saveSeconds: saveMs / 1000,
        uploadSeconds: 0,
        setupSeconds: (startups.get(attempt) ?? usual) / 1000,
        restoreSeconds: 0,
        onSignal: onSignal.how,
        exitCode: run.status === "succeeded" ? 0 : (ended?.exitCode ?? 0),
        ...(failAt === undefined ? {} : { failAt }),
      };
    },
  };
}

function workOf(run: RecordedRun, options: ReplayOptions, unknown: string[]): number {
  if (options.job?.work !== undefined) return parseDuration(options.job.work, "job.work");
  if (run.status === "succeeded") return run.usefulMs;
  unknown.push(
    "How much work the job is: the record did not succeed. Give job.work; without it the replay ends only as the record did, or at a limit.",
  );
  return ENDLESS_MS;
}

/** What the script does when it is told that its machine goes: seen in the record, else assumed. */
function signalOf(run: RecordedRun): { how: "save" | "exit"; assumed?: string } {
  const told = run.attempts.flatMap((attempt) => {
    const machine = run.machines.find(({ id }) => id === attempt.machineId);
    const at = machine?.reclaimed?.noticeAtMs ?? run.requests.find(({ request }) => request === "stop" || request === "suspend")?.atMs;
    return at === undefined || (attempt.endedAtMs ?? Number.POSITIVE_INFINITY) < at ? [] : [{ attempt, at }];
  });
  if (told.some(({ attempt, at }) => attempt.checkpoints.some(({ atMs }) => atMs >= at))) return { how: "save" };
  if (told.length > 0) return { how: "exit" };
  return { how: "exit", assumed: "What the script does on a notice is not in the record; it is taken to save nothing." };
}
