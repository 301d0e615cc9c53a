import { ValidationError } from "@runctl/core";
import type { ProviderClass } from "../cloud/cloud-options.ts";

/** How a process dies at one of its port calls. */
export type KillVariant = "never" | "applied" | "late";

/** One thing that happens to the processes of a case, in order. */
export type CaseStep =
  /** The process dies at its n-th port call (from 1). */
  | { do: "kill"; at: number; variant: KillVariant }
  /** The process sleeps in the middle of its n-th port call (the effect happens, the reply waits), for so many seconds, and wakes. */
  | { do: "sleep"; at: number; seconds: number }
  /** At the first process's n-th port call a second one begins, does the same, and goes on beside it. */
  | { do: "join"; at: number }
  /** When the process is dead, the whole state is lost: the successor rebuilds it. */
  | { do: "lose-state" }
  /** A second user, with a state of their own, works in the same account and project all the while. */
  | { do: "second-user" }
  /** Two faults of the world, drawn from this number. */
  | { do: "faults"; draw: number }
  /** What was appended without sync outlives its process (default: it is dropped). */
  | { do: "keep-unsynced" }
  /** Nobody takes over until the guard time has passed. */
  | { do: "abandon" };

/** One case of the explorer: enough to run it again, bit by bit. */
export interface ExplorerCase {
  scenario: string;
  providerClass: ProviderClass;
  seed: number;
  steps: readonly CaseStep[];
}

const PATTERN = /^([a-z][a-z0-9-]*)\.([ABC])\.s([0-9]+)((?:\.[a-z0-9-]+)*)$/;

/** The text form, as reports print it and `replayCase` takes it: `spot-twice.A.s1.kill-37-late.kill-12-never`. */
export function formatCaseId({ scenario, providerClass, seed, steps }: ExplorerCase): string {
  return [scenario, providerClass, `s${seed}`, ...steps.map(formatStep)].join(".");
}

/** Reads the text form back. @throws ValidationError when it is none. */
export function parseCaseId(text: string): ExplorerCase {
  const [, scenario, providerClass, seed, rest] = PATTERN.exec(text) ?? [];
  if (scenario === undefined || providerClass === undefined || seed === undefined) throw wrong(text, text);
  return {
    scenario,
    providerClass: providerClass as ProviderClass,
    seed: Number(seed),
    steps: (rest ?? "")
      .split(".")
      .filter((part) => part !== "")
      .map((part) => parseStep(part, text)),
  };
}

function formatStep(step: CaseStep): string {
  switch (step.do) {
    case "kill":
      return `kill-${step.at}-${step.variant}`;
    case "sleep":
      return `sleep-${step.at}-${step.seconds}`;
    case "join":
      return `join-${step.at}`;
    case "faults":
      return `faults-${step.draw}`;
    default:
      return step.do;
  }
}

function parseStep(part: string, whole: string): CaseStep {
  if (part === "lose-state" || part === "second-user" || part === "keep-unsynced" || part === "abandon") return { do: part };
  const kill = /^kill-([1-9][0-9]*)-(never|applied|late)$/.exec(part);
  if (kill !== null) return { do: "kill", at: Number(kill[1]), variant: kill[2] as KillVariant };
  const sleep = /^sleep-([1-9][0-9]*)-([1-9][0-9]*)$/.exec(part);
  if (sleep !== null) return { do: "sleep", at: Number(sleep[1]), seconds: Number(sleep[2]) };
  const join = /^join-([1-9][0-9]*)$/.exec(part);
  if (join !== null) return { do: "join", at: Number(join[1]) };
  const faults = /^faults-([0-9]+)$/.exec(part);
  if (faults !== null) return { do: "faults", draw: Number(faults[1]) };
  throw wrong(whole, part);
}

function wrong(text: string, part: string): ValidationError {
  return new ValidationError({
    what: `${JSON.stringify(text)} is not the id of an explorer's case: ${JSON.stringify(part)} cannot be read.`,
    why: "A case id is a scenario, a provider class, a seed and steps, as the explorer prints them.",
    fix: ['Copy an id from a report, such as "spot-twice.A.s1.kill-37-late".'],
  });
}
