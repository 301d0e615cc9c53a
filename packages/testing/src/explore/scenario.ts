import type { EndStatus, Runctl, RunSpec } from "@runctl/core";
import type { EmulatedCloudOptions } from "../cloud/cloud-options.ts";
import type { Job } from "../hosts/job-model.ts";

/** What a scenario's program has to work with: one process's own Runctl, project and clock. */
export interface Stage {
  readonly runctl: Runctl;
  /** A spec for the world's project folder. Give it a `key`: the program is started again after a death and must mean the same run. */
  spec(change: Partial<RunSpec>): RunSpec;
  /** Waits on this process's clock. */
  sleep(ms: number): Promise<void>;
}

/** A story whose every instruction is a place to die. */
export interface Scenario {
  /** Short, for case ids: letters, digits and dashes. */
  readonly name: string;
  readonly title: string;
  readonly cloud: EmulatedCloudOptions;
  readonly job: Job;
  /** What was there before: done by a process that does not die. */
  prepare?(stage: Stage): Promise<void>;
  /**
   * The user's program. Whoever comes after a death starts it again, so it must be a program that may be started twice: the same keys,
   * the same questions.
   */
  program(stage: Stage): Promise<void>;
  /** How each of its runs may end, by key. A run that was never recorded is made by the successor. */
  readonly ends: Readonly<Record<string, readonly EndStatus[]>>;
  /** What must be true of the world at the end, beyond the audit; one line for each thing that is not. */
  check?(end: ScenarioEnd): string[];
  /** Checkpoint saves, machines kept and the like need no more time than this after the last process is done. Default 10 min. */
  settleMs?: number | undefined;
}

/** The world after a case, for a scenario's own check. */
export interface ScenarioEnd {
  /** Names of machines that live, ours and others'. */
  readonly alive: readonly string[];
  readonly volumes: readonly string[];
}
