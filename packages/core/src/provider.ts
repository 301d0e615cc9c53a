// The contract: what provider packages import.

// Small helpers for implementers.
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
  StorageError,
  SyncError,
  ThrottledError,
  TimeoutError,
  UnsupportedCapabilityError,
  ValidationError,
} from "./errors/kinds.ts";
export { type ErrorKind, errorKind, RunctlError, type RunctlErrorInit } from "./errors/runctl-error.ts";
export { defineProvider } from "./provider/define-provider.ts";
export type { ExecOptions, ExecResult, HostSession } from "./provider/host-session.ts";
export type { CreateOutcome, Intent, UnavailablePool, VolumeMount } from "./provider/intent.ts";
export type { Money } from "./provider/money.ts";
export type { HostAccess, ObjectInfo, ObjectStore, PutBody, PutOptions } from "./provider/object-store.ts";
export type { Offer, OfferRequest } from "./provider/offer.ts";
export type { Notice } from "./provider/plan.ts";
export type {
  AccountIdentity,
  BilledInterval,
  Capabilities,
  DoctorFinding,
  FindQuery,
  FindResult,
  HostHooks,
  HostNotice,
  ImageBuildRequest,
  MachineUsage,
  ProviderImages,
  ProviderVolumes,
  TrainingProvider,
  VolumeInfo,
  VolumeRecommendation,
  VolumeRequest,
  VolumeWorkload,
} from "./provider/provider.ts";
export {
  type ForeignOrOtherResource,
  formatRef,
  type Machine,
  type MachineState,
  parseRef,
  type ResourceRef,
} from "./provider/resource.ts";
export { TAGS } from "./provider/tags.ts";
export { type Clock, isoNow, systemClock, type Timer } from "./util/clock.ts";
export { sha256Hex } from "./util/hash.ts";
export { canonicalJson, type JsonObject, type JsonValue } from "./util/json.ts";
export { type Logger, silentLogger } from "./util/logger.ts";
export { type Random, randomId, systemRandom } from "./util/random.ts";
export { sleep } from "./util/sleep.ts";
