import { join } from "node:path";
import type { EngineContext } from "./engine/context.ts";
import { Engine } from "./engine/engine.ts";
import { LeaseWatch } from "./engine/lease-watch.ts";
import { ProviderPoller, ProviderPollers } from "./engine/provider-poller.ts";
import { ControllerSession } from "./engine/session.ts";
import { SlotGate } from "./engine/slot-gate.ts";
import { ConfigurationError } from "./errors/kinds.ts";
import { EventBus } from "./events/event-bus.ts";
import type { RunctlEvent } from "./events/event-types.ts";
import { createHostClient } from "./host/create-host-client.ts";
import type { ObjectStore } from "./provider/object-store.ts";
import { ProviderRegistry } from "./registry/provider-registry.ts";
import type { ResolvedOptions } from "./spec/options.ts";
import { resolveSecrets } from "./spec/secrets.ts";
import { fileState } from "./state/file-state.ts";
import type { StateStore } from "./state/state-store.ts";
import { asFolder } from "./storage/location.ts";
import { createStoreRegistry, type StoreRegistry } from "./storage/store-registry.ts";

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
    this.#engine ??= this.#makeEngine();
    return this.#engine;
  }

  rememberSecrets(runId: string, values: Record<string, string>): void {
    if (Object.keys(values).length > 0) this.#secrets.set(runId, { ...this.#secrets.get(runId), ...values });
  }

  async #makeEngine(): Promise<Engine> {
    const { options, registry, state } = this;
    const stateId = await state.stateId();
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
      pollers: new ProviderPollers((name) => new ProviderPoller(registry.get(name), stateId, options.clock)),
      slots: new SlotGate(options.limits.maxRunning),
      bus: this.bus,
      secrets: (runId, spec) => resolveSecrets(spec.secrets, this.#secrets.get(runId) ?? {}, { resolveSecret: options.resolveSecret }),
    };
    return new Engine(context);
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
