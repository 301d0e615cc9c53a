/** What an audit found. Numbers only: whether they break a promise is said by `brokenPromises`. */
export interface AuditReport {
  /** Machines of ours that were alive longer than their owner and the guard time, in seconds. */
  leakedSeconds: number;
  /** Machines of ours that are alive at the end and wanted by nobody. */
  ownerless: string[];
  /** (run, attempt) pairs that trained more than once, counted by surplus trainings. */
  trainedTwice: number;
  /** Time in which two attempts of one run trained at once, in seconds. */
  overlapSeconds: number;
  /** Machines beyond what their intents asked for. */
  duplicates: number;
  /** Machines that were bought and carry nothing of ours: nobody can find them (class C). */
  unfindable: number;
  /** How long the surplus machines lived, in seconds. */
  duplicateSeconds: number;
  /** Volumes beyond one an intent. */
  duplicateVolumes: number;
  /** Complete checkpoints that are gone or torn, and that retention did not remove. */
  checkpointsLost: string[];
  /** Steps that were trained again although a good checkpoint held them. */
  stepsThrownAway: number;
  /** Things of others that were changed, or that one of our clients asked to change. */
  foreignTouched: string[];
  money: MoneyAudit;
  /** Machines of ours that were ever made. */
  machines: number;
  /** Seconds that our machines lived in all. */
  machineSeconds: number;
}

/** The ledger against the invoice. Amounts in US dollars. */
export interface MoneyAudit {
  invoiceUsd: number;
  ledgerUsd: number;
  /** The largest difference of one machine whose interval is observed from beginning to end, as a share of its bill. */
  worstObservedShare: number;
  /** Machines whose difference is over the tolerance though the ledger calls them observed and complete. */
  wrong: string[];
  /** Machines that were billed and stand in no ledger at all. */
  unledgered: string[];
  /** Machines whose end the ledger did not see; it says so. */
  incomplete: string[];
}

/** A promise that was broken, for people. */
export interface BrokenPromise {
  promise:
    | "leak"
    | "trained-twice"
    | "duplicate"
    | "checkpoint-lost"
    | "foreign-touched"
    | "ledger"
    | "outcome"
    | "stuck"
    | "unledgered"
    | "reported";
  what: string;
}
