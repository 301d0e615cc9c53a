import { type Run, RunctlError } from "@runctl/core";
import { type ResourceRef, TAGS, type TrainingProvider } from "@runctl/core/provider";
import type { RunState } from "@runctl/core/seams";
import { type AuditLimits, audit } from "../audit/audit.ts";
import { collectFacts, fingerprints } from "../audit/collect-facts.ts";
import type { BrokenPromise } from "../audit/report.ts";
import { brokenPromises } from "../explore/broken-promises.ts";
import type { Controller } from "../world/controller.ts";
import { World } from "../world/world.ts";
import { fuzzCloud, fuzzJob, fuzzRunSpec } from "./fuzz-world.ts";
import { brokenRun, hasSkew } from "./invariants.ts";
import type { FuzzAction, FuzzProgram } from "./program.ts";

/** What a program came to. */
export interface FuzzOutcome {
  /** Empty: every promise was kept. */
  broken: BrokenPromise[];
  /** How the runs ended, in the order in which they were made. */
  statuses: Array<string | undefined>;
  attempts: number;
  /** Simulated time until nothing happened any more. */
  worldMs: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** train() is left alone for this long; then it is one of the things that go on. */
const TRAIN_MS = 5 * MINUTE_MS;
/** A run whose world is whole again has this long to come to its end. */
const PATIENCE_MS = 7 * 24 * HOUR_MS;
/** The longest guard time and what comes after it. */
const GUARD_MS = HOUR_MS;

/** Runs a program to the end and audits its world. Same program, same outcome. Never rejects: what breaks is in the outcome. */
export async function runProgram(program: FuzzProgram, limits: AuditLimits = {}): Promise<FuzzOutcome> {
  const fuzz = new ProgramRun(program, limits);
  try {
    return await fuzz.run();
  } catch (error) {
    return fuzz.failed(error);
  } finally {
    fuzz.world.dispose();
  }
}

class ProgramRun {
  readonly world: World;
  readonly #program: FuzzProgram;
  readonly #limits: AuditLimits;
  readonly #clients = new Set<string>();
  readonly #broken: BrokenPromise[] = [];
  readonly #abort = new AbortController();
  #newest: Controller;
  #skewMs = 0;

  constructor(program: FuzzProgram, limits: AuditLimits) {
    this.#program = program;
    this.#limits = limits;
    this.world = new World({
      seed: `fuzz/${program.seed}`,
      clouds: [fuzzCloud(program.market)],
      job: fuzzJob(program.spec),
      record: "none",
      onCall: ({ controller, at }) => {
        // In the middle of the call, as a signal handler would.
        if (controller === "controller-1" && at === program.abortAtCall) this.#abort.abort(new Error("aborted by the program"));
      },
    });
    const { killAtCall } = program;
    this.#newest = this.#controller(killAtCall === null ? [] : [killAtCall]);
  }

  async run(): Promise<FuzzOutcome> {
    const { world } = this;
    const [cloud] = world.clouds;
    cloud?.plant({ name: "foreign", tags: { [TAGS.createdBy]: "runctl", [TAGS.state]: "somebody-elses", [TAGS.project]: "world" } });
    // Until it runs: what changes by itself is not touched by anybody.
    await world.clock.advance(2 * MINUTE_MS);
    const foreign = fingerprints(world, world.state.id);
    await this.#begin();
    for (const action of this.#program.actions) {
      await world.clock.advance(action.afterSeconds * 1000);
      this.#deed(action);
    }
    await world.clock.advance(1_000);
    await this.#converge();
    await world.clock.advance(GUARD_MS);
    await this.#audit(foreign);
    const runs = this.#runs();
    return {
      broken: this.#broken,
      statuses: runs.map((run) => run.ended?.status),
      attempts: runs.reduce((sum, run) => sum + run.attempts.length, 0),
      worldMs: world.clock.monotonic(),
    };
  }

