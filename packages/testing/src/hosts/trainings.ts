/** One process that trained: what an audit counts. Times are milliseconds of the world's wall clock. */
export interface Training {
  runId: string;
  attempt: number;
  /** The attempt's nonce: two trainings of one attempt with two nonces were planned twice. */
  nonce: string;
  /** The cloud's id of the machine. */
  machineId: string;
  from: number;
  /** Absent while it trains. */
  to?: number | undefined;
  /** Steps that were done before it, and when it ended. Until then as of its last event. */
  stepsFrom: number;
  stepsTo: number;
  /** Manifest key of the checkpoint it began with; null: from the beginning. */
  resumedFrom: string | null;
  /** The newest step that it saved whole, and that was published. */
  stepSaved?: number | undefined;
  stepPublished?: number | undefined;
}

/** A call that no host could obey, or that no controller should make. */
export interface Refusal {
  at: number;
  machineId: string;
  op: string;
  why: string;
}

/** What hosts of a world did, for its audit. One for all hosts of a world. */
export class HostRecords {
  readonly trainings: Training[] = [];
  readonly refusals: Refusal[] = [];
}
