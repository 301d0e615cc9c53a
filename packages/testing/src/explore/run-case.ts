import type { ReconcileReport, Runctl } from "@runctl/core";
import { TAGS } from "@runctl/core/provider";
import { audit } from "../audit/audit.ts";
import { collectFacts, fingerprints } from "../audit/collect-facts.ts";
import type { BrokenPromise } from "../audit/report.ts";
import type { EmulatedCloudOptions } from "../cloud/cloud-options.ts";
import type { ProcessPlan } from "../world/boundary.ts";
import type { Controller } from "../world/controller.ts";
import { World } from "../world/world.ts";
import type { WorldState } from "../world/world-state.ts";
import { SCENARIOS } from "./all-scenarios.ts";
import { brokenPromises } from "./broken-promises.ts";
import { type CaseStep, type ExplorerCase, formatCaseId, parseCaseId } from "./case-id.ts";
import type { CaseResult, RunCase } from "./case-result.ts";
import type { Scenario, Stage } from "./scenario.ts";
import { Tracer } from "./tracer.ts";
import { drawFaults, type WorldFault } from "./world-faults.ts";

/** Between a death and the successor's start. */
const DOWNTIME_MS = 10_000;
/** A program that takes longer than this of the world's time is stuck, whatever it waits for. */
const PATIENCE_MS = 36 * 3_600_000;
/** The longest guard time (45 min until the first feed) and what comes after it. */
const GUARD_MS = 60 * 60_000;
const SETTLE_MS = 10 * 60_000;
const LATER_MS = 15 * 60_000;
const BOOT_MS = 2 * 60_000;

/** Runs cases of these scenarios. Default: the eight that are built in. */
export function caseRunner(scenarios: readonly Scenario[] = SCENARIOS): RunCase {
  return async (what, options = {}) => {
    const scenario = scenarios.find((candidate) => candidate.name === what.scenario);
    if (scenario === undefined) throw new TypeError(`There is no scenario ${what.scenario}.`);
    return new CaseRun(scenario, what, options.trace === true).run();
  };
}

/** Runs one case again, by the id that a report printed. */
export function replayCase(id: string, scenarios: readonly Scenario[] = SCENARIOS): Promise<CaseResult> {
  return caseRunner(scenarios)(parseCaseId(id), { trace: true });
}

/** One case from its beginning to its audit. */
class CaseRun {
  readonly #scenario: Scenario;
  readonly #case: ExplorerCase;
  readonly #faults: readonly WorldFault[];
  readonly #tracer: Tracer;
  readonly #world: World;
  readonly #broken: BrokenPromise[] = [];
  /** Processes of the program, in the order of their starts. */
  readonly #program: Controller[] = [];
  readonly #clients = new Set<string>();
  #convergeMs: number | undefined;

