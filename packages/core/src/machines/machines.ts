import type { Veto } from "../cleanup/veto.ts";
import {
  CleanupRefusedError,
  ConflictError,
  HostUnreachableError,
  NotFoundError,
  UnsupportedCapabilityError,
  ValidationError,
} from "../errors/kinds.ts";
import type { ExecOptions, ExecResult } from "../provider/host-session.ts";
import type { Notice } from "../provider/plan.ts";
import type { MachineUsage, TrainingProvider } from "../provider/provider.ts";
import { formatRef, type Machine } from "../provider/resource.ts";
import { TAGS } from "../provider/tags.ts";
import { pinAccount } from "../purchase/account-pin.ts";
import type { Duration } from "../spec/run-spec.ts";
import { parseDuration } from "../spec/units.ts";
import type { ResourceFilter } from "../tracker/resource-filter.ts";
import { ResourceLog } from "../tracker/resource-log.ts";
import type { TrackedResource } from "../tracker/tracked-resource.ts";
import { isoNow } from "../util/clock.ts";
import { type CreateContext, createMachine, endBought, endSurplus } from "./create-machine.ts";
import { type MachineRequest, resolveMachineRequest } from "./machine-request.ts";
import type { MachinesDeps } from "./machines-deps.ts";
import { type IntentsReport, reconcileIntents } from "./reconcile-intents.ts";
import { type StopPlan, savingOf, savingsOf } from "./stop-plan.ts";
import { usageFlags } from "./usage-flags.ts";
import { waitReady } from "./wait-ready.ts";

/** A machine as the ledger has it, and as the provider sees it now where it was asked. */
export interface ManagedMachine extends TrackedResource {
  /** Absent in lists, and where the provider does not list it now. */
  machine?: Machine | undefined;
}

/** A stop plan holds for ten minutes, like a cleanup plan. */
const STOP_PLAN_MS = 10 * 60_000;

/** Machines of every provider: created alone, or by runs. Whatever ends one goes through the checks of CleanupSafety. */
export class Machines {
  readonly #deps: MachinesDeps;
  readonly #context: CreateContext;
  readonly #work = new Set<Promise<unknown>>();

  /** Touches neither network nor disk. */
  constructor(deps: MachinesDeps) {
    this.#deps = deps;
    const log = new ResourceLog(deps.state, deps.clock, deps.session ?? "machines");
    this.#context = { deps, log, inFlight: new Set(), background: (work) => this.#keep(work) };
  }