  failed(error: unknown): FuzzOutcome {
    const what = error instanceof Error ? `${error.message} ${"report" in error ? String(error.report) : ""}` : String(error);
    return { broken: [...this.#broken, { promise: "stuck", what }], statuses: [], attempts: 0, worldMs: this.world.clock.monotonic() };
  }

  async #begin(): Promise<void> {
    const controller = this.#newest;
    const spec = this.world.spec(fuzzRunSpec(this.#program.spec, this.world.clock.now()));
    const training = this.#expect(controller.runctl.train(spec, { until: "running", signal: this.#abort.signal }));
    const time = new Promise<void>((resolve) => void this.world.clock.timer(TRAIN_MS, resolve));
    await this.world.run(Promise.race([training, controller.death, time]));
  }

  #controller(plan: NonNullable<Parameters<World["controller"]>[0]>["plan"] = []): Controller {
    const controller = this.world.controller({ plan });
    this.#clients.add(controller.name);
    return controller;
  }

  /** The newest process, or a new one where it is gone. */
  #alive(): Controller {
    if (!this.#newest.isAlive) this.#newest = this.#controller();
    return this.#newest;
  }

  /** Begins a deed; what takes long goes on beside the next one. */
  #deed(action: FuzzAction): void {
    const [cloud] = this.world.clouds;
    const machine = [...(cloud?.machines() ?? [])].findLast((truth) => truth.tags[TAGS.state] === this.world.state.id);
    switch (action.do) {
      case "stop":
        this.#withRun((run) => run.stop());
        return;
      case "cancel":
        this.#withRun((run) => run.cancel());
        return;
      case "attach":
        this.#newest = this.#controller();
        this.#withRun((run) => run.result());
        return;
      case "resume":
        this.#withRun((run, controller) => controller.runctl.resume(run.id));
        return;
      case "reconcile":
        void this.#expect(this.#alive().runctl.reconcile());
        return;
      case "close":
        void this.#expect(this.#alive().close());
        return;
      case "kill":
        this.#newest.kill();
        return;
      case "freeze": {
        const controller = this.#newest;
        controller.freeze();
        this.world.clock.timer(action.seconds * 1000, () => controller.thaw());
        return;
      }
      case "clock-jump":
        this.#skewMs += action.seconds * 1000;
        this.#newest.skew(this.#skewMs);
        return;
      case "machine-stop":
        if (machine?.state === "running")
          void this.#console()
            .stop?.(this.#ref(machine))
            .catch(() => undefined);
        return;
      case "machine-start":
        if (machine?.state === "stopped")
          void this.#console()
            .start?.(this.#ref(machine))
            .catch(() => undefined);
        return;
      case "reclaim":
        if (machine !== undefined && machine.endedAt === undefined) cloud?.reclaim(machine.id);
        return;
      case "fault":
        for (let time = 0; time < action.times; time++) cloud?.faults.next(action.op, action.kind);
        return;
      case "cut":
        cloud?.network.cut(action.between, { forMs: action.seconds * 1000 });
        return;
    }
  }

  /** The provider's own web page, in the hands of somebody else. */
  #console(): TrainingProvider {
    const [cloud] = this.world.clouds;
    if (cloud === undefined) throw new TypeError("A fuzzed world has a cloud.");
    return cloud.client({ name: "console" });
  }

  #ref(machine: { id: string; region: string }): ResourceRef {
    return { provider: this.world.clouds[0]?.name ?? "", region: machine.region, kind: "machine", id: machine.id };
  }

  #withRun(what: (run: Run, controller: Controller) => Promise<unknown>): void {
    const controller = this.#alive();
    const runId = this.#runs()[0]?.runId;
    if (runId === undefined) return;
    void this.#expect(controller.runctl.attach(runId).then((run) => what(run, controller)));
  }

  /** A call may fail, but only as the library says that calls fail. */
  #expect(call: Promise<unknown>): Promise<void> {
    return call.then(
      () => undefined,
      (error: unknown) => {
        if (RunctlError.is(error) || error === this.#abort.signal.reason) return;
        const text = error instanceof Error ? `${error.name}: ${error.message}\n${error.stack ?? ""}` : String(error);
        this.#broken.push({ promise: "outcome", what: `A call failed with an error that is none of ours: ${text}` });
      },
    );
  }

  /** The world is whole again, somebody looks after the runs, and they come to their ends. */
  async #converge(): Promise<void> {
    const { world } = this;
    const [cloud] = world.clouds;
    cloud?.faults.clear();
    cloud?.network.heal();
    for (const controller of world.controllers) controller.thaw();
    await world.releaseLate();
    const last = this.#controller();
    await world.run(last.runctl.reconcile(), { limitMs: PATIENCE_MS });
    for (const run of this.#runs()) {
      if (run.ended !== undefined && this.#isDone(run)) continue;
      const handle = await world.run(last.runctl.attach(run.runId), { limitMs: PATIENCE_MS });
      await world.run(handle.result(), { limitMs: PATIENCE_MS });
    }
    // Ended runs may still have machines to end: as a cron job would.
    await world.run(last.runctl.drive({ once: true }), { limitMs: PATIENCE_MS });
    await world.clock.advance(10 * MINUTE_MS);
    await world.run(last.runctl.reconcile(), { limitMs: PATIENCE_MS });
  }

  #isDone(run: RunState): boolean {
    return Object.values(run.machines).every((machine) => machine.endedAt !== undefined);
  }

  async #audit(foreignBefore: ReadonlyMap<string, string>): Promise<void> {
    const { world } = this;
    const auditor = world.controller();
    const ledger = await world.run(auditor.runctl.resources.list({ showEnded: true }));
    auditor.kill();
    const { clouds, store, hosts, clock } = world;
    const facts = collectFacts(
      { clouds, store, hosts, now: () => clock.now() },
      { state: world.state, clients: this.#clients, ledger, foreignBefore },
    );
    const found = brokenPromises(audit(facts, this.#limits), facts, this.#program.market.providerClass, { ends: {} });
    // By a clock that is off, the ledger is off, and so is how long somebody wanted a machine.
    const isTimed = (one: BrokenPromise): boolean => one.promise === "ledger" || one.what.startsWith("Machines lived");
    this.#broken.push(...(hasSkew(this.#program) ? found.filter((one) => !isTimed(one)) : found));
    for (const { state } of facts.runs) this.#broken.push(...brokenRun(state, this.#program, world));
  }

  #runs(): RunState[] {
    const { clouds, store, hosts, clock } = this.world;
    const view = { clouds, store, hosts, now: () => clock.now() };
    return collectFacts(view, { state: this.world.state, clients: new Set(), ledger: [], foreignBefore: new Map() })
      .runs.map(({ state }) => state)
      .sort((a, b) => Date.parse(a.createdAt) - Date.parse(b.createdAt));
  }
}
