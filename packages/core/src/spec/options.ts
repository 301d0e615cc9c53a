import type { CostThresholds } from "../cost/thresholds.ts";
import type { ObjectStore } from "../provider/object-store.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import type { StateStore } from "../state/state-store.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/logger.ts";
import type { Random } from "../util/random.ts";
import type { RunSpec } from "./run-spec.ts";

/**
 * Limits of everything the project spends, in USD. A purchase that could pass one is refused or waits; a running machine's
 * allowance is cut so that the sum of all allowances never exceeds one. Absent: no limit.
 */
export interface ProjectBudget {
  /** Spent within a calendar day (UTC), allowances of running machines included. */
  perDay?: number | undefined;
  /** Spent since the project's state began, allowances included. */
  total?: number | undefined;
  /** Burn rate: the sum of the prices per hour of everything that runs at one time. */
  perHour?: number | undefined;
}

/** How many machines this process may have at one time. Several processes on one state each have their own count. */
export interface MachineLimits {
  /** Above it, runs queue. Default 50. */
  maxRunning?: number | undefined;
  /** At it, an alarm is raised. Default 10. */
  warnRunning?: number | undefined;
}

/** RunSpec fields that every run gets unless its spec says otherwise. What and who a run is cannot be a default. */
export type RunDefaults = Omit<RunSpec, "script" | "command" | "args" | "key" | "name" | "machine" | "root">;

/** What a Runctl object is made of. Only `providers` is required. */
export interface RunctlOptions {
  /** At least one; each has a name of its own. */
  providers: TrainingProvider[];
  /** What costs, budgets and cleanup are grouped by. Default: the project root's folder name, made safe. */
  project?: string | undefined;
  /** Default: the user of the operating system, made safe. */
  user?: string | undefined;
  /** Default: fileState(".runctl") under the project root. */
  state?: StateStore | undefined;
  /** Where runs keep code, logs, checkpoints and outputs: a location. Default: the provider's own, else `file:` beside the state. */
  store?: string | undefined;
  /** More object stores. `file:` is built in; providers bring theirs. */
  stores?: ObjectStore[] | undefined;
  /** Turns `{ ref }` of a spec's secrets into values. Its errors and values are never logged. */
  resolveSecret?: ((ref: string) => Promise<string>) | undefined;
  /** Default: silent. */
  logger?: Logger | undefined;
  /** Default: no limit. */
  budget?: ProjectBudget | undefined;
  /** Warnings only. Default: $5/h and $10 a machine, $50/h, $100/day, $500 in total. */
  thresholds?: CostThresholds | undefined;
  limits?: MachineLimits | undefined;
  /** Fields that every run has unless its spec says otherwise. */
  defaults?: RunDefaults | undefined;
  /** Time, for tests and replay. */
  clock?: Clock | undefined;
  /** Randomness, for tests and replay. */
  random?: Random | undefined;
}

/** Options with every default. Whatever needs the disk is a function, so that a constructor touches nothing. */
export interface ResolvedOptions {
  providers: TrainingProvider[];
  /** Absolute folder that relative paths start from: the current folder when the options were resolved. */
  cwd: string;
  /** The project root, looked up at the first call. */
  root(): string;
  project(): string;
  user(): string;
  state: StateStore | undefined;
  store: string | undefined;
  stores: ObjectStore[];
  resolveSecret: ((ref: string) => Promise<string>) | undefined;
  logger: Logger;
  budget: ProjectBudget;
  thresholds: Required<CostThresholds>;
  limits: { maxRunning: number; warnRunning: number };
  defaults: RunDefaults;
  clock: Clock;
  random: Random;
}