  /**
   * Buys one machine, intent first, so that a crash at any point loses nothing. Costs what the cheapest fitting offer costs.
   * `wait`: resolves only when it runs and answers a command (default 10 min); if it never does, it is ended again.
   * @throws NoCapacityError, QuotaError, ValidationError, AmbiguousOutcomeError; the signal's own reason after an abort, when
   * nothing of it is left or what may appear is being ended.
   */
  async create(
    request: MachineRequest & { wait?: boolean | undefined },
    options: { wait?: boolean | undefined; waitFor?: Duration | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<ManagedMachine> {
    const { wait = options.wait ?? false, ...rest } = request;
    const timeoutMs = parseDuration(options.waitFor ?? "10m", "waitFor");
    const resolved = resolveMachineRequest(rest);
    options.signal?.throwIfAborted();
    const made = await createMachine(this.#context, resolved, options.signal);
    const provider = this.#provider(made.ref.provider);
    const machine = wait ? await this.#ready(provider, made, timeoutMs, options.signal) : made;
    return this.#managed(formatRef(made.ref), machine);
  }

  /**
   * After the loss of the state: machines of ours that were made alone are in no store, but the providers list them with our tags. They
   * are in the ledger from now on, from their creation. Returns their ids.
   */
  async adoptLost(): Promise<string[]> {
    const stateId = await this.#deps.state.stateId();
    const adopted: string[] = [];
    for (const provider of this.#deps.providers.all()) {
      const { machines } = await provider.find({ stateId, kinds: ["machine"] });
      // What carries our id was bought by us, so this is our account: cleanup may work in it again.
      if (machines.length > 0)
        await pinAccount(this.#deps.state, provider, { session: this.#deps.session ?? "machines", at: isoNow(this.#deps.clock) });
      for (const machine of machines) {
        const id = formatRef(machine.ref);
        if (machine.tags[TAGS.run] !== undefined || machine.state === "ended" || (await this.#deps.tracker.get(id)) !== undefined) continue;
        const { ref, name, state, tags, type, market, zone, createdAt, pricePerHour } = machine;
        await this.#deps.tracker.register({ ref, name, state, tags, type, market, zone, createdAt, pricePerHour, region: ref.region });
        adopted.push(id);
      }
    }
    return adopted;
  }

  /**
   * Ends a machine of ours that no run and no purchase wants (reconcile found it), after writing it into the ledger: it cost money
   * from its beginning. Waits at most 5 min for the provider to confirm the end; the ledger counts on until then.
   */
  async endUnwanted(machine: Machine): Promise<void> {
    const { ref, type = "unknown", market = "on-demand", pricePerHour } = machine;
    const offer = {
      id: type,
      provider: ref.provider,
      type,
      market,
      pricePerHour,
      accelerators: [],
      can: { stop: false, notice: false, endItself: false },
    };
    const known = (await this.#deps.tracker.get(formatRef(ref))) !== undefined;
    const provider = this.#provider(ref.provider);
    if (known && machine.state !== "ended") await provider.terminate(ref);
    else if (!known) await endSurplus(this.#context, provider, { offers: [offer] }, [machine]);
  }

  /** By text form or unambiguous native id; asks its provider for the state now. undefined: not in the ledger. */
  async get(id: string): Promise<ManagedMachine | undefined> {
    const record = await this.#deps.tracker.get(id);
    if (record === undefined || record.ref.kind !== "machine") return undefined;
    const machine = await this.#sight(record).catch(() => undefined);
    return machine === undefined ? record : { ...record, machine };
  }

  /** From the ledger alone: asks no provider. */
  async list(filter: ResourceFilter = {}): Promise<ManagedMachine[]> {
    return this.#deps.tracker.list({ ...filter, kind: "machine" });
  }

  /** Starts a stopped machine; of a suspended run, the run goes on. @throws UnsupportedCapabilityError, NotFoundError, CleanupRefusedError. */
  async start(id: string): Promise<ManagedMachine> {
    const { record, provider, machine } = await this.#mine(id);
    if (record.runId !== undefined && (await this.#deps.runs?.isActive(record.runId)) === true) {
      await this.#deps.runs?.resume(record.runId);
      return this.#managed(record.id);
    }
    if (provider.start === undefined) throw unsupported(provider, "start machines again");
    if (machine.state !== "running") await provider.start(record.ref);
    await this.#observe(record, "running");
    return this.#managed(record.id);
  }

  /**
   * Stops a machine; its disk goes on costing. A live run is suspended instead: checkpoint first. Otherwise refused while
   * something works on it, unless `force`. @throws CleanupRefusedError, UnsupportedCapabilityError, NotFoundError.
   */
  async stop(id: string, options: { force?: boolean | undefined } = {}): Promise<ManagedMachine> {
    const { record, provider, machine } = await this.#mine(id);
    if (provider.stop === undefined) throw unsupported(provider, "stop machines");
    const force = options.force ?? false;
    if (!force && record.runId !== undefined && this.#deps.runs !== undefined && (await this.#deps.runs.isActive(record.runId))) {
      await this.#deps.runs.suspend(record.runId);
      return this.#managed(record.id);
    }
    if (!force) {
      const reasons = (await this.#deps.cleanup.explain(record.id)).reasons.filter((reason) => STOP_VETOES.includes(reason.id));
      if (reasons.length > 0) throw refused(`Stopping ${record.id} is refused.`, reasons);
    }
    if (machine.state !== "stopped" && machine.state !== "stopping") await provider.stop(record.ref);
    await this.#observe(record, "stopped");
    return this.#managed(record.id);
  }

  /**
   * Ends a machine for good and waits until the provider confirms it. Refused while it trains, when protected or younger than
   * 5 minutes, by facts read from the provider; `force` overrides age and activity, never protection.
   * @throws CleanupRefusedError with the reasons. `gone: false`: asked, not confirmed; it stays in the ledger and goes on costing.
   */
  async terminate(id: string, options: { force?: boolean | undefined } = {}): Promise<{ gone: boolean; why: string }> {
    const record = await this.#must(id);
    if (record.state === "ended") return { gone: true, why: "" };
    return this.#deps.cleanup.deleteOne(record.id, { force: options.force, why: "terminate() was called." });
  }

  /** A measurement now, kept in the ledger; readings above 80 % are flagged. @throws UnsupportedCapabilityError, NotFoundError. */
  async usage(id: string): Promise<MachineUsage & { flags: Notice[] }> {
    const { record, provider, machine } = await this.#mine(id);
    if (provider.usage === undefined) throw unsupported(provider, "measure its machines");
    const usage = await provider.usage(machine);
    await this.#deps.tracker.recordUsage(record.id, usage);
    return { ...usage, flags: usageFlags(usage) };
  }

  /** Runs argv (no shell) on the machine to its end. The exit code is the command's own. @throws HostUnreachableError and what `connect` throws. */
  async exec(id: string, argv: [string, ...string[]], options: ExecOptions = {}): Promise<ExecResult> {
    if (!Array.isArray(argv) || argv.length === 0 || argv.some((part) => typeof part !== "string")) {
      throw new ValidationError({
        what: "argv must be a list of at least one text.",
        why: "Commands are never shell strings.",
        fix: ['For example ["nvidia-smi", "-L"].'],
      });
    }
    const { provider, machine } = await this.#mine(id);
    if (provider.connect === undefined) throw unsupported(provider, "be connected to");
    const session = await provider.connect(machine, { signal: options.signal });
    try {
      return await session.exec(argv, options);
    } finally {
      await session.close();
    }
  }

  /** What stopping everything of ours that runs would save; stops nothing. Busy, protected and foreign things are in `kept`. */
  async planStop(filter: ResourceFilter = {}): Promise<StopPlan> {
    const running = await this.#deps.tracker.list({ ...filter, kind: "machine", state: "running" });
    const items: TrackedResource[] = [];
    const kept: StopPlan["kept"] = [];
    for (const resource of running) {
      const why = await this.#whyNotStop(resource);
      if (why === undefined) items.push(resource);
      else kept.push({ id: resource.id, name: resource.name, why });
    }
    return {
      v: 1,
      createdAt: isoNow(this.#deps.clock),
      stateId: await this.#deps.state.stateId(),
      items: items.map((resource) => ({
        id: resource.id,
        name: resource.name,
        provider: resource.ref.provider,
        runId: resource.runId,
        saves: savingOf(resource),
      })),
      kept,
      savings: savingsOf(items),
    };
  }

  /** Stops what the plan lists, each checked again. @throws CleanupRefusedError for a plan that is stale or of another state. */
  async applyStop(plan: StopPlan): Promise<{ stopped: string[]; refused: Array<{ id: string; why: string }> }> {
    const age = this.#deps.clock.now() - Date.parse(plan.createdAt);
    if (!(age >= 0 && age <= STOP_PLAN_MS) || plan.stateId !== (await this.#deps.state.stateId())) {
      throw refused("The stop plan is stale or of another state, so nothing was done.", []);
    }
    const result: { stopped: string[]; refused: Array<{ id: string; why: string }> } = { stopped: [], refused: [] };
    for (const { id } of plan.items) {
      try {
        await this.stop(id);
        result.stopped.push(id);
      } catch (error) {
        result.refused.push({ id, why: error instanceof Error ? (error.message.split("\n")[0] ?? "") : "" });
      }
    }
    return result;
  }

  /** Settles purchases that a crash left open: adopts, ends, voids or waits. Never buys. */
  reconcileIntents(): Promise<IntentsReport> {
    return reconcileIntents(this.#context);
  }

  /** Resolves when nothing of this object goes on in the background any more. */
  async settled(): Promise<void> {
    while (this.#work.size > 0) await Promise.allSettled([...this.#work]);
  }

  async #ready(provider: TrainingProvider, made: Machine, timeoutMs: number, signal: AbortSignal | undefined): Promise<Machine> {
    try {
      const machine = await waitReady(provider, made, { clock: this.#deps.clock, timeoutMs, signal });
      const record = await this.#must(formatRef(made.ref));
      await this.#observe(record, machine.state);
      return machine;
    } catch (error) {
      // Never answered, or no longer wanted: it is not left running.
      const intentId = made.tags[TAGS.intent] ?? "";
      const { state } = await this.#context.log.load(`resource/${intentId}`);
      if (state.intent !== undefined) {
        const ending = endBought(this.#context, provider, state.intent, made, "It never became ready.");
        this.#keep(ending);
        if (signal?.aborted !== true) await ending;
      }
      throw error;
    }
  }

  async #managed(id: string, machine?: Machine): Promise<ManagedMachine> {
    const record = await this.#must(id);
    return machine === undefined ? record : { ...record, machine };
  }

  async #must(id: string): Promise<TrackedResource> {
    const record = await this.#deps.tracker.get(id);
    if (record !== undefined) return record;
    throw new NotFoundError({ what: `No machine ${JSON.stringify(id)} is known to this state.`, fix: ["machines.list() shows what is."] });
  }

  /** The ledger's record and the provider's sight of it, refused unless it carries our state's id. */
  async #mine(id: string): Promise<{ record: TrackedResource; provider: TrainingProvider; machine: Machine }> {
    const record = await this.#must(id);
    if (record.state === "ended") throw new ConflictError({ what: `${record.id} has ended.`, fix: ["Create another one."] });
    const machine = await this.#sight(record);
    if (machine === undefined) {
      throw new HostUnreachableError({
        what: `${record.id} is not listed by ${record.ref.provider} now.`,
        why: "It may be gone, or not visible yet.",
        fix: ["Try again; reconcile() settles it."],
      });
    }
    if (machine.tags[TAGS.state] !== (await this.#deps.state.stateId())) throw refused(`${record.id} does not carry this state's id.`, []);
    return { record, provider: this.#provider(record.ref.provider), machine };
  }

  async #sight(record: TrackedResource): Promise<Machine | undefined> {
    const found = await this.#provider(record.ref.provider).find({ ids: [record.ref.id], kinds: ["machine"], includeForeign: true });
    return found.machines.find((machine) => formatRef(machine.ref) === record.id);
  }

  #provider(name: string): TrainingProvider {
    const provider = this.#deps.providers.find(name);
    if (provider === undefined)
      throw new NotFoundError({ what: `The provider ${name} is not registered here.`, fix: [`Add ${name} to providers.`] });
    return provider;
  }

  /** Machines of runs are led by their run's log; it sees their state by itself. */
  async #observe(record: TrackedResource, state: Machine["state"]): Promise<void> {
    if (record.runId === undefined) await this.#deps.tracker.updateState(record.id, state);
  }

  async #whyNotStop(resource: TrackedResource): Promise<string | undefined> {
    if (this.#deps.providers.find(resource.ref.provider)?.stop === undefined) return `${resource.ref.provider} cannot stop machines.`;
    const { reasons } = await this.#deps.cleanup
      .explain(resource.id)
      .catch((error: unknown) => ({ reasons: [{ id: "unreadable", what: String(error) }] }));
    const found = reasons.find(
      (reason) => reason.id === "unreadable" || STOP_VETOES.includes(reason.id) || reason.id.startsWith("protect"),
    );
    return found?.what;
  }

  #keep(work: Promise<unknown>): void {
    const entry: Promise<unknown> = work
      .catch((error: unknown) => this.#deps.logger?.warn?.("background work failed", { error: String(error) }))
      .finally(() => this.#work.delete(entry));
    this.#work.add(entry);
  }
}

/** Reasons that also speak against stopping: not ours, another account, in use. Age does not: a stop loses nothing. */
const STOP_VETOES: readonly string[] = [
  "not-ours",
  "ownership-unknown",
  "not-in-ledger",
  "account-changed",
  "account-unknown",
  "run-active",
  "run-unknown",
  "busy",
  "activity-unknown",
];

function refused(what: string, reasons: readonly Veto[]): CleanupRefusedError {
  return new CleanupRefusedError({
    what,
    why: reasons.map((reason) => reason.what).join(" "),
    fix: [...new Set(reasons.flatMap((reason) => reason.fix))],
    context: { reasons: reasons.map((reason) => reason.id) },
  });
}

function unsupported(provider: TrainingProvider, what: string): UnsupportedCapabilityError {
  return new UnsupportedCapabilityError({ what: `The provider ${provider.name} cannot ${what}.`, provider: provider.name });
}
