import { join } from "node:path";
import type { ResourceSource } from "./cost/resource-record.ts";
import type { EngineContext } from "./engine/context.ts";
import { Engine } from "./engine/engine.ts";
import { LeaseWatch } from "./engine/lease-watch.ts";
import { LookPace } from "./engine/look-pace.ts";
import { ProviderPoller, ProviderPollers } from "./engine/provider-poller.ts";
import { RunLedger } from "./engine/run-ledger.ts";
import { loadRun } from "./engine/run-log.ts";
import { ControllerSession } from "./engine/session.ts";
import { SlotGate } from "./engine/slot-gate.ts";
import { spendingOf } from "./engine/spending.ts";
import { spentUsd } from "./engine/spent.ts";
import { Telemetry } from "./engine/telemetry.ts";
import { ConfigurationError } from "./errors/kinds.ts";
import { encodeCursor } from "./events/cursor.ts";
import { EventBus } from "./events/event-bus.ts";
import type { RunctlEvent } from "./events/event-types.ts";
import { createHostClient } from "./host/create-host-client.ts";
import type { ObjectStore } from "./provider/object-store.ts";
import type { Notice } from "./provider/plan.ts";
import { isPinnedAccount } from "./purchase/account-pin.ts";
import { ProviderRegistry } from "./registry/provider-registry.ts";
import type { ResolvedOptions } from "./spec/options.ts";
import { resolveSecrets } from "./spec/secrets.ts";
import { fileState } from "./state/file-state.ts";
import type { StateStore } from "./state/state-store.ts";
import { asFolder } from "./storage/location.ts";
import { createStoreRegistry, type StoreRegistry } from "./storage/store-registry.ts";
import { ResourceTracker } from "./tracker/resource-tracker.ts";
import { isoNow } from "./util/clock.ts";

const COST_LOOK_MS = 30_000;
const COST_LOOK_PER_MACHINE_MS = 5_000;
const MAX_COST_LOOK_MS = 3_600_000;

/**
 * The rooms of one Runctl object, made when first needed: a constructor touches neither network nor disk.
 */
export class Parts {
  readonly options: ResolvedOptions;
  readonly registry: ProviderRegistry;
  readonly bus: EventBus<RunctlEvent>;
  /** Literal secrets by run: in this process's memory only. */
  readonly #secrets = new Map<string, Record<string, string>>();
  #state: StateStore | undefined;
  #stores: StoreRegistry | undefined;
  #engine: Promise<Engine> | undefined;
  #running: Engine | undefined;
  #tracker: ResourceTracker | undefined;
  #ledger: RunLedger | undefined;

  constructor(options: ResolvedOptions) {
    this.options = options;
    this.registry = new ProviderRegistry(options.providers);
    this.bus = new EventBus<RunctlEvent>(options.logger);
  }

  get state(): StateStore {
    this.#state ??=
      this.options.state ?? fileState(join(this.options.root(), ".runctl"), { clock: this.options.clock, random: this.options.random });
    return this.#state;
  }

