import { join } from "node:path";
import type { Checkpoints } from "./checkpoint/checkpoints.ts";
import { createCheckpoints } from "./checkpoint/create-checkpoints.ts";
import { CleanupSafety } from "./cleanup/cleanup-safety.ts";
import { inspectCode } from "./code/snapshot-code.ts";
import { Costs } from "./cost/costs.ts";
import { busyWith } from "./engine/busy.ts";
import { cleanupPorts } from "./engine/cleanup-ports.ts";
import { driveAll } from "./engine/drive-all.ts";
import { findExistingMachine } from "./engine/existing-machine.ts";
import { machineRuns } from "./engine/machine-runs.ts";
import { type ReconcileReport, reconcile } from "./engine/reconcile.ts";
import type { ResumePoint } from "./engine/resume-point.ts";
import { resumeSpec } from "./engine/resume-run.ts";
import { RunHandle } from "./engine/run-handle.ts";
import { listRuns } from "./engine/run-list.ts";
import { loadRun, requireRun } from "./engine/run-log.ts";
import type { Run, RunFilter, RunSummary } from "./engine/run-types.ts";
import { startRun } from "./engine/start-run.ts";
import { readStoreEvents } from "./engine/store-events.ts";
import { AbortedError, ConfigurationError, ConflictError, ValidationError } from "./errors/kinds.ts";
import type { Cursor, RunctlEvent } from "./events/event-types.ts";
import { Images } from "./images/images.ts";
import { Machines } from "./machines/machines.ts";
import { Parts } from "./parts.ts";
import { buildPlan } from "./planner/build-plan.ts";
import { offersFromAll } from "./planner/offers-from-all.ts";
import type { RunPlan } from "./planner/plan-types.ts";
import type { Offer, OfferRequest } from "./provider/offer.ts";
import type { Notice } from "./provider/plan.ts";
import type { Machine } from "./provider/resource.ts";
import type { RunctlOptions } from "./spec/options.ts";
import { resolveOptions } from "./spec/resolve-options.ts";
import { resolveSpec } from "./spec/resolve-spec.ts";
import type { ResolvedSpec } from "./spec/resolved-spec.ts";
import { withDefaults } from "./spec/run-defaults.ts";
import type { Duration, RunSpec } from "./spec/run-spec.ts";
import { parseDuration } from "./spec/units.ts";
import { createStorage } from "./storage/transfer/storage.ts";
import type { Storage } from "./storage/transfer/transfer-types.ts";
import type { ResourceTracker } from "./tracker/resource-tracker.ts";
import { Volumes } from "./volumes/volumes.ts";

/**
 * runctl: buys machines, trains on them, survives their loss, knows the cost, leaves nothing behind.
 * The constructor touches neither network nor disk; every method says in its own words when it costs money.
 */
