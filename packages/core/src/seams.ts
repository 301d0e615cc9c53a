// What @runctl/testing and tools like it stand on: the engine's records and pure functions. Follows core's insides and may change with
// any minor version; programs that train import "@runctl/core", providers "@runctl/core/provider".

export type { CheckpointRef } from "./checkpoint/checkpoint-ref.ts";
export { fileListDigest, type LatestRecord, manifestToRef } from "./checkpoint/published.ts";
export { type PublishedManifest, publishedManifestSchema } from "./checkpoint/published-manifest.ts";
export { parseTreeManifest, type TreeManifest, treeDigest } from "./code/tree-manifest.ts";
export { costOfAll } from "./cost/cost-of.ts";
export type { PriceSegment, ResourceRecord } from "./cost/resource-record.ts";
export type { Command, DecideEnv, Decision } from "./engine/commands.ts";
export { decide } from "./engine/decide.ts";
export { isSettled } from "./engine/decide-end.ts";
export { evolve, replayLog } from "./engine/evolve.ts";
export type { Evidence, FailureRecord, LoggedEvent, RunLogEvent, UserRequest } from "./engine/log-events.ts";
export { timeOf } from "./engine/result.ts";
export { asLogged, loadRun, runStream } from "./engine/run-log.ts";
export { type AttemptRecord, type IntentState, liveMachines, type MachineRecord, openAttempt, type RunState } from "./engine/run-state.ts";
export { spentUsd, trainedMs } from "./engine/spent.ts";
export { attemptKey, logKey, runKey } from "./engine/store-keys.ts";
export { costOfRun, marketOf } from "./engine/summary.ts";
export type { AttemptFile } from "./host/attempt-file.ts";
export {
  type AttemptSecrets,
  type ControlCommand,
  HOST_CLIENT,
  type HostClient,
  type HostObservation,
  type ModelledHostSession,
  type ObserveOptions,
} from "./host/host-client.ts";
export {
  type AttemptCause,
  exitSchema,
  finalSchema,
  type HostEvent,
  type HostExit,
  type HostFinal,
  type HostNoticeRecord,
  type HostStatus,
  hostEventSchema,
  noticeSchema,
  statusSchema,
} from "./host/records.ts";
export type { ResolvedSpec } from "./spec/resolved-spec.ts";
export { formatDuration, parseDuration } from "./spec/units.ts";
export { appendConflict, cannotAdopt, numbered, type PendingEvent, toPending } from "./state/state-conflicts.ts";
export { parseStreamName } from "./state/stream-name.ts";
export { encodeSegment, fileUriToPath, pathToFileUri } from "./storage/file-uri.ts";
export { isPlainKey, joinKey, keyBelow } from "./storage/location.ts";
export { compareBytes } from "./util/byte-order.ts";
