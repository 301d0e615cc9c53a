import fc from "fast-check";
import { fuzzProgram } from "./arbitraries.ts";
import { type FuzzProgram, printProgram } from "./program.ts";
import { type FuzzOutcome, runProgram } from "./run-program.ts";

/** How much is tried. */
export interface FuzzOptions {
  /** One seed, one series of programs. Default 1. */
  seed?: number | undefined;
  /** Programs to try. Default 100. */
  runs?: number | undefined;
  /** Real time after which no further program is begun. Default: none. */
  maxSeconds?: number | undefined;
  /** Where in the series to begin: printed with a failure. */
  path?: string | undefined;
  /** Told after each program. */
  onProgram?: ((program: FuzzProgram, outcome: FuzzOutcome) => void) | undefined;
}

/** What a series came to. */
export interface FuzzReport {
  runs: number;
  /** Absent: every promise was kept. */
  failure?: { program: FuzzProgram; outcome: FuzzOutcome; seed: number; path: string; message: string } | undefined;
}

/** Tries random programs until one breaks a promise, and shrinks that one to a short program that still does. */
export async function fuzz(options: FuzzOptions = {}): Promise<FuzzReport> {
  const seed = options.seed ?? 1;
  const property = fc.asyncProperty(fuzzProgram(), async (program) => {
    const outcome = await runProgram(program);
    options.onProgram?.(program, outcome);
    return outcome.broken.length === 0;
  });
  const details = await fc.check(property, {
    seed,
    numRuns: options.runs ?? 100,
    ...(options.path === undefined ? {} : { path: options.path }),
    ...(options.maxSeconds === undefined ? {} : { interruptAfterTimeLimit: options.maxSeconds * 1000, markInterruptAsFailure: false }),
  });
  if (!details.failed || details.counterexample === null) return { runs: details.numRuns };
  const [program] = details.counterexample;
  const outcome = await runProgram(program);
  const path = details.counterexamplePath ?? "";
  return { runs: details.numRuns, failure: { program, outcome, seed, path, message: describe(program, outcome, seed, path) } };
}

/** Runs a printed program again. @throws SyntaxError for what is no JSON. */
export function replayFuzz(text: string): Promise<FuzzOutcome> {
  return runProgram(JSON.parse(text) as FuzzProgram);
}

function describe(program: FuzzProgram, outcome: FuzzOutcome, seed: number, path: string): string {
  return [
    `A program breaks a promise (seed ${seed}, path ${path}):`,
    ...outcome.broken.map(({ promise, what }) => `  ${promise}: ${what}`),
    `Again: replayFuzz('${printProgram(program)}')`,
    `All from there: pnpm fuzz --seed ${seed} --path ${path}`,
  ].join("\n");
}
