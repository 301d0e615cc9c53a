import type { ResourceRecord, ResourceSource } from "../cost/resource-record.ts";
import type { Notice } from "../provider/plan.ts";
import type { Machine, ResourceRef } from "../provider/resource.ts";
import type { ProviderLookup } from "../purchase/provider-lookup.ts";
import type { StateStore } from "../state/state-store.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/logger.ts";
import type { Doubtful } from "./facts.ts";

/** What cleanup works with; the engine wires it. Whatever throws counts as "unknown", and unknown is kept. */
export interface CleanupDeps {
  providers: ProviderLookup;
  state: StateStore;
  clock: Clock;
  /** Ledgers kept elsewhere: the engine's runs. Standalone resources are read from the state itself. */
  sources?: readonly ResourceSource[] | undefined;
  /** Is this run still using its machines? Suspended, recovering and kept-by-onEnd count as active. */
  isRunActive(runId: string): Promise<{ active: boolean; why: string }>;
  /** Is this intent one of a run of ours, and was it given up? Default: only standalone purchases are known. */
  intentOf?: ((intentId: string) => Promise<{ known: boolean; failed: boolean }>) | undefined;
  /** Signs of work on a machine. Default: the provider's usage(). */
  activity?: ((machine: Machine, record: ResourceRecord | undefined) => Promise<{ active: Doubtful; why: string }>) | undefined;
  /** Ids (text form) of things that need this one, beyond what the provider tells. */
  neededBy?: ((ref: ResourceRef) => Promise<string[]>) | undefined;
  /** A deletion that the provider does not confirm: the engine sends it as an event. */
  onAlarm?: ((alarm: Notice) => void) | undefined;
  /** A run's machine is gone for good: the engine notes it in the run's log. */
  onGone?: ((ref: ResourceRef, at: string) => Promise<void>) | undefined;
  /** Of scope "project" and of protections. */
  project?: string | undefined;
  session?: string | undefined;
  logger?: Logger | undefined;
}
