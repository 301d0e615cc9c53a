// Simulated runs under budgets, with random prices, reclaims and deaths of controllers: pnpm budget [--runs 10000] [--from 0]
// Prints every run that costs more than half a per cent beyond its budget, or ends without the checkpoint that could have been saved.
import { parseArgs } from "node:util";
import { budgetCase } from "../packages/testing/src/fuzz/budget-case.ts";
import { MAX_OVERSHOOT, simulateBudget } from "../packages/testing/src/fuzz/simulate-budget.ts";

const { values } = parseArgs({ options: { runs: { type: "string", default: "10000" }, from: { type: "string", default: "0" } } });
const runs = Number(values.runs);
const from = Number(values.from);
const began = performance.now();
const statuses: Record<string, number> = {};
let worst = 0;
let saves = 0;
let deaths = 0;
let attempts = 0;
const broken: number[] = [];

for (let seed = from; seed < from + runs; seed++) {
  const made = budgetCase(seed);
  const outcome = await simulateBudget(made);
  statuses[outcome.status] = (statuses[outcome.status] ?? 0) + 1;
  worst = Math.max(worst, outcome.overshoot);
  attempts += outcome.attempts;
  deaths += made.deaths.length;
  if (outcome.stepsLost !== undefined) saves += 1;
  if (outcome.overshoot > MAX_OVERSHOOT || (outcome.stepsLost ?? 0) > 0) {
    broken.push(seed);
    console.log(`seed ${seed}: ${JSON.stringify({ outcome, made })}`);
  }
  const done = seed - from + 1;
  if (done % 500 === 0) console.error(`${done} runs, ${((performance.now() - began) / done).toFixed(0)} ms each, ${broken.length} broken`);
}
console.log(
  JSON.stringify({
    runs,
    from,
    statuses,
    attempts,
    deaths,
    checkedSaves: saves,
    worstOvershoot: worst,
    broken,
    seconds: Math.round((performance.now() - began) / 1000),
  }),
);
process.exitCode = broken.length === 0 ? 0 : 1;
