import type { HostAccess } from "../provider/object-store.ts";

/**
 * `attempt.json`: everything the host agent needs for one attempt, but no secret value. Written by the controller before the
 * guardian starts. Secrets (values of `secretNames` and of the store accesses) travel on the bootstrap's standard input as
 * `{"env": {NAME: value}, "stores": {"0": {NAME: value}}}` and live in the supervisor's memory only.
 * Times are seconds of host uptime (durations), never wall-clock instants, except `deadlineAt`.
 */
export interface AttemptFile {
  v: 1;
  runId: string;
  attempt: number;
  /** Random, in the environment of every process of the attempt as RUNCTL_NONCE: what may be killed. */
  nonce: string;
  machineId: string;
  stateId: string;
  /** Store accesses, referred to by index: 0 is the run's own store. */
  stores: Array<{ prefix: string; access: Omit<HostAccess, "secrets"> }>;
  /** The run's folder in store 0, e.g. "runs/r123/" (relative to stores[0].prefix, ends with "/"). */
  runPrefix: string;
  /** Code snapshot: key (relative to stores[0].prefix) of the tree manifest, and its digest. null: nothing to stage. */
  code: { manifest: string; sha256: string } | null;
  /** The training's argv. argv[0] "python3" is replaced by the environment's interpreter when dependencies made one. */
  argv: string[];
  env: Record<string, string>;
  secretNames: string[];
  dependencies: { kind: "auto" } | { kind: "none" } | { kind: "file"; file: string } | { kind: "packages"; packages: string[] };
  /** The script relative to the working directory, for PEP 723 and messages; null for `command`. */
  script: string | null;
  inputs: Array<{ store: number; key: string; to: string }>;
  outputs: Array<{ from: string; store: number; key: string; when: "end" | "always" | { everySeconds: number } }>;
  checkpoints: null | {
    dir: string;
    /** Store and key prefix that published checkpoints go to; default store 0, runPrefix + "ckpt/". */
    store: number;
    prefix: string;
    /** Candidates newest first, resolved by the controller: keys of manifests. The host verifies hashes and falls back in order. "auto": also look in the store by itself. */
    resume: { mode: "auto" | "never" | "fixed"; manifests: string[] };
    resumeArgs: string[];
    stopSignal: "SIGTERM" | "SIGUSR1" | "SIGINT";
    graceSeconds: number;
    suggestedSaveSeconds: number | null;
    /** Regular expressions (Python and JavaScript common subset) for metrics put into manifests. */
    metricPatterns: string[];
    /** The metric's name for each pattern (as `MetricPattern.name`); null: the pattern's group `name`, or named groups, say it. */
    metricNames?: Array<string | null> | undefined;
  };
  /** JSONL files of the working directory from which metrics are read, relative to it. */
  metricFiles?: string[] | undefined;
  /** SIGTERM/30 when checkpoints is null. */
  stop: { signal: "SIGTERM" | "SIGUSR1" | "SIGINT"; graceSeconds: number };
  allowance: { seq: number; seconds: number | null; hardSeconds: number };
  /** ISO; informational for the job (RUNCTL_DEADLINE); the limits that act are in `allowance`. */
  deadlineAt: string | null;
  maxDurationSeconds: number | null;
  guard: { feedSeconds: number; firstFeedSeconds: number };
  hooks: { notice: string | null; noticeBuiltin: "ec2-imds" | null; stop: string | null; terminate: string | null };
  /** What to do when the attempt is over: run a hook, or nothing (machines we did not create, or the controller does it). */
  endPolicy: { action: "none" | "terminate" | "stop"; afterSeconds: number };
  /** Refuse when another attempt is training on this host, unless shared. */
  exclusive: boolean;
  distributed: null | { nodes: number; nodeRank: number; processesPerNode: number | "gpu"; rendezvous: string };
  container: null | {
    engine: "docker";
    image: string | null;
    /** Relative to the working directory: build there when image is null. */
    dockerfile: string | null;
    buildArgs: Record<string, string>;
    gpus: "auto" | "none";
    mounts: Array<{ host: string; container: string; readOnly: boolean }>;
  };
  traceparent: string | null;
}
