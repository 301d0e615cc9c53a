// Runs the hunts of the mutants in argv against the engine that it is bundled with. Prints one JSON line a mutant.
import { SCENARIOS } from "../src/explore/all-scenarios.ts";
import type { CaseStep, ExplorerCase } from "../src/explore/case-id.ts";
import type { CaseResult } from "../src/explore/case-result.ts";
import type { TracePoint } from "../src/explore/enumerate.ts";
import { caseRunner } from "../src/explore/run-case.ts";
import { drawFaults } from "../src/explore/world-faults.ts";
import type { Hunt } from "./mutant.ts";
import { MUTANTS } from "./mutants.ts";
import { MORE_SCENARIOS } from "./scenarios.ts";

/** What the runner reads: what the first case with a broken promise broke, or nothing. */
export interface Verdict {
  cases: number;
  /** Most of it in any of the cases. */
  machines: number;
  seconds: number;
  found?: { id: string; broken: Array<{ promise: string; what: string }> };
}

const runCase = caseRunner([...SCENARIOS, ...MORE_SCENARIOS]);

/** Until the first promise is broken. */
async function hunt(hunts: readonly Hunt[]): Promise<Verdict> {
  let cases = 0;
  let machines = 0;
  let seconds = 0;
  const count = ({ audit }: CaseResult): void => {
    cases += 1;
    machines = Math.max(machines, audit?.machines ?? 0);
    seconds = Math.max(seconds, Math.round(audit?.machineSeconds ?? 0));
  };
  for (const one of hunts) {
    const head = { scenario: one.scenario, providerClass: one.providerClass ?? "A", seed: 1 } as const;
    const base = await runCase({ ...head, steps: [] }, { trace: true });
    count(base);
    const early = broken(one, base);
    if (early.length > 0) return { cases, machines, seconds, found: { id: base.id, broken: early } };
    for (const steps of casesOf(one, base.traces[0] ?? [])) {
      const what: ExplorerCase = { ...head, steps };
      const result = await runCase(what);
      count(result);
      const found = broken(one, result);
      if (found.length > 0) return { cases, machines, seconds, found: { id: result.id, broken: found } };
    }
  }
  return { cases, machines, seconds };
}

function broken(hunt_: Hunt, result: CaseResult): Array<{ promise: string; what: string }> {
  const found: Array<{ promise: string; what: string }> = [...result.broken];
  const { audit } = result;
  if (audit !== undefined && hunt_.mostMachines !== undefined && audit.machines > hunt_.mostMachines)
    found.push({ promise: "duplicate", what: `${audit.machines} machines were bought, where ${hunt_.mostMachines} was enough.` });
  if (audit !== undefined && hunt_.mostMachineSeconds !== undefined && audit.machineSeconds > hunt_.mostMachineSeconds)
    found.push({
      promise: "leak",
      what: `Machines lived ${Math.round(audit.machineSeconds)} s, where ${hunt_.mostMachineSeconds} s were enough.`,
    });
  if (audit !== undefined && hunt_.mostUsd !== undefined && audit.money.invoiceUsd > hunt_.mostUsd)
    found.push({ promise: "budget", what: `The cloud billed $${audit.money.invoiceUsd.toFixed(3)}; $${hunt_.mostUsd} were allowed.` });
  return found;
}

function casesOf({ die, steps = [], faults, sleepBeside }: Hunt, trace: readonly TracePoint[]): CaseStep[][] {
  const cases: CaseStep[][] = [];
  if (die !== undefined) {
    const points = spread(
      trace.filter(({ port, op }) => die.at.test(`${port}.${op}`)),
      die.atMost,
    );
    for (const { at, hasEffect } of points) {
      if (sleepBeside !== undefined) {
        const asleep: CaseStep[] = sleepBeside === 0 ? [] : [{ do: "sleep", at, seconds: sleepBeside }];
        cases.push([{ do: "join", at: Math.max(1, at - 1) }, ...asleep, ...steps]);
        continue;
      }
      for (const variant of hasEffect ? die.variants : (["never"] as const)) cases.push([{ do: "kill", at, variant }, ...steps]);
    }
  }
  if (faults !== undefined) {
    let left = faults.atMost;
    for (let draw = 1; draw <= 2_000 && left > 0; draw += 1) {
      if (!drawFaults(draw).some(({ label }) => faults.like.test(label))) continue;
      left -= 1;
      cases.push([{ do: "faults", draw }, ...steps]);
    }
  }
  return cases;
}

/** At most `count`, evenly over the whole. */
function spread<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, index) => items[Math.floor((index * items.length) / count)] as T);
}

const names = process.argv.slice(2);
for (const name of names) {
  const mutant = MUTANTS.find((candidate) => candidate.name === name);
  if (mutant === undefined) throw new TypeError(`There is no mutant ${name}.`);
  process.stdout.write(`${JSON.stringify({ name, ...(await hunt(mutant.hunts)) })}\n`);
}
