import type { VolumeRequest } from "../provider/provider.ts";
import type { JsonObject } from "../util/json.ts";
import type { ContainerSpec, EarlyStopping, InputSpec, Market, MetricPattern } from "./run-spec.ts";

/**
 * A RunSpec after the edge: every default filled in, durations in milliseconds, sizes in bytes, paths absolute where they are
 * on this machine and POSIX-relative to the working directory where they are on the host. Plain JSON, stored in the run's first
 * event. Holds no secret value: literal secrets are `{ literal: true }` here.
 */
export interface ResolvedSpec {
  v: 1;
  /** Relative to root, POSIX separators; absent when `command` is given. */
  script?: string | undefined;
  command?: string[] | undefined;
  args: string[];
  name?: string | undefined;
  project: string;
  user: string;
  labels: Record<string, string>;
  key?: string | undefined;
  /** Absolute project root on the controller. */
  root: string;
  include: string[];
  exclude: string[];
  env: Record<string, string>;
  secrets: Record<string, { literal: true } | { env: string } | { file: string } | { ref: string }>;
  dependencies: { kind: "auto" } | { kind: "none" } | { kind: "file"; file: string } | { kind: "packages"; packages: string[] };
  resources: {
    gpus: Array<{ name: string; count: number }>;
    cpus?: number | undefined;
    memoryBytes?: number | undefined;
    diskBytes?: number | undefined;
    nodes: number;
    processesPerNode: number | "gpu";
  };
  providers: string[];
  instanceTypes: string[];
  regions: string[];
  zones: string[];
  machine?: string | undefined;
  share: boolean;
  market: Market;
  fallbackAfterMs: number;
  maxPricePerHour?: number | undefined;
  inputs: InputSpec[];
  outputs: Array<{ from: string; to: string; when: "end" | "always" | { everyMs: number } }>;
  checkpoints:
    | false
    | {
        dir: string;
        to?: string | undefined;
        resume: string;
        resumeArgs: string[];
        keep: { last: number; everyMs?: number | undefined; best?: { metric: string; mode: "min" | "max" } | undefined };
        stopSignal: "SIGTERM" | "SIGUSR1" | "SIGINT";
        graceMs: number;
      };
  /** "auto" is decided: "none", or the Dockerfile that was found. */
  container: "none" | ContainerSpec;
  volumes: Array<{
    id?: string | undefined;
    create?: VolumeRequest | undefined;
    mount: string;
    readOnly: boolean;
    onEnd: "keep" | "delete";
  }>;
  budget?: { maxCost: number; warnAt: number[]; onExceeded: "stop" | "warn" } | undefined;
  deadline?: string | undefined;
  maxDurationMs?: number | undefined;
  retries: {
    /** null: without limit (JSON has no Infinity). Default null. */
    interruptions: number | null;
    failures: number;
    capacityMs: number;
  };
  /** Absent: "terminate" for machines the run created, "keep" for others. */
  onEnd?: "terminate" | "stop" | "keep" | { afterMs: number; then: "terminate" | "stop" } | undefined;
  metrics: MetricPattern[];
  earlyStopping?: EarlyStopping | undefined;
  allow: string[];
  providerOptions: Record<string, JsonObject>;
}