export class Runctl implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;
  #machines: Machines | undefined;
  #cleanup: CleanupSafety | undefined;
  #costs: Costs | undefined;
  #checkpoints: Checkpoints | undefined;
  #storage: Storage | undefined;
  #volumes: Volumes | undefined;
  #images: Images | undefined;

  /** @throws ConfigurationError naming the option that is wrong. */
  constructor(options: RunctlOptions) {
    this.#parts = new Parts(resolveOptions(options));
  }

  /** A dry run: what `train` would do, cost and refuse. Buys, writes and uploads nothing. @throws ValidationError for a spec that is wrong in itself. */
  async plan(spec: RunSpec, options: { signal?: AbortSignal | undefined } = {}): Promise<RunPlan> {
    this.#mustBeOpen();
    const resolved = await this.#resolve(spec);
    return this.#plan(resolved, options.signal);
  }

  /**
   * Starts a run; it costs what `plan` says. Resolves once it is durable ("recorded"), or once the script runs ("running").
   * Aborting before it resolves cancels the run durably and rejects with the signal's own reason.
   */
  async train(spec: RunSpec, options: { until?: "recorded" | "running" | undefined; signal?: AbortSignal | undefined } = {}): Promise<Run> {
    return this.#start(spec, options);
  }

  /** A handle on a run of this state, and this process as its driver whenever nobody else drives it. `secrets` are values that only the first process had. */
  async attach(
    runId: string,
    options: { drive?: boolean | undefined; secrets?: Record<string, string> | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<Run> {
    this.#mustBeOpen();
    const engine = await this.#parts.engine();
    const state = await requireRun(engine.context.state, runId);
    if (options.secrets !== undefined) this.#parts.rememberSecrets(runId, options.secrets);
    if (options.drive !== false) {
      engine.standBy(runId);
      await engine.tryDrive(runId);
      if (options.secrets !== undefined && state.secretsMissing.length > 0)
        await engine.driverOf(runId)?.fact({ type: "secrets-supplied" });
    }
    return new RunHandle(engine, runId);
  }

  /** A new run that goes on from an old one's newest good checkpoint, with changes (a bigger budget, say). Costs what a run costs. */
  async resume(runId: string, changes: Partial<RunSpec> = {}, options: { signal?: AbortSignal | undefined } = {}): Promise<Run> {
    this.#mustBeOpen();
    const engine = await this.#parts.engine();
    const old = await requireRun(engine.context.state, runId);
    const { spec, from } = await resumeSpec(engine.context, old, changes);
    return this.#start(spec, { ...options, resumeFrom: from });
  }

  /** Drives every run of this state that nobody drives: for cron (`once`), systemd, a small always-on box. Resolves when the signal aborts. */
  async drive(options: { signal?: AbortSignal | undefined; once?: boolean | undefined } = {}): Promise<void> {
    this.#mustBeOpen();
    const signals = [this.#closing.signal, ...(options.signal === undefined ? [] : [options.signal])];
    await driveAll(await this.#parts.engine(), { once: options.once, signal: AbortSignal.any(signals) });
  }

  /**
   * Adopts, ends or reports what carries this state's id; foreign things are only reported. Buys nothing.
   * `adoptState` is for a state that was lost: this one, still empty, takes over the lost one's id and rebuilds its runs from the
   * store and the machines' tags. @throws ConflictError when this state holds anything already.
   */
  async reconcile(options: { dryRun?: boolean | undefined; adoptState?: string | undefined } = {}): Promise<ReconcileReport> {
    this.#mustBeOpen();
    if (options.adoptState !== undefined && options.dryRun !== true) {
      if (this.#parts.isStarted) {
        throw new ConflictError({
          what: "adoptState comes too late: this Runctl already works under its own state id.",
          fix: ["Call reconcile({ adoptState }) first, on a new Runctl."],
        });
      }
      await this.#parts.state.adopt(options.adoptState);
    }
    const rebuildFrom = options.adoptState === undefined ? undefined : this.#parts.storeUri();
    const end = (_provider: unknown, machine: Machine): Promise<void> => this.machines.endUnwanted(machine);
    const report = await reconcile(await this.#parts.engine(), { dryRun: options.dryRun, rebuildFrom, end });
    if (options.dryRun === true) return report;
    if (options.adoptState !== undefined) report.adopted.push(...(await this.machines.adoptLost()));
    const alone = await this.machines.reconcileIntents();
    report.adopted.push(...alone.adopted);
    report.ended.push(...alone.ended);
    report.failures.push(...alone.failures);
    return report;
  }

  /** All providers' offers, cheapest first. One that fails makes the answer partial, not empty. */
  async offers(
    request: OfferRequest = {},
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<{ offers: Offer[]; partial: boolean; failures: Notice[] }> {
    this.#mustBeOpen();
    const { registry } = this.#parts;
    const found = await offersFromAll(registry.all(), request, { clock: this.#parts.options.clock, signal: options.signal });
    return { offers: found.offers, partial: found.partial, failures: found.failures };
  }

  readonly runs: { list(filter?: RunFilter): AsyncIterable<RunSummary>; get(id: string): Promise<RunSummary | undefined> } = {
    list: (filter) => this.#listRuns(filter),
    get: async (id) => {
      this.#mustBeOpen();
      const engine = await this.#parts.engine();
      return (await loadRun(engine.context.state, id)) === undefined ? undefined : new RunHandle(engine, id).status();
    },
  };

  /** The ledger of everything billable. */
  get resources(): ResourceTracker {
    this.#mustBeOpen();
    return this.#parts.tracker;
  }

  /** Deleting, safely: plan, look, apply. */
  get cleanup(): CleanupSafety {
    this.#mustBeOpen();
    const { options, state, registry } = this.#parts;
    this.#cleanup ??= new CleanupSafety({
      providers: registry,
      state,
      clock: options.clock,
      sources: [this.#parts.runLedger],
      onAlarm: (alarm) => this.#parts.alarm(alarm),
      ...cleanupPorts(async () => (await this.#parts.engine()).context),
      project: options.project(),
      logger: options.logger,
    });
    return this.#cleanup;
  }

  /** Machines of every provider: created alone, or by runs. */
  get machines(): Machines {
    this.#mustBeOpen();
    const { options, state, registry } = this.#parts;
    this.#machines ??= new Machines({
      providers: registry,
      state,
      tracker: this.resources,
      cleanup: this.cleanup,
      clock: options.clock,
      random: options.random,
      project: options.project(),
      user: options.user(),
      logger: options.logger,
      limits: options.limits,
      isSessionAlive: async (session) => {
        const { context } = await this.#parts.engine();
        return context.leases.judge(session, await context.state.beats()) !== "free";
      },
      runs: machineRuns(() => this.#parts.engine()),
    });
    return this.#machines;
  }

  get costs(): Costs {
    this.#mustBeOpen();
    this.#costs ??= new Costs({
      sources: [this.#parts.runLedger, this.resources],
      clock: this.#parts.options.clock,
      offers: (request) => this.offers(request),
    });
    return this.#costs;
  }

  get checkpoints(): Checkpoints {
    this.#mustBeOpen();
    this.#checkpoints ??= createCheckpoints({ store: (uri) => this.#parts.stores.storeOf(uri), clock: this.#parts.options.clock });
    return this.#checkpoints;
  }

  get storage(): Storage {
    this.#mustBeOpen();
    this.#storage ??= createStorage({ stores: this.#parts.stores, base: this.#parts.options.cwd, clock: this.#parts.options.clock });
    return this.#storage;
  }

  get volumes(): Volumes {
    this.#mustBeOpen();
    const { options, state, registry } = this.#parts;
    this.#volumes ??= new Volumes({
      providers: registry.all(),
      state,
      clock: options.clock,
      random: options.random,
      project: options.project,
      user: options.user,
    });
    return this.#volumes;
  }

  get images(): Images {
    this.#mustBeOpen();
    this.#images ??= new Images(this.#parts.registry.all());
    return this.#images;
  }

  /** Events of the whole store: replayed from the logs, then live, until `close` or the signal. */
  async *events(options: { after?: Cursor | undefined; signal?: AbortSignal | undefined } = {}): AsyncGenerator<RunctlEvent> {
    this.#mustBeOpen();
    const engine = await this.#parts.engine();
    const signals = [this.#closing.signal, ...(options.signal === undefined ? [] : [options.signal])];
    yield* readStoreEvents(engine.context, engine.view(""), { after: options.after, signal: AbortSignal.any(signals) });
  }

  /**
   * Live events of this process. The returned function unsubscribes. A throwing listener breaks nothing.
   * @throws ValidationError for a listener that is no function.
   */
  on<K extends RunctlEvent["type"]>(type: K, listener: (event: Extract<RunctlEvent, { type: K }>) => void): () => void {
    this.#mustBeOpen();
    if (typeof listener !== "function") {
      throw new ValidationError({
        what: `The listener for "${String(type)}" must be a function, not ${listener === null ? "null" : typeof listener}.`,
        fix: ['For example runctl.on("alarm", (event) => console.warn(event.what)).'],
      });
    }
    return this.#parts.bus.on(type, listener);
  }

  /**
   * Stops driving and frees everything. Every create that was started is first brought to "supervisor armed" or "no machine",
   * within `handOver` (default 10 min; false: not at all). Never ends paid work: runs go on unattended.
   */
  close(options: { handOver?: Duration | false | undefined } = {}): Promise<void> {
    this.#closed ??= this.#close(options.handOver === false ? 0 : parseDuration(options.handOver ?? "10m", "handOver"));
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(handOverMs: number): Promise<void> {
    this.#closing.abort(new AbortedError({ what: "This Runctl was closed." }));
    await this.#machines?.settled();
    await this.#cleanup?.settled();
    if (this.#parts.isStarted) await (await this.#parts.engine()).close(handOverMs);
    for (const provider of this.#parts.registry.all()) await provider.close?.();
    await this.#parts.closeState();
  }

  async #start(
    spec: RunSpec,
    options: { until?: "recorded" | "running" | undefined; signal?: AbortSignal | undefined; resumeFrom?: ResumePoint | undefined },
  ): Promise<Run> {
    this.#mustBeOpen();
    options.signal?.throwIfAborted();
    const engine = await this.#parts.engine();
    const { options: own, state } = this.#parts;
    const runId = await startRun(engine, withDefaults(spec, own.defaults), {
      project: own.project(),
      user: own.user(),
      cwd: own.cwd,
      storeUri: this.#parts.storeUri(),
      cacheDir: state.dataDir === undefined ? undefined : join(state.dataDir, "cache"),
      plan: (resolved) => this.#plan(resolved, options.signal, false),
      rememberSecrets: (id, values) => this.#parts.rememberSecrets(id, values),
      resumeFrom: options.resumeFrom,
      signal: options.signal,
    });
    const run = new RunHandle(engine, runId);
    if (options.until === "running") await run.untilRunning(options.signal);
    return run;
  }

  async #resolve(spec: RunSpec): Promise<ResolvedSpec> {
    const { options } = this.#parts;
    const merged = withDefaults(spec, options.defaults);
    return (await resolveSpec(merged, { project: options.project(), user: options.user(), cwd: options.cwd })).resolved;
  }

  /** `files` false: the code is about to be read anyway. */
  #plan(resolved: ResolvedSpec, signal: AbortSignal | undefined, files = true): Promise<RunPlan> {
    const { options, registry } = this.#parts;
    return buildPlan(
      {
        providers: registry,
        clock: options.clock,
        signal,
        machine: async (spec) => {
          if (spec.machine === undefined) return undefined;
          const machine = await findExistingMachine(registry.all(), spec.machine);
          return { machine, busyWith: await busyWith(await this.#parts.engine(), machine) };
        },
        ...(files ? { files: (spec: ResolvedSpec) => this.#inspect(spec, signal) } : {}),
      },
      resolved,
    );
  }

  async #inspect(spec: ResolvedSpec, signal: AbortSignal | undefined): Promise<RunPlan["files"]> {
    const prefix = this.#parts.storeUri();
    const excludeDirs = spec.checkpoints === false ? [] : [spec.checkpoints.dir];
    const store = this.#parts.stores.storeOf(prefix);
    const { root, include, exclude } = spec;
    const found = await inspectCode({ root, include, exclude, excludeDirs, store, prefix, clock: this.#parts.options.clock, signal });
    return { count: found.files, bytes: found.bytes, changed: found.changed.files };
  }

  async *#listRuns(filter: RunFilter | undefined): AsyncGenerator<RunSummary> {
    this.#mustBeOpen();
    const { context } = await this.#parts.engine();
    const { state, clock, leases, logger } = context;
    const onUnreadable = (runId: string, error: unknown): void => logger.error?.(`run ${runId} cannot be read`, { reason: String(error) });
    yield* listRuns({ state, clock, leases, onUnreadable }, filter);
  }

  #mustBeOpen(): void {
    if (!this.#closing.signal.aborted) return;
    throw new ConfigurationError({
      what: "This Runctl is closed.",
      why: "close() freed its session, watchers and state.",
      fix: ["Make a new one."],
    });
  }
}
