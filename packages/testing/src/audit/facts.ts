import type { ResourceRecord, RunState } from "@runctl/core/seams";

// What an audit stands on: the far side's own records, never the engine's word alone. Plain data, times in milliseconds of the world's
// clock, so that an audit is a pure function and its tests are tables.

/** A machine as the emulated cloud knows it. */
export interface MachineFacts {
  /** Text form of its ref. */
  id: string;
  /** The intent that the create call carried, whatever became of its tags. */
  intentId?: string | undefined;
  /** Whose it is: the state id of the create call; absent for what somebody made by hand. */
  stateId?: string | undefined;
  runId?: string | undefined;
  createdAt: number;
  /** It shows whose it is, by tags or by a name that carries them. False only where a provider cannot set them in the create call. */
  isFindable: boolean;
  /** When billing ended for good; absent while it lives. */
  endedAt?: number | undefined;
  /** Who ended it, in the cloud's words: "client", "reclaim", "power-off", … */
  endedBy?: string | undefined;
  /** Sum of the invoice's lines for it, in US dollars. */
  billedUsd: number;
  /** Everything that can be changed from outside (tags, state, attachments) as text: what "touched" means for what is not ours. */
  fingerprint: string;
}

/** One stretch of training on one machine. */
export interface TrainingFacts {
  runId: string;
  attempt: number;
  machineId: string;
  from: number;
  /** Absent while it trains. */
  to?: number | undefined;
  /** The step it began with: 0 without a checkpoint. */
  fromStep: number;
}

/** A checkpoint that was complete in the store at some time. */
export interface CheckpointFacts {
  runId: string;
  manifestKey: string;
  attempt: number;
  seq: number;
  step: number;
  publishedAt: number;
  /** Its manifest and every file are there at the time of the audit. */
  isWhole: boolean;
}

/** One run as its log tells it. */
export interface RunFacts {
  state: RunState;
  /** Manifest keys that retention removed, by the log. */
  pruned: readonly string[];
}

/** A volume, for ownership only. */
export interface VolumeFacts {
  id: string;
  stateId?: string | undefined;
  /** The idempotency token of its create call. */
  intentId?: string | undefined;
  createdAt: number;
  deletedAt?: number | undefined;
  billedUsd: number;
  fingerprint: string;
}

/** Something that was called for at the far side by a client of the audited state. */
export interface TouchFacts {
  op: string;
  /** Text form of the ref. */
  target: string;
  at: number;
}

/** All that an audit reads. */
export interface AuditFacts {
  /** The time of the audit. */
  now: number;
  /** Whose promises are audited. */
  stateId: string;
  runs: readonly RunFacts[];
  machines: readonly MachineFacts[];
  volumes: readonly VolumeFacts[];
  trainings: readonly TrainingFacts[];
  checkpoints: readonly CheckpointFacts[];
  /** The ledger, as `costs` and `resources` read it. */
  ledger: readonly ResourceRecord[];
  /** The ledger begins here: an earlier one was lost with its state. */
  ledgerSince?: number | undefined;
  /** Changing calls of this state's clients. */
  touches: readonly TouchFacts[];
  /** Fingerprints of what is not ours, by id, from before this state did anything; absent ones are not compared. */
  foreignBefore: ReadonlyMap<string, string>;
}
