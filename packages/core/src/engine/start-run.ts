import { ConflictError } from "../errors/kinds.ts";
import type { RunPlan } from "../planner/plan-types.ts";
import { refusalToError } from "../planner/refusal-error.ts";
import { resolveSpec } from "../spec/resolve-spec.ts";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";
import type { RunSpec } from "../spec/run-spec.ts";
import { isoNow } from "../util/clock.ts";
import { sha256Hex } from "../util/hash.ts";
import { canonicalJson } from "../util/json.ts";
import { randomId } from "../util/random.ts";
import type { Engine } from "./engine.ts";
import { evolve } from "./evolve.ts";
import type { LoggedEvent, RunLogEvent } from "./log-events.ts";
import { importCheckpoint, type ResumePoint } from "./resume-point.ts";
import { asJson, loadRun, runStream } from "./run-log.ts";
import { stageCode } from "./stage-code.ts";
import { runKey } from "./store-keys.ts";

export interface StartOptions {
  project: string;
  user: string;
  cwd: string;
  /** Base URI of the runs' store, with a trailing "/". */
  storeUri: string;
  /** A folder for the stat cache; absent: none. */
  cacheDir?: string | undefined;
  plan(resolved: ResolvedSpec): Promise<RunPlan>;
  rememberSecrets(runId: string, values: Record<string, string>): void;
  resumeFrom?: ResumePoint | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Makes a run: everything it needs is durable in its store before its first event, and its first event before anything is bought.
 * Returns its id; the caller's process drives it.
 */
export async function startRun(engine: Engine, spec: RunSpec, options: StartOptions): Promise<string> {
  const { context } = engine;
  const { signal } = options;
  signal?.throwIfAborted();
  const { resolved, literalSecrets } = await resolveSpec(spec, { project: options.project, user: options.user, cwd: options.cwd });
  const specHash = sha256Hex(canonicalJson(resolved));
  const runId = resolved.key === undefined ? randomId(context.random) : idOfKey(context.stateId, resolved.project, resolved.key);
  if (resolved.key !== undefined) {
    const known = await sameRun(engine, runId, specHash, resolved.key);
    if (known) return runId;
  }
  await context.session.start();
  const plan = await options.plan(resolved);
  const refusal = plan.refusals[0];
  if (refusal !== undefined) throw refusalToError(refusal);
  signal?.throwIfAborted();
  const code = await stageCode(engine.context, resolved, { runId, storeUri: options.storeUri, cacheDir: options.cacheDir, signal });
  const resumedFrom = await resumePoint(engine, resolved, runId, options);
  signal?.throwIfAborted();
  const created: RunLogEvent = {
    type: "run-created",
    v: 1,
    runId,
    stateId: context.stateId,
    spec: resolved,
    specHash,
    storeUri: options.storeUri,
    code,
    literalSecrets: Object.keys(literalSecrets),
    resumedFrom,
  };
  // What a lost state is rebuilt from. Create-only: of two callers with one key the first is the run.
  const place = `${options.storeUri}${runKey(runId)}run.json`;
  await context
    .store(place)
    .put(place, `${JSON.stringify(created, undefined, 2)}\n`, { signal, ...(resolved.key === undefined ? {} : { ifNoneMatch: "*" }) })
    .catch((error: unknown) => {
      if (!ConflictError.isInstance(error)) throw error;
    });
  const taken: RunLogEvent = { type: "lease-taken", session: context.session.id };
  const at = isoNow(context.clock);
  const events = asJson([created, taken]);
  options.rememberSecrets(runId, literalSecrets);
  try {
    await context.state.append(runStream(runId), events, { expected: 0, session: context.session.id, at });
  } catch (error) {
    // Somebody with the same key was faster: theirs is the run.
    if (ConflictError.isInstance(error) && resolved.key !== undefined && (await sameRun(engine, runId, specHash, resolved.key)))
      return runId;
    throw error;
  }
  const logged = events.map(
    (event, seq): LoggedEvent => ({ seq, at, session: context.session.id, event: event as unknown as RunLogEvent }),
  );
  const state = logged.reduce<ReturnType<typeof evolve> | undefined>((before, event) => evolve(before, event), undefined);
  engine.standBy(runId);
  if (state !== undefined) engine.adopt(state);
  if (signal?.aborted === true) {
    await engine.request(runId, { request: "cancel", reason: "train() was aborted" });
    throw signal.reason;
  }
  return runId;
}

/** Two callers with the same key name the same stream: its first event settles who made it. */
function idOfKey(stateId: string, project: string, key: string): string {
  return `k${sha256Hex(`${stateId}\0${project}\0${key}`).slice(0, 19)}`;
}

async function sameRun(engine: Engine, runId: string, specHash: string, key: string): Promise<boolean> {
  const known = await loadRun(engine.context.state, runId);
  if (known === undefined) return false;
  if (known.specHash === specHash) {
    engine.standBy(runId);
    await engine.tryDrive(runId);
    return true;
  }
  throw new ConflictError({
    what: `The key ${JSON.stringify(key)} belongs to run ${runId}, which has another spec.`,
    why: "A key names one run for good, so that a script can be started twice without training twice.",
    fix: ["Use the same spec to get that run.", "Use a new key for a new run."],
    context: { runId, key },
  });
}

async function resumePoint(engine: Engine, resolved: ResolvedSpec, runId: string, options: StartOptions): Promise<ResumePoint | undefined> {
  if (options.resumeFrom !== undefined || resolved.checkpoints === false) return options.resumeFrom;
  const { resume } = resolved.checkpoints;
  if (resume === "auto" || resume === "never") return undefined;
  return importCheckpoint(engine.context, {
    location: resume,
    root: resolved.root,
    storeUri: options.storeUri,
    runId,
    dir: resolved.checkpoints.dir,
    signal: options.signal,
  });
}
