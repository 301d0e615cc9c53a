import { z } from "zod";
import type { CostBreakdown } from "../cost/cost.ts";
import { mergeRecord } from "../cost/merge-records.ts";
import { breakdown } from "../cost/record-cost.ts";
import type { Evidence, ResourceRecord, ResourceSource } from "../cost/resource-record.ts";
import { type CostThresholds, costThresholdsSchema, type ThresholdWarning } from "../cost/thresholds.ts";
import { AlreadyExistsError, NotFoundError, ValidationError } from "../errors/kinds.ts";
import type { Money } from "../provider/money.ts";
import type { Notice } from "../provider/plan.ts";
import type { MachineUsage } from "../provider/provider.ts";
import type { MachineState } from "../provider/resource.ts";
import type { ProviderLookup } from "../purchase/provider-lookup.ts";
import type { StateStore } from "../state/state-store.ts";
import { type Clock, isoNow } from "../util/clock.ts";
import type { JsonObject } from "../util/json.ts";
import type { Logger } from "../util/logger.ts";
import { sleep } from "../util/sleep.ts";
import { toCsv } from "./export-csv.ts";
import { toHtml } from "./export-html.ts";
import { exportData } from "./export-rows.ts";
import { findById } from "./find-resource.ts";
import { type Insight, insightsOf } from "./insights.ts";
import { refreshProvider } from "./refresh-costs.ts";
import { isoSchema, machineStateSchema, parseOrThrow, type Registration, recordOf } from "./registration.ts";
import type { ResourceEvent, UsageSample } from "./resource-events.ts";
import { type ResourceFilter, selectResources } from "./resource-filter.ts";
import { type LoadedResource, ResourceLog } from "./resource-log.ts";
import { type ResourceSummary, summarise } from "./resource-summary.ts";
import { type TrackedResource, track } from "./tracked-resource.ts";
import { toSample } from "./usage-sample.ts";
import { rememberWarnings, warnedKeys } from "./warned-thresholds.ts";

/** What a tracker works with. */
export interface ResourceTrackerOptions {
  state: StateStore;
  clock: Clock;
  /** Ledgers kept elsewhere, first leads: the engine's runs. */
  sources?: readonly ResourceSource[] | undefined;
  /** For `refreshCosts`. */
  providers?: ProviderLookup | undefined;
  thresholds?: CostThresholds | undefined;
  logger?: Logger | undefined;
  /** Given to registrations that name none. Default "default" and "unknown". */
  project?: string | undefined;
  user?: string | undefined;
  /** The controller session that appends. Default "tracker". */
  session?: string | undefined;
  /** Called once per limit and store, also across processes, when `summary` or `watch` sees it passed. */
  onWarning?: ((warning: ThresholdWarning) => void) | undefined;
}

/**
 * The ledger of everything billable: what runs made (through `sources`), what was created or registered alone (`resource/<id>`
 * streams). Survives the process; several processes may use one store. Reading asks no provider; only `refreshCosts` does.
 */
export class ResourceTracker implements ResourceSource {
  readonly #options: ResourceTrackerOptions;
  readonly #log: ResourceLog;
  readonly #thresholds: CostThresholds;

  /** Touches neither network nor disk. @throws ValidationError for wrong thresholds. */
  constructor(options: ResourceTrackerOptions) {
    this.#options = options;
    this.#log = new ResourceLog(options.state, options.clock, options.session ?? "tracker");
    this.#thresholds = parseOrThrow(costThresholdsSchema, options.thresholds ?? {}, "thresholds", "{ perHour: 20, total: false }");
  }

