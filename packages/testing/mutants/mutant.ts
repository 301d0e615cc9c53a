import type { CaseStep, KillVariant } from "../src/explore/case-id.ts";

/** One change of a source file. `find` must be there exactly once: a mutant that no longer fits the sources is an error, not a pass. */
export interface Edit {
  /** Below `packages/`. */
  file: string;
  find: string;
  replace: string;
}

/** Where to look for the broken promise: a scenario, its deaths and what else goes wrong. Bounded, and the same each time. */
export interface Hunt {
  /** One of the explorer's scenarios, or of scenarios.ts beside this file. */
  scenario: string;
  /** Default "A". */
  providerClass?: "A" | "B" | "C" | undefined;
  /** Die at the port calls whose `port.op` fits, in each of these variants. Absent: nobody dies. */
  die?: { at: RegExp; variants: readonly KillVariant[]; atMost: number } | undefined;
  /** Happens in each of its cases, after the death. `"at"`: at the chosen call instead of a death. */
  steps?: readonly CaseStep[] | undefined;
  /** In place of deaths: at the chosen calls a second controller begins, and the first one sleeps for so many seconds. */
  sleepBeside?: number | undefined;
  /** Pairs of faults, of which one has a label that fits. */
  faults?: { like: RegExp; atMost: number } | undefined;
  /** Machines that the story needs in each of its cases, guards or not. */
  mostMachines?: number | undefined;
  /** Seconds that these machines need in all. */
  mostMachineSeconds?: number | undefined;
  /** What the cloud may have billed us in the end. */
  mostUsd?: number | undefined;
}

/** A deliberate fault in the engine, and the promise that it must be seen to break. */
export interface Mutant {
  name: string;
  /** What was done to the engine, in a sentence for docs/how-we-know.md. */
  fault: string;
  edits: readonly Edit[];
  /** Kinds of `BrokenPromise` of which the first one found must be one. */
  breaks: readonly string[];
  hunts: readonly Hunt[];
}
