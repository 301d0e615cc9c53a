import type { VolumeRequest } from "../provider/provider.ts";
import type { JsonObject } from "../util/json.ts";

/** Milliseconds, or text such as "90s", "10m", "2h", "7d". */
export type Duration = number | string;
/** Bytes, or text such as "16GiB", "500MB". */
export type Size = number | string;

/** What to spend at most. `stop` saves a checkpoint first. */
export interface Budget {
  maxCost: number;
  /** Fractions of maxCost at which a budget-warning event is sent. Default [0.5, 0.8]. */
  warnAt?: number[] | undefined;
  onExceeded?: "stop" | "warn" | undefined;
}

/** Reads numbers from log lines: the first group, or the group `value`, is the number; groups `step` and `name` are optional. */
export interface MetricPattern {
  name?: string | undefined;
  /** A JavaScript regular expression. */
  pattern?: string | undefined;
  /** Or a JSONL file in the working directory. */
  file?: string | undefined;
}

/** Stops a run whose metric no longer improves; the outcome is "stopped", with a checkpoint. */
export interface EarlyStopping {
  metric: string;
  mode: "min" | "max";
  /** Points without improvement before it stops. */
  patience: number;
  minDelta?: number | undefined;
}

export type SecretSource = string | { env: string } | { file: string } | { ref: string };
export type EndPolicy = "terminate" | "stop" | "keep" | { after: Duration; then: "terminate" | "stop" };
export type Market = "on-demand" | "spot" | "spot-then-on-demand" | "auto";

export interface CheckpointSpec {
  dir?: string | undefined;
  to?: string | undefined;
  resume?: "auto" | "never" | (string & {}) | undefined;
  resumeArgs?: string[] | undefined;
  keep?:
    | { last?: number | undefined; every?: Duration | undefined; best?: { metric: string; mode: "min" | "max" } | undefined }
    | undefined;
  stopSignal?: "SIGTERM" | "SIGUSR1" | "SIGINT" | undefined;
  grace?: Duration | undefined;
}

export interface InputSpec {
  from: string;
  to: string;
  volume?: string | undefined;
}

export interface OutputSpec {
  from: string;
  to: string;
  when?: "end" | "always" | { every: Duration } | undefined;
}

export interface VolumeSpec {
  id?: string | undefined;
  create?: VolumeRequest | undefined;
  mount: string;
  readOnly?: boolean | undefined;
  onEnd?: "keep" | "delete" | undefined;
}

export interface ContainerSpec {
  image?: string | undefined;
  dockerfile?: string | undefined;
  buildArgs?: Record<string, string> | undefined;
  gpus?: "auto" | "none" | undefined;
}

/** What to train, where, and what to do when things go wrong. JSON; every field but `script` or `command` has a default. See docs/api and api.md §3. */
export interface RunSpec {
  script?: string | undefined;
  command?: string[] | undefined;
  args?: string[] | undefined;
  name?: string | undefined;
  project?: string | undefined;
  labels?: Record<string, string> | undefined;
  key?: string | undefined;
  root?: string | undefined;
  include?: string[] | undefined;
  exclude?: string[] | undefined;
  env?: Record<string, string> | undefined;
  secrets?: Record<string, SecretSource> | undefined;
  dependencies?: "auto" | "none" | { file: string } | { packages: string[] } | undefined;
  resources?:
    | {
        gpu?: string | string[] | undefined;
        cpus?: number | undefined;
        memory?: Size | undefined;
        disk?: Size | undefined;
        nodes?: number | undefined;
        processesPerNode?: number | "gpu" | undefined;
      }
    | undefined;
  provider?: string | string[] | undefined;
  instanceType?: string | string[] | undefined;
  region?: string | string[] | undefined;
  zone?: string | string[] | undefined;
  machine?: string | undefined;
  share?: boolean | undefined;
  market?: Market | undefined;
  fallbackAfter?: Duration | undefined;
  maxPricePerHour?: number | undefined;
  inputs?: InputSpec[] | undefined;
  outputs?: OutputSpec[] | undefined;
  checkpoints?: false | CheckpointSpec | undefined;
  container?: "auto" | "none" | ContainerSpec | undefined;
  volumes?: VolumeSpec[] | undefined;
  budget?: Budget | undefined;
  deadline?: Date | string | undefined;
  maxDuration?: Duration | undefined;
  retries?: { interruptions?: number | undefined; failures?: number | undefined; capacity?: Duration | undefined } | undefined;
  onEnd?: EndPolicy | undefined;
  metrics?: MetricPattern[] | undefined;
  earlyStopping?: EarlyStopping | undefined;
  allow?: string[] | undefined;
  providerOptions?: Record<string, JsonObject> | undefined;
}