  /**
   * Counts something that exists from its creation on.
   * @throws AlreadyExistsError when it is known already, to a run or to the tracker; ValidationError for a bad field.
   */
  async register(input: Registration): Promise<TrackedResource> {
    const { clock, project = "default", user = "unknown" } = this.#options;
    const record = recordOf(input, { stateId: await this.#options.state.stateId(), project, user, now: isoNow(clock) });
    if ((await this.#resources()).resources.some((known) => known.id === record.id)) throw duplicate(record.id);
    const stored = await this.#log.update(ResourceLog.streamOf(record.id), (loaded) => {
      if (loaded.next > 0) throw duplicate(record.id);
      return [{ type: "registered", record }];
    });
    return track(stored.state.record ?? record, [], clock.now());
  }

  /**
   * Notes what was seen of a registered or created resource. "ended" closes its record for good.
   * @throws NotFoundError; ValidationError, also for a run's machine: the run's own log says what becomes of it.
   */
  async updateState(
    id: string,
    state: MachineState,
    options: { at?: string | undefined; evidence?: Evidence | undefined; pricePerHour?: Money | undefined } = {},
  ): Promise<TrackedResource> {
    parseOrThrow(
      z.object({ state: machineStateSchema, at: isoSchema.optional() }),
      { state, at: options.at },
      "The state",
      'updateState(id, "stopped")',
    );
    const { record, own } = await this.#must(id);
    if (own === undefined || own.state.mirror) {
      throw new ValidationError({
        what: `The state of ${record.id} is kept by run ${record.runId ?? "?"}, not by hand.`,
        fix: ["Use run.stop() or run.cancel()."],
      });
    }
    const at = options.at ?? isoNow(this.#options.clock);
    await this.#append(own.stream, [
      { type: "observed", state, at, evidence: options.evidence ?? "observed", pricePerHour: options.pricePerHour },
    ]);
    return (await this.#must(record.id)).record;
  }

  /** Keeps a usage sample (the newest 1,000 a resource), without its processes. @throws NotFoundError, ValidationError. */
  async recordUsage(id: string, usage: MachineUsage): Promise<void> {
    const sample = toSample(usage);
    const { record, own } = await this.#must(id);
    if (own?.ended === true || (own === undefined && record.state === "ended")) return;
    const stream = own?.stream ?? (await this.#mirror(record));
    await this.#log.update(stream, () => [{ type: "usage", sample }], { durable: false });
  }

  /**
   * Asks the providers for states and bills and writes them down; what a provider bills replaces what was only seen. One
   * provider's failure does not stop the others. Costs API calls: one list and one costs() a machine.
   */
  async refreshCosts(): Promise<{ updated: string[]; failures: Notice[] }> {
    const { resources, owns } = await this.#resources();
    const updated: string[] = [];
    const failures: Notice[] = [];
    const byProvider = new Map<string, TrackedResource[]>();
    for (const resource of resources) {
      // A closed record is final: its stream takes no more.
      if (owns.get(resource.id)?.ended === true) continue;
      byProvider.set(resource.ref.provider, [...(byProvider.get(resource.ref.provider) ?? []), resource]);
    }
    const context = { stateId: await this.#options.state.stateId(), now: isoNow(this.#options.clock) };
    for (const [name, records] of byProvider) {
      const provider = this.#options.providers === undefined ? undefined : this.#options.providers.find(name);
      if (provider === undefined) {
        failures.push({
          id: "provider-missing",
          what: `The provider ${name} is not registered here.`,
          why: `${records.length} of its resources keep the figures seen so far.`,
          fix: [`Add ${name} to providers.`],
        });
        continue;
      }
      const leads = (record: ResourceRecord): boolean => owns.get(record.id)?.state.mirror === false;
      const refreshed = await refreshProvider(provider, records, { ...context, leads });
      failures.push(...refreshed.failures);
      for (const [id, events] of refreshed.events) {
        const resource = records.find((record) => record.id === id);
        const stream = owns.get(id)?.stream ?? (resource === undefined ? undefined : await this.#mirror(resource));
        if (stream === undefined) continue;
        // Bills first: an observed end closes the stream.
        await this.#append(
          stream,
          [...events].sort((a, b) => Number(a.type === "observed") - Number(b.type === "observed")),
        );
        updated.push(id);
      }
    }
    return { updated, failures };
  }

  /** By text form, or by native id where only one has it. @throws ValidationError when several have it. */
  async get(id: string): Promise<TrackedResource | undefined> {
    return findById((await this.#resources()).resources, id);
  }

  /** Filtered, sorted, limited. @throws ValidationError for an unknown sort or a bad limit. */
  async list(filter: ResourceFilter = {}): Promise<TrackedResource[]> {
    return selectResources((await this.#resources()).resources, filter);
  }

  /** What runs or is about to. */
  running(): Promise<TrackedResource[]> {
    return this.list({ state: ["running", "pending"] });
  }

  /** Everything ever, ended things too. */
  async totalCost(): Promise<CostBreakdown> {
    return breakdown((await this.#resources()).resources, { now: this.#options.clock.now() });
  }

  /** Resources with this tag and value, ended ones left out. */
  byTag(key: string, value: string): Promise<TrackedResource[]> {
    return this.list({ tag: { [key]: value } });
  }

  /** Burn, sums, projections, counts, passed limits. Reports each newly passed limit once through `onWarning`. */
  async summary(): Promise<ResourceSummary> {
    const { resources, problems } = await this.#resources();
    const summary = summarise(resources, this.#options.clock.now(), this.#thresholds, problems);
    await this.#warn(summary.warnings);
    return summary;
  }

  /** Remarks about what may waste money. */
  async insights(): Promise<Insight[]> {
    return insightsOf((await this.#resources()).resources);
  }

  /** All resources (ended ones too, unless filtered) as one text; the three formats show the same rows in the same order. */
  async export(format: "json" | "csv" | "html", filter: ResourceFilter = { showEnded: true }): Promise<string> {
    const now = this.#options.clock.now();
    const { resources, problems } = await this.#resources();
    const data = exportData(selectResources(resources, filter), summarise(resources, now, this.#thresholds, problems), now);
    if (format === "json") return `${JSON.stringify(data, null, 2)}\n`;
    if (format === "csv") return toCsv(data);
    if (format === "html") return toHtml(data);
    throw new ValidationError({
      what: `The export format must be json, csv or html, not ${JSON.stringify(format)}.`,
      fix: ['For example export("csv").'],
    });
  }

  /** A summary now and after every interval (default 5 s), until the consumer breaks off or `signal` aborts (rejects with its reason). */
  async *watch(
    options: { intervalMs?: number | undefined; signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<ResourceSummary, void, void> {
    const interval = options.intervalMs ?? 5_000;
    if (!Number.isFinite(interval) || interval <= 0)
      throw new ValidationError({
        what: `intervalMs must be above 0, not ${String(options.intervalMs)}.`,
        fix: ["For example intervalMs: 5000."],
      });
    for (;;) {
      options.signal?.throwIfAborted();
      yield await this.summary();
      await sleep(this.#options.clock, interval, options.signal);
    }
  }

  /** The tracker's own records, for cost reports; give the runs' source before it. */
  async *records(options: { from?: string | undefined } = {}): AsyncGenerator<ResourceRecord, void, void> {
    const from = options.from;
    for (const { state } of (await this.#log.all()).resources) {
      const { record } = state;
      if (record !== undefined && (from === undefined || record.endedAt === undefined || record.endedAt >= from)) yield record;
    }
  }

  async #resources(): Promise<{ resources: TrackedResource[]; owns: Map<string, LoadedResource>; problems: Notice[] }> {
    const { resources: loaded, problems } = await this.#log.all();
    const merged = new Map<string, ResourceRecord>();
    for (const source of this.#options.sources ?? []) {
      for await (const record of source.records()) merged.set(record.id, mergeOver(merged.get(record.id), record));
    }
    const owns = new Map<string, LoadedResource>();
    const usage = new Map<string, UsageSample[]>();
    for (const own of loaded) {
      const { record } = own.state;
      if (record === undefined) continue;
      owns.set(record.id, own);
      usage.set(record.id, own.state.usage);
      merged.set(record.id, mergeOver(merged.get(record.id), record));
    }
    const now = this.#options.clock.now();
    return { resources: [...merged.values()].map((record) => track(record, usage.get(record.id) ?? [], now)), owns, problems };
  }

  async #must(id: string): Promise<{ record: TrackedResource; own: LoadedResource | undefined }> {
    const { resources, owns } = await this.#resources();
    const record = findById(resources, id);
    if (record === undefined) {
      throw new NotFoundError({
        what: `No resource ${JSON.stringify(id)} is known to this state.`,
        fix: ["resources.list({ showEnded: true }) shows what is.", "resources.register() adds one."],
      });
    }
    return { record, own: owns.get(record.id) };
  }

  /** A run's machine gets a stream of its own for usage and bills; the run's log goes on leading its record. */
  async #mirror(record: TrackedResource): Promise<string> {
    const { cost: _cost, hourly: _hourly, ageMs: _age, usage: _usage, ...plain } = record;
    const stream = ResourceLog.streamOf(record.id);
    // Only what is not in the run's log is kept: its segments would count twice when the run moves on.
    await this.#log.update(stream, (loaded) =>
      loaded.next > 0 ? [] : [{ type: "registered", record: { ...plain, segments: [] }, mirror: true }],
    );
    return stream;
  }

  async #append(stream: string, events: ResourceEvent[]): Promise<void> {
    const after = await this.#log.update(stream, () => events);
    if (after.state.record?.state === "ended" && !after.state.mirror) await this.#log.end(stream);
  }

  async #warn(warnings: readonly ThresholdWarning[]): Promise<void> {
    const { state, clock, session = "tracker", onWarning, logger } = this.#options;
    if (warnings.length === 0) return;
    const known = await warnedKeys(state);
    if (warnings.every((warning) => known.has(warning.key))) return;
    const fresh = await rememberWarnings(state, warnings, { session, at: isoNow(clock) });
    for (const warning of fresh) {
      logger?.warn?.("cost threshold passed", {
        threshold: warning.threshold,
        key: warning.key,
        limit: warning.limit as unknown as JsonObject,
        actual: warning.actual as unknown as JsonObject,
      });
      try {
        onWarning?.(warning);
      } catch {
        // A throwing listener breaks nothing.
      }
    }
  }
}

function mergeOver(known: ResourceRecord | undefined, record: ResourceRecord): ResourceRecord {
  return known === undefined ? record : mergeRecord(known, record);
}

function duplicate(id: string): AlreadyExistsError {
  return new AlreadyExistsError({
    what: `The resource ${id} is in the ledger already.`,
    why: "Counting it twice would double its cost.",
    fix: ["Use updateState() to note a change."],
    context: { id },
  });
}
