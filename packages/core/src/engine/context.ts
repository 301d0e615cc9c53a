import type { EventBus } from "../events/event-bus.ts";
import type { RunctlEvent } from "../events/event-types.ts";
import type { HostClient } from "../host/host-client.ts";
import type { ObjectStore } from "../provider/object-store.ts";
import type { ProviderRegistry } from "../registry/provider-registry.ts";
import type { ProjectBudget } from "../spec/options.ts";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";
import type { StateStore } from "../state/state-store.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/logger.ts";
import type { Random } from "../util/random.ts";
import type { LeaseWatch } from "./lease-watch.ts";
import type { LookPace } from "./look-pace.ts";
import type { ProjectSpending } from "./project-budget.ts";
import type { ProviderPollers } from "./provider-poller.ts";
import type { ControllerSession } from "./session.ts";
import type { SlotGate } from "./slot-gate.ts";

/** Values of a run's secrets, or the names of those that this process does not have. */
export type SecretLookup = (runId: string, spec: ResolvedSpec) => Promise<{ values: Record<string, string>; missing: string[] }>;

/** The ports of the engine: everything that touches the world goes through here, so that tests and replays can stand in for it. */
export interface EngineContext {
  state: StateStore;
  stateId: string;
  clock: Clock;
  random: Random;
  logger: Logger;
  providers: ProviderRegistry;
  /** The store that serves a URI. @throws ConfigurationError for an unknown scheme. */
  store(uri: string): ObjectStore;
  host: HostClient;
  session: ControllerSession;
  leases: LeaseWatch;
  pollers: ProviderPollers;
  /** Shares looks at hosts among all runs of this process. */
  pace: LookPace;
  slots: SlotGate;
  bus: EventBus<RunctlEvent>;
  /** W3C trace context of a run, when the host application traces. */
  traceparent(runId: string): string | undefined;
  secrets: SecretLookup;
  /** Limits of the whole project, and what it has spent. */
  projectBudget: ProjectBudget;
  spending(): Promise<ProjectSpending>;
  /** What a run that goes on has spent and what its machines cost an hour now, in USD; undefined once it is over. */
  openRun(runId: string): Promise<{ spentUsd: number; perHourUsd: number } | undefined>;
}