  constructor(scenario: Scenario, what: ExplorerCase, isTraced: boolean) {
    this.#scenario = scenario;
    this.#case = what;
    this.#faults = what.steps.flatMap((step) => (step.do === "faults" ? drawFaults(step.draw) : []));
    this.#tracer = new Tracer(isTraced);
    this.#world = new World({
      seed: `${scenario.name}/${what.seed}`,
      clouds: [this.#cloud()],
      job: scenario.job,
      unsynced: this.#has("keep-unsynced") ? "kept" : "dropped",
      record: "none",
      onCall: (boundary) => this.#tracer.onCall(boundary),
      onEffect: (boundary) => this.#tracer.onEffect(boundary),
    });
    this.#tracer.watch(this.#world);
  }

  async run(): Promise<CaseResult> {
    const world = this.#world;
    try {
      return await this.#run();
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      return this.#result([...this.#broken, { promise: "stuck", what }]);
    } finally {
      world.dispose();
    }
  }

  async #run(): Promise<CaseResult> {
    const world = this.#world;
    this.#plantForeign();
    // Until they run: what changes by itself is not touched by anybody.
    await world.clock.advance(BOOT_MS);
    await this.#prepare();
    const ours = world.state.id;
    const foreign = fingerprints(world, ours);
    for (const fault of this.#faults) fault.arrange?.(world);
    const second = this.#has("second-user") ? this.#secondUser() : undefined;
    await this.#processes();
    const last = this.#program.at(-1);
    await world.clock.advance(this.#scenario.settleMs ?? SETTLE_MS);
    if (last === undefined) throw new TypeError("No process was started.");
    return this.#audit(foreign, second);
  }

  /** Other people's things in the same account: of another state and project, of another state of this project, and bare ones. */
  #plantForeign(): void {
    const cloud = this.#world.clouds[0];
    const tags = {
      [TAGS.createdBy]: "runctl",
      [TAGS.state]: "somebody-elses",
      [TAGS.intent]: "anothers-intent",
      [TAGS.created]: "2025-12-01T00:00:00.000Z",
    };
    cloud?.plant({ name: "foreign-state", tags: { ...tags, [TAGS.project]: "world", [TAGS.user]: "ada", [TAGS.run]: "their-run" } });
    cloud?.plant({ name: "foreign-bare" });
  }

  async #prepare(): Promise<void> {
    if (this.#scenario.prepare === undefined) return;
    const before = this.#controller();
    await this.#world.run(this.#scenario.prepare(this.#stage(before)), { limitMs: PATIENCE_MS });
    await this.#world.run(before.close(), { limitMs: PATIENCE_MS });
  }

  async #processes(): Promise<void> {
    const kills = this.#case.steps.filter((step) => step.do === "kill");
    const joins = this.#case.steps.find((step) => step.do === "join");
    const first = this.#start(this.#planOfFirst(kills[0]));
    let running = this.#goOn(first, true);
    let beside: Promise<unknown> | undefined;
    if (joins !== undefined) {
      beside = this.#tracer.reached(first.name, joins.at).then(() => {
        const other = this.#start([]);
        return this.#goOn(other, false);
      });
    }
    let isAlive = await this.#world.run(running, { limitMs: PATIENCE_MS });
    for (let next = 1; !isAlive; next += 1) {
      await this.#world.clock.advance(DOWNTIME_MS);
      if (next === 1 && this.#has("abandon")) await this.#abandoned();
      if (next === 1 && this.#has("lose-state")) {
        this.#lost = this.#world.loseState();
        this.#lostAt = this.#world.clock.now();
      }
      const kill = kills[next];
      const successor = this.#start(kill === undefined ? [] : [kill]);
      running = this.#goOn(successor, false);
      isAlive = await this.#world.run(running, { limitMs: PATIENCE_MS });
    }
    // After faults and sleep somebody looks in once more, as a cron job would.
    if (isAlive && kills.length === 0 && this.#case.steps.some((step) => step.do === "faults" || step.do === "sleep")) {
      await this.#world.clock.advance(LATER_MS);
      const visitor = this.#start([]);
      await this.#world.run(
        visitor.runctl.reconcile().then(() => visitor.runctl.close()),
        { limitMs: PATIENCE_MS },
      );
      visitor.kill();
    }
    // The one beside may have been waiting for a call that the first never reached.
    if (beside !== undefined && this.#program.length > 1) await this.#world.run(beside, { limitMs: PATIENCE_MS });
  }

  #lost: string | undefined;
  #lostAt: number | undefined;

  #planOfFirst(kill: CaseStep | undefined): ProcessPlan[] {
    const sleep = this.#case.steps.find((step) => step.do === "sleep");
    const fault = this.#faults.find((candidate) => candidate.killAt !== undefined)?.killAt;
    return [
      ...(kill?.do === "kill" ? [{ at: kill.at, variant: kill.variant }] : []),
      ...(sleep === undefined ? [] : [{ at: sleep.at, sleepMs: sleep.seconds * 1000 }]),
      ...(kill === undefined && fault !== undefined ? [{ at: fault, variant: "applied" as const }] : []),
    ];
  }

  #start(plan: readonly ProcessPlan[]): Controller {
    const controller = this.#controller(plan);
    this.#program.push(controller);
    this.#tracer.follow(controller.name);
    return controller;
  }

  #controller(plan: readonly ProcessPlan[] = [], state?: WorldState): Controller {
    const controller = this.#world.controller({ plan, ...(state === undefined ? {} : { state, user: "bob" }) });
    if (state === undefined) this.#clients.add(controller.name);
    return controller;
  }

  /** A process does the program and ends. False when it died. */
  async #goOn(controller: Controller, isFirst: boolean): Promise<boolean> {
    const work = async (): Promise<boolean> => {
      if (!isFirst) await this.#takeOver(controller.runctl);
      await this.#scenario.program(this.#stage(controller));
      if (!isFirst) await controller.runctl.reconcile();
      await controller.runctl.close();
      isDone = true;
      controller.kill();
      return true;
    };
    let isDone = false;
    return Promise.race([work(), controller.death.then(() => isDone)]);
  }

  /** What a successor does first. Calls of the dead that were on their way arrive right after it. */
  async #takeOver(runctl: Runctl): Promise<void> {
    const began = this.#world.clock.monotonic();
    const report = await runctl.reconcile(this.#lost === undefined ? {} : { adoptState: this.#lost });
    this.#lost = undefined;
    this.#convergeMs ??= this.#world.clock.monotonic() - began;
    this.#nothingUnaccounted(report);
    await this.#world.releaseLate();
  }

  /** After one reconcile each machine of ours is in a log, ended, or reported (P-01). */
  #nothingUnaccounted(report: ReconcileReport): void {
    if (report.partial) return;
    const facts = this.#facts(new Map(), []);
    const known = new Set(facts.runs.flatMap(({ state }) => Object.keys(state.machines)));
    const told = [
      ...report.adopted,
      ...report.ended,
      ...report.reported.map((notice) => notice.id),
      ...report.failures.map((notice) => notice.id),
    ];
    for (const machine of facts.machines) {
      if (machine.stateId !== facts.stateId || machine.endedAt !== undefined || machine.runId === undefined || known.has(machine.id))
        continue;
      if (!machine.isFindable || told.some((id) => id.includes(machine.id))) continue;
      const isOpen = facts.runs.some(({ state }) =>
        ["recorded", "ambiguous"].includes(state.intents[machine.intentId ?? ""]?.status ?? ""),
      );
      if (!isOpen)
        this.#broken.push({ promise: "reported", what: `${machine.id} lives, and reconcile neither adopted, ended nor reported it.` });
    }
  }

  /** Nobody comes for longer than any guard: what a guardian was armed on must be off. */
  async #abandoned(): Promise<void> {
    await this.#world.clock.advance(GUARD_MS);
    const trained = new Set(this.#world.hosts.trainings.map(({ machineId }) => machineId));
    for (const truth of this.#world.clouds.flatMap((cloud) => [...cloud.machines()])) {
      if (trained.has(truth.id) && truth.endedAt === undefined)
        this.#broken.push({ promise: "leak", what: `${truth.id} was left alone for an hour and is still ${truth.state}.` });
    }
  }

  #secondUser(): { state: WorldState; done: Promise<unknown> } {
    const state = this.#world.newState();
    const controller = this.#controller([], state);
    const spec = this.#world.spec({ key: "bobs", retries: { failures: 4 } });
    const work = async (): Promise<void> => {
      const run = await controller.runctl.train(spec);
      await run.result();
      await controller.runctl.reconcile();
      await controller.close();
    };
    return { state, done: work() };
  }

  async #audit(
    foreignBefore: ReadonlyMap<string, string>,
    second: { state: WorldState; done: Promise<unknown> } | undefined,
  ): Promise<CaseResult> {
    const world = this.#world;
    if (second !== undefined) {
      await world.run(second.done, { limitMs: PATIENCE_MS });
      await world.clock.advance(SETTLE_MS);
    }
    const auditor = world.controller();
    const seen = await world.run(auditor.runctl.resources.list({ showEnded: true }));
    // Runs keep their own ledger. What was made alone is looked after by whoever asks for costs, so that is asked first.
    await world.run(auditor.runctl.resources.refreshCosts());
    const refreshed = await world.run(auditor.runctl.resources.list({ showEnded: true }));
    const ledger = [...seen.filter((record) => record.runId !== undefined), ...refreshed.filter((record) => record.runId === undefined)];
    auditor.kill();
    const facts = this.#facts(foreignBefore, ledger);
    // Logs and trainings are stamped by the wall clock: where it jumped, their times say nothing about the cloud's.
    const hasJumped = this.#faults.some((fault) => fault.jumps === true);
    const report = { ...audit(facts), ...(hasJumped ? { leakedSeconds: 0, overlapSeconds: 0 } : {}) };
    this.#broken.push(...brokenPromises(report, facts, this.#case.providerClass, this.#scenario, this.#faults));
    if (second !== undefined) {
      const run = collectFacts(this.#view(), { state: second.state, clients: new Set(), ledger: [], foreignBefore: new Map() }).runs[0]
        ?.state;
      if (run?.ended?.status !== "succeeded")
        this.#broken.push({
          promise: "foreign-touched",
          what: `The second user's run ended as ${run?.ended?.status} after ${run?.attempts.length} attempts.`,
        });
    }
    for (const what of this.#scenario.check?.(this.#end()) ?? []) this.#broken.push({ promise: "outcome", what });
    return this.#result(this.#broken, report);
  }

  #facts(
    foreignBefore: ReadonlyMap<string, string>,
    ledger: Parameters<typeof collectFacts>[1]["ledger"],
  ): ReturnType<typeof collectFacts> {
    return collectFacts(this.#view(), {
      state: this.#world.state,
      clients: this.#clients,
      ledger,
      ledgerSince: this.#lostAt,
      foreignBefore,
    });
  }

  #view(): Parameters<typeof collectFacts>[0] {
    const { clouds, store, hosts, clock } = this.#world;
    return { clouds, store, hosts, now: () => clouds[0]?.time.now() ?? clock.now() };
  }

  #end(): { alive: string[]; volumes: string[] } {
    const alive = this.#world.clouds.flatMap((cloud) => [...cloud.machines()]).filter((truth) => truth.endedAt === undefined);
    return {
      alive: alive.map((truth) => truth.name),
      volumes: this.#world.clouds
        .flatMap((cloud) => [...cloud.volumes()])
        .filter((truth) => truth.deletedAt === undefined)
        .map((truth) => truth.name),
    };
  }

  #stage(controller: Controller): Stage {
    const world = this.#world;
    return {
      runctl: controller.runctl,
      spec: (change) => world.spec(change),
      sleep: (ms) => new Promise((resolve) => void world.clock.timer(ms, resolve)),
    };
  }

  #cloud(): EmulatedCloudOptions {
    const faults = this.#faults.map((fault) => fault.cloud ?? {});
    return Object.assign({}, this.#scenario.cloud, ...faults, { class: this.#case.providerClass }) as EmulatedCloudOptions;
  }

  #has(step: CaseStep["do"]): boolean {
    return this.#case.steps.some((candidate) => candidate.do === step);
  }

  #result(broken: BrokenPromise[], report?: CaseResult["audit"]): CaseResult {
    return {
      id: formatCaseId(this.#case),
      broken,
      audit: report,
      convergeMs: this.#convergeMs,
      traces: this.#program.map((controller) => this.#tracer.traceOf(controller.name)),
      calls: this.#program.map((controller) => controller.calls),
    };
  }
}
