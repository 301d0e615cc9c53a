// Everything a user of runctl needs. Providers import "@runctl/core/provider" instead.

export type { CheckpointRef } from "./checkpoint/checkpoint-ref.ts";
export type { Checkpoints } from "./checkpoint/checkpoints.ts";
export { CleanupSafety } from "./cleanup/cleanup-safety.ts";
export type { Cost, CostBreakdown } from "./cost/cost.ts";
export { type CostReport, Costs, type CostsOptions } from "./cost/costs.ts";
export type { CostThresholds } from "./cost/thresholds.ts";
export type { FailureRecord } from "./engine/log-events.ts";
export type { ReconcileReport } from "./engine/reconcile.ts";
export type { Attempt, LogLine, Run, RunFilter, RunResult, RunSummary, RunTime } from "./engine/run-types.ts";
// Errors.
export {
  AbortedError,
  AlreadyExistsError,
  AmbiguousOutcomeError,
  AuthenticationError,
  BudgetExceededError,
  CheckpointInvalidError,
  CleanupRefusedError,
  ConfigurationError,
  ConflictError,
  HostUnreachableError,
  NoCapacityError,
  NotFoundError,
  PermissionError,
  QuotaError,
  RunFailedError,
  StorageError,
  SyncError,
  ThrottledError,
  TimeoutError,
  UnsupportedCapabilityError,
  ValidationError,
} from "./errors/kinds.ts";
export { type ErrorKind, RunctlError } from "./errors/runctl-error.ts";
export type { AttemptOutcome, Cursor, EndStatus, RunctlEvent, RunEvent, RunStatus } from "./events/event-types.ts";
export { handleSignals } from "./handle-signals.ts";
export { Images } from "./images/images.ts";
export { Machines, type ManagedMachine } from "./machines/machines.ts";
export type { MetricPoint, Progress } from "./metrics/metric-types.ts";
export type { DropId, PlanGuard, PlanStep, Range, RankedOffer, RunPlan } from "./planner/plan-types.ts";
// Words shared with providers.
export type { Money } from "./provider/money.ts";
export type { HostAccess, ObjectInfo, ObjectStore, PutBody, PutOptions } from "./provider/object-store.ts";
export type { Offer, OfferRequest } from "./provider/offer.ts";
export type { Notice } from "./provider/plan.ts";
export type { TrainingProvider, VolumeInfo, VolumeRecommendation, VolumeRequest, VolumeWorkload } from "./provider/provider.ts";
export type { Machine, MachineState, ResourceRef } from "./provider/resource.ts";
// Building blocks that also serve alone.
export { retry } from "./retry/retry.ts";
export type { RetryPolicy } from "./retry/retry-policy.ts";
export { Runctl } from "./runctl.ts";
// What to train, and how it went.
export { defaultConfig, writeDefaultConfig } from "./spec/config-file.ts";
export { defineRun } from "./spec/define-run.ts";
export { loadConfig, type RunctlConfig } from "./spec/load-config.ts";
export type { MachineLimits, ProjectBudget, RunctlOptions, RunDefaults } from "./spec/options.ts";
export type {
  Budget,
  CheckpointSpec,
  ContainerSpec,
  Duration,
  EarlyStopping,
  EndPolicy,
  InputSpec,
  Market,
  MetricPattern,
  OutputSpec,
  RunSpec,
  SecretSource,
  Size,
  VolumeSpec,
} from "./spec/run-spec.ts";
// Where runs live and where their things are kept.
export { fileState } from "./state/file-state.ts";
export { memoryState } from "./state/memory-state.ts";
export type { AppendOptions, SessionBeat, StateStore, StoredEvent, StreamInfo, StreamName } from "./state/state-store.ts";
export { fileStore } from "./storage/file-store.ts";
export { memoryStore } from "./storage/memory-store.ts";
export type { Storage, TransferOptions, TransferReport } from "./storage/transfer/transfer-types.ts";
export { ResourceTracker, type ResourceTrackerOptions } from "./tracker/resource-tracker.ts";
// Seams.
export { type Clock, systemClock, type Timer } from "./util/clock.ts";
export type { JsonObject, JsonValue } from "./util/json.ts";
export type { Logger } from "./util/logger.ts";
export { type Random, systemRandom } from "./util/random.ts";
export { Volumes, type VolumesOptions } from "./volumes/volumes.ts";
