/** How a training job behaves on a simulated host. Times are seconds of the host's own clock. */
export interface JobModel {
  /** Steps of the whole job, over all attempts. Default 100. */
  steps?: number | undefined;
  /** Seconds that a step takes. Default 6. */
  stepSeconds?: number | undefined;
  /** A checkpoint after every so many steps; 0: only when told to stop, and at the end. Default 10. */
  saveEverySteps?: number | undefined;
  /** After these steps too, in order: for jobs that are known from a record. Default none. */
  saveAtSteps?: readonly number[] | undefined;
  /** Seconds for which the job pauses to write one. Default 2. */
  saveSeconds?: number | undefined;
  /** Seconds that a checkpoint's upload takes, beside the training. Default 3. */
  uploadSeconds?: number | undefined;
  /** Bytes of a checkpoint file; it is really held by the store. Default: one line of text. */
  checkpointBytes?: number | undefined;
  /** Save after the last step, too? Default true. */
  saveAtEnd?: boolean | undefined;
  /** From the claim to the first step: code, data, packages. Default 10. */
  setupSeconds?: number | undefined;
  /** More of that when a checkpoint is brought back. Default 2. */
  restoreSeconds?: number | undefined;
  /** Exit code when all steps are done. Default 0. */
  exitCode?: number | undefined;
  /** Ends by itself right after this step: an exit code, or a signal as the kernel sends it. */
  failAt?: { step: number; code?: number | undefined; signal?: string | undefined } | undefined;
  /** Stands still after this step, deaf to signals, until it is killed. */
  hangAt?: number | undefined;
  /** Stands still after this step, but hears signals: it waits for data, say. */
  waitAt?: number | undefined;
  /** What the polite signal makes it do: save and exit, exit at once, or nothing. Default "save". */
  onSignal?: "save" | "exit" | "ignore" | undefined;
  /** Exit code after it was told to stop. Default 0. */
  stopExitCode?: number | undefined;
  /** Writes RUNCTL_DONE_FILE when all steps are done. Default false. */
  doneFile?: boolean | undefined;
  /** The metrics that it has after a step: printed with each save, and in its manifest. */
  metricsAt?: ((step: number) => Record<string, number>) | undefined;
  /** Prints nothing: no log, no step in the status. Default false. */
  silent?: boolean | undefined;
  /** Setup cannot be done; the attempt ends as "setup-failed". */
  setupFails?: { what: string; why?: string | undefined } | undefined;
  /** The command cannot be started; the attempt ends as "spawn-failed". */
  spawnFails?: string | undefined;
  /** The disk is full from this step on: the job dies of it with exit code 1, the attempt ends as "disk-full". */
  diskFullAt?: number | undefined;
  /** The checkpoint of this step is published damaged, as a store or network that lies would leave it. */
  tornAt?: { step: number; how: TornHow } | undefined;
  /** Files in RUNCTL_OUTPUT_DIR and below named outputs at the end, by their path in the working folder, e.g. "output/model.txt". */
  outputs?: Record<string, string> | undefined;
  /** What befalls the host agent, in seconds since this attempt's supervisor first began. */
  agent?: AgentFaults | undefined;
}

/** "hash": other bytes of the same length; "size": half a file; "missing": no file; "manifest": half a manifest. */
export type TornHow = "hash" | "size" | "missing" | "manifest";

/** Deaths of the agent's processes. */
export interface AgentFaults {
  /** The supervisor is killed; its guardian starts another one. */
  supervisorDiesAt?: number | undefined;
  /** The supervisor hangs: it feeds nobody, answers nothing, publishes nothing. */
  wedgedAt?: number | undefined;
  /** No supervisor can be started again after that. Default false. */
  forGood?: boolean | undefined;
}

/** What a job model may depend on. */
export interface JobCircumstances {
  runId: string;
  attempt: number;
  /** 0: from the beginning. */
  resumedStep: number;
  machineId: string;
  zone: string;
}

/** A job, or one for each attempt. The function is called once the attempt's checkpoint is known. */
export type Job = JobModel | ((circumstances: JobCircumstances) => JobModel);

/** A model with its defaults filled in, in milliseconds. */
export interface ResolvedJob {
  steps: number;
  stepMs: number;
  saveEvery: number;
  saveAt: readonly number[];
  saveMs: number;
  uploadMs: number;
  checkpointBytes: number;
  saveAtEnd: boolean;
  setupMs: number;
  restoreMs: number;
  exitCode: number;
  failAt: { step: number; code: number | null; signal: string | null } | undefined;
  hangAt: number | undefined;
  waitAt: number | undefined;
  onSignal: "save" | "exit" | "ignore";
  stopExitCode: number;
  doneFile: boolean;
  silent: boolean;
  metricsAt: (step: number) => Record<string, number>;
  setupFails: { what: string; why: string } | undefined;
  spawnFails: string | undefined;
  diskFullAt: number | undefined;
  tornAt: { step: number; how: TornHow } | undefined;
  outputs: Record<string, string>;
  agent: AgentFaults;
}

/** A job with its defaults. Times become whole milliseconds, so that sums are exact. */
export function resolveJob(job: Job, circumstances: JobCircumstances): ResolvedJob {
  const model = typeof job === "function" ? job(circumstances) : job;
  const ms = (seconds: number | undefined, otherwise: number): number => Math.max(0, Math.round((seconds ?? otherwise) * 1000));
  const { failAt, diskFullAt } = model;
  return {
    steps: model.steps ?? 100,
    stepMs: Math.max(1, ms(model.stepSeconds, 6)),
    saveEvery: model.saveEverySteps ?? 10,
    saveAt: model.saveAtSteps ?? [],
    saveMs: ms(model.saveSeconds, 2),
    uploadMs: ms(model.uploadSeconds, 3),
    checkpointBytes: model.checkpointBytes ?? 0,
    saveAtEnd: model.saveAtEnd ?? true,
    setupMs: ms(model.setupSeconds, 10),
    restoreMs: ms(model.restoreSeconds, 2),
    exitCode: model.exitCode ?? 0,
    failAt:
      failAt !== undefined
        ? { step: failAt.step, code: failAt.signal === undefined ? (failAt.code ?? 1) : null, signal: failAt.signal ?? null }
        : diskFullAt !== undefined
          ? { step: diskFullAt, code: 1, signal: null }
          : undefined,
    hangAt: model.hangAt,
    waitAt: model.waitAt,
    onSignal: model.onSignal ?? "save",
    stopExitCode: model.stopExitCode ?? 0,
    doneFile: model.doneFile ?? false,
    silent: model.silent ?? false,
    metricsAt: model.metricsAt ?? (() => ({})),
    setupFails: model.setupFails === undefined ? undefined : { what: model.setupFails.what, why: model.setupFails.why ?? "" },
    spawnFails: model.spawnFails,
    diskFullAt,
    tornAt: model.tornAt,
    outputs: model.outputs ?? {},
    agent: model.agent ?? {},
  };
}
