// Kills runctl wherever it can die, in a simulated world, and audits what is left: `pnpm explore [scenario …] [--full] [--class A|B|C]
// [--seed n] [--json] [--case id]`. Without --full a sample that takes a minute or two; with it every case, for hours.
import { parseArgs } from "node:util";
import { SCENARIOS, scenarioNamed } from "../packages/testing/src/explore/all-scenarios.ts";
import { type ExplorationReport, formatReport } from "../packages/testing/src/explore/exploration-report.ts";
import { explore } from "../packages/testing/src/explore/explore.ts";
import { caseRunner, replayCase } from "../packages/testing/src/explore/run-case.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    full: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    class: { type: "string", default: "A" },
    seed: { type: "string", default: "1" },
    case: { type: "string" },
  },
});

async function main(): Promise<number> {
  if (values.case !== undefined) {
    const result = await replayCase(values.case);
    process.stdout.write(`${JSON.stringify({ ...result, traces: undefined }, undefined, 2)}\n`);
    return result.broken.length;
  }
  const providerClass = values.class;
  if (providerClass !== "A" && providerClass !== "B" && providerClass !== "C")
    throw new Error(`--class ${providerClass} is none of A, B, C.`);
  const seed = Number(values.seed);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error(`--seed ${values.seed} is no whole number.`);
  const scenarios = positionals.length === 0 ? SCENARIOS : positionals.map(scenarioNamed);
  const reports: ExplorationReport[] = [];
  for (const scenario of scenarios) {
    let cases = 0;
    const onCase = (kind: string): void => {
      cases += 1;
      if (!values.json && process.stderr.isTTY) process.stderr.write(`\r${scenario.name}: ${cases} cases, now ${kind}   `);
    };
    const report = await explore(scenario, caseRunner(), { providerClass, seed, full: values.full, onCase });
    reports.push(report);
    if (!values.json) {
      const cpu = process.cpuUsage();
      if (process.stderr.isTTY) process.stderr.write("\r");
      process.stdout.write(`${formatReport(report)}\n  ${Math.round((cpu.user + cpu.system) / 1e6)} s of processor time so far\n`);
    }
  }
  if (values.json) process.stdout.write(`${JSON.stringify(reports, undefined, 2)}\n`);
  return reports.reduce((sum, report) => sum + report.broken.length, 0);
}

const broken = await main();
process.exitCode = broken === 0 ? 0 : 1;
