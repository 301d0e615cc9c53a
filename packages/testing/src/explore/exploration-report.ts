import type { ProviderClass } from "../cloud/cloud-options.ts";
import type { CaseResult } from "./case-result.ts";

/** The kinds of cases, in the order in which they are run. */
export const CASE_KINDS = [
  "level-1",
  "level-2",
  "abandoned",
  "asleep",
  "two-controllers",
  "lost-state",
  "unsynced-kept",
  "second-user",
  "fault-pairs",
] as const;

export type CaseKind = (typeof CASE_KINDS)[number];

/** Mean and greatest of a number over cases. */
export interface Spread {
  mean: number;
  most: number;
}

/** What an exploration of one scenario found. */
export interface ExplorationReport {
  scenario: string;
  title: string;
  providerClass: ProviderClass;
  seed: number;
  /** Port calls of the undisturbed program: each is a place to die, with up to three variants. */
  boundaries: number;
  /** Of those, the ones at which a case died, or which leave the same world as one at which a case died. */
  boundariesCovered: number;
  /** Cases run, and how many there would be, by kind. */
  cases: Record<CaseKind, { run: number; of: number }>;
  broken: Array<{ id: string; promise: string; what: string }>;
  leakedSeconds: number;
  trainedTwice: number;
  overlapSeconds: number;
  /** Machines beyond one an intent: over all cases, and in the worst one. */
  duplicates: { total: number; most: number; seconds: number };
  duplicateVolumes: { total: number; most: number };
  /** Machines that nobody can find: over all cases, and in the worst one. 0 but for class C. */
  unfindable: { total: number; most: number };
  checkpointsLost: number;
  stepsThrownAway: number;
  foreignTouched: number;
  /** Largest difference of ledger and invoice on an observed interval, as a share. */
  worstObservedShare: number;
  /** Machines whose interval is marked as not observed; machines in no ledger. */
  incomplete: number;
  unledgered: number;
  /** Machine time beyond the undisturbed program's, in seconds. */
  extraMachineSeconds: Spread;
  /** From a successor's start to the end of its first reconcile, in milliseconds of the world's time. */
  convergeMs: Spread;
}

/** Adds results up. */
export class ReportBuilder {
  readonly #report: ExplorationReport;
  readonly #extra: number[] = [];
  readonly #converge: number[] = [];
  readonly #baseSeconds: number;

  constructor(head: Pick<ExplorationReport, "scenario" | "title" | "providerClass" | "seed" | "boundaries">, baseMachineSeconds: number) {
    this.#baseSeconds = baseMachineSeconds;
    this.#report = {
      ...head,
      boundariesCovered: 0,
      cases: Object.fromEntries(CASE_KINDS.map((kind) => [kind, { run: 0, of: 0 }])) as ExplorationReport["cases"],
      broken: [],
      leakedSeconds: 0,
      trainedTwice: 0,
      overlapSeconds: 0,
      duplicates: { total: 0, most: 0, seconds: 0 },
      duplicateVolumes: { total: 0, most: 0 },
      unfindable: { total: 0, most: 0 },
      checkpointsLost: 0,
      stepsThrownAway: 0,
      foreignTouched: 0,
      worstObservedShare: 0,
      incomplete: 0,
      unledgered: 0,
      extraMachineSeconds: { mean: 0, most: 0 },
      convergeMs: { mean: 0, most: 0 },
    };
  }

  /** How many cases of a kind there are, whether they are run or not. */
  plan(kind: CaseKind, of: number): void {
    this.#report.cases[kind].of += of;
  }

  cover(boundaries: number): void {
    this.#report.boundariesCovered += boundaries;
  }

  add(kind: CaseKind | undefined, result: CaseResult): void {
    const report = this.#report;
    if (kind !== undefined) report.cases[kind].run += 1;
    for (const { promise, what } of result.broken) report.broken.push({ id: result.id, promise, what });
    if (result.convergeMs !== undefined) this.#converge.push(result.convergeMs);
    const { audit } = result;
    if (audit === undefined) return;
    report.leakedSeconds += audit.leakedSeconds;
    report.trainedTwice += audit.trainedTwice;
    report.overlapSeconds += audit.overlapSeconds;
    report.duplicates.total += audit.duplicates;
    report.duplicates.most = Math.max(report.duplicates.most, audit.duplicates);
    report.duplicates.seconds = Math.max(report.duplicates.seconds, audit.duplicateSeconds);
    report.duplicateVolumes.total += audit.duplicateVolumes;
    report.duplicateVolumes.most = Math.max(report.duplicateVolumes.most, audit.duplicateVolumes);
    report.unfindable.total += audit.unfindable;
    report.unfindable.most = Math.max(report.unfindable.most, audit.unfindable);
    report.checkpointsLost += audit.checkpointsLost.length;
    report.stepsThrownAway += audit.stepsThrownAway;
    report.foreignTouched += audit.foreignTouched.length;
    report.worstObservedShare = Math.max(report.worstObservedShare, audit.money.worstObservedShare);
    report.incomplete += audit.money.incomplete.length;
    report.unledgered += audit.money.unledgered.length;
    this.#extra.push(Math.max(0, audit.machineSeconds - this.#baseSeconds));
  }

  finish(): ExplorationReport {
    return { ...this.#report, extraMachineSeconds: spread(this.#extra), convergeMs: spread(this.#converge) };
  }
}

function spread(values: readonly number[]): Spread {
  if (values.length === 0) return { mean: 0, most: 0 };
  return { mean: values.reduce((sum, value) => sum + value, 0) / values.length, most: values.reduce((a, b) => Math.max(a, b), 0) };
}

/** The report for people: one scenario in a few lines. */
export function formatReport(report: ExplorationReport): string {
  const cases = CASE_KINDS.filter((kind) => report.cases[kind].of > 0).map((kind) => {
    const { run, of } = report.cases[kind];
    return run === of ? `${kind} ${run}` : `${kind} ${run} of ${of}`;
  });
  const all = Object.values(report.cases).reduce((sum, { run }) => sum + run, 0);
  const lines = [
    `${report.scenario} (${report.title}), class ${report.providerClass}, seed ${report.seed}`,
    `  boundaries ${report.boundariesCovered} of ${report.boundaries}; ${all} cases: ${cases.join(", ")}`,
    `  leaked beyond the guard ${whole(report.leakedSeconds)} s; trained twice ${report.trainedTwice}; at once ${whole(report.overlapSeconds)} s; good checkpoints lost ${report.checkpointsLost}; steps thrown away ${report.stepsThrownAway}; foreign touched ${report.foreignTouched}`,
    `  duplicates ${report.duplicates.total}, at most ${report.duplicates.most} in a case, for at most ${whole(report.duplicates.seconds)} s; volumes ${report.duplicateVolumes.total}; without a trace of ours ${report.unfindable.total}, at most ${report.unfindable.most} in a case`,
    `  ledger against invoice: ${(report.worstObservedShare * 100).toFixed(3)} % at worst where observed; ${report.incomplete} marked incomplete; ${report.unledgered} in no ledger`,
    `  extra machine time ${whole(report.extraMachineSeconds.mean)} s in the mean, ${whole(report.extraMachineSeconds.most)} s at most; converged in ${whole(report.convergeMs.mean / 1000)} s in the mean, ${whole(report.convergeMs.most / 1000)} s at most`,
  ];
  for (const { id, promise, what } of report.broken) lines.push(`  BROKEN ${promise}: ${what}`, `    replay: ${id}`);
  return lines.join("\n");
}

function whole(value: number): string {
  return String(Math.round(value));
}