  get stores(): StoreRegistry {
    this.#stores ??= createStoreRegistry(
      distinct([...this.options.stores, ...this.options.providers.flatMap((provider) => provider.stores ?? [])]),
    );
    return this.#stores;
  }

  /** Where runs keep their things: the option, else the first provider's own, else beside the state. */
  storeUri(): string {
    const { options } = this;
    const chosen = options.store ?? options.providers.find((provider) => provider.defaultStore !== undefined)?.defaultStore;
    const location = chosen ?? join(this.state.dataDir ?? join(options.root(), ".runctl"), "store");
    return asFolder(this.stores.resolve(location, options.root()).uri);
  }

  /** True once something asked for the engine: only then is there anything to close. */
  get isStarted(): boolean {
    return this.#engine !== undefined;
  }

  /** The caller's own store stays the caller's: only ours is closed. */
  async closeState(): Promise<void> {
    if (this.options.state === undefined) await this.#state?.close();
  }

  engine(): Promise<Engine> {
    this.#engine ??= this.#makeEngine().catch((error: unknown) => {
      // What went wrong may be mended: the next call tries again.
      this.#engine = undefined;
      throw error;
    });
    return this.#engine;
  }

  /** The ledger of everything billable: runs first, then what was made alone. */
  get tracker(): ResourceTracker {
    const { options, state, registry } = this;
    this.#tracker ??= new ResourceTracker({
      state,
      clock: options.clock,
      sources: [this.runLedger],
      providers: registry,
      thresholds: options.thresholds,
      logger: options.logger,
      project: options.project(),
      user: options.user(),
      onWarning: (warning) => this.#emit({ type: "cost-threshold", threshold: warning.key, limit: warning.limit, actual: warning.actual }),
    });
    return this.#tracker;
  }

  /** The machines of all runs. */
  get runLedger(): ResourceSource {
    this.#ledger ??= new RunLedger(this.state, (runId) => {
      const driver = this.#running?.driverOf(runId);
      return driver === undefined || driver.signal.aborted ? undefined : driver.state;
    });
    return this.#ledger;
  }

  alarm(alarm: Notice): void {
    this.#emit({ type: "alarm", ...alarm });
  }

  /** Looks at the thresholds now and then while machines come and go: the more there is to add up, the more rarely. */
  #watchCosts(): void {
    const { clock, logger } = this.options;
    let next = Number.NEGATIVE_INFINITY;
    this.bus.onAny((event) => {
      if (event.type !== "machine-created" && event.type !== "checkpoint-published" && event.type !== "machine-ended") return;
      const now = clock.monotonic();
      if (now < next) return;
      next = now + COST_LOOK_MS;
      this.tracker.summary().then(
        ({ counts }) => {
          next = now + Math.min(MAX_COST_LOOK_MS, Math.max(COST_LOOK_MS, counts.total * COST_LOOK_PER_MACHINE_MS));
        },
        (error: unknown) => logger.debug?.("costs could not be summed", { error: String(error) }),
      );
    });
  }

  /** Events that belong to no run have a cursor of their own kind: they are live only. */
  #emit(body: Pick<RunctlEvent, "type"> & Record<string, unknown>): void {
    const { clock } = this.options;
    this.bus.emit({ v: 1, cursor: encodeCursor({ stream: "project", seq: 0, index: 0 }), at: isoNow(clock), ...body } as RunctlEvent);
  }

  rememberSecrets(runId: string, values: Record<string, string>): void {
    if (Object.keys(values).length > 0) this.#secrets.set(runId, { ...this.#secrets.get(runId), ...values });
  }

  async #makeEngine(): Promise<Engine> {
    const { options, registry, state } = this;
    const stateId = await state.stateId();
    const telemetry = await Telemetry.start(this.bus);
    const session = new ControllerSession(state, options.clock, options.random);
    const context: EngineContext = {
      state,
      stateId,
      clock: options.clock,
      random: options.random,
      logger: options.logger,
      providers: registry,
      store: (uri) => this.stores.storeOf(uri),
      host: createHostClient(),
      session,
      leases: new LeaseWatch(options.clock, session.id),
      pollers: new ProviderPollers((name) => {
        const provider = registry.get(name);
        return new ProviderPoller(provider, stateId, options.clock, () => isPinnedAccount(state, provider));
      }),
      pace: new LookPace(),
      slots: new SlotGate(options.limits.maxRunning, options.limits.warnRunning, options.clock),
      bus: this.bus,
      traceparent: (runId) => telemetry?.traceparentOf(runId),
      projectBudget: options.budget,
      spending: () => spendingOf(this.tracker, options.clock.now()),
      openRun: async (runId) => {
        const run = await loadRun(state, runId);
        if (run === undefined || run.ended !== undefined) return undefined;
        const { usd, perHour } = spentUsd(run, options.clock.now());
        return { spentUsd: usd, perHourUsd: perHour };
      },
      secrets: (runId, spec) => resolveSecrets(spec.secrets, this.#secrets.get(runId) ?? {}, { resolveSecret: options.resolveSecret }),
    };
    this.#watchCosts();
    this.#running = new Engine(context);
    return this.#running;
  }
}

/** Two providers may bring the same store; two different stores of one scheme are a mistake. */
function distinct(stores: ObjectStore[]): ObjectStore[] {
  const unique = [...new Set(stores)];
  const schemes = new Set<string>();
  for (const { scheme } of unique) {
    if (schemes.has(scheme)) {
      throw new ConfigurationError({
        what: `Two object stores have the scheme "${scheme}".`,
        why: "A location must lead to exactly one store.",
        fix: ["Pass one of them only, or leave it to the provider that brings it."],
      });
    }
    schemes.add(scheme);
  }
  return unique;
}
