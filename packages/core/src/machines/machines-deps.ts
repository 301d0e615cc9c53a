import type { CleanupSafety } from "../cleanup/cleanup-safety.ts";
import type { Intent } from "../provider/intent.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import type { ProviderLookup } from "../purchase/provider-lookup.ts";
import type { StateStore } from "../state/state-store.ts";
import type { ResourceTracker } from "../tracker/resource-tracker.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/logger.ts";
import type { Random } from "../util/random.ts";

/** What the machines facade works with; the engine wires it. */
export interface MachinesDeps {
  providers: ProviderLookup;
  state: StateStore;
  tracker: ResourceTracker;
  cleanup: CleanupSafety;
  clock: Clock;
  random: Random;
  project: string;
  user: string;
  /** The controller session; default "machines". */
  session?: string | undefined;
  logger?: Logger | undefined;
  /** Machines of this project that may run at once, and from where on it is remarked. Default 50 and 10 (original.md §1.5). */
  limits?: { maxRunning?: number | undefined; warnRunning?: number | undefined } | undefined;
  /** sh text of the guardian for providers with a boot hook. Default: none, so that only cleanup knows `endBy`. */
  boot?: ((provider: TrainingProvider, intent: Omit<Intent, "boot">) => string) | undefined;
  /** Is the process that wrote an intent still at work? Default: it is for ten minutes. */
  isSessionAlive?: ((session: string) => Promise<boolean>) | undefined;
  /** Stopping and starting a machine of a live run is the run's affair: a checkpoint first, "suspended", and back. */
  runs?:
    | { isActive(runId: string): Promise<boolean>; suspend(runId: string): Promise<void>; resume(runId: string): Promise<void> }
    | undefined;
}
