// One simulated month of one run, in a process of its own. Run: npx tsx bench/simulated-month.ts [days]
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { report } from "./report.ts";

interface Outcome {
  ms: number;
  simulatedDays: number;
  attempts: number;
  timers: number;
  calls: number;
  rss: number;
}

// A plain Node process on the built packages: a TypeScript loader would count as ours.
const child = fileURLToPath(new URL("children/simulated-month.mjs", import.meta.url));
const out = JSON.parse(
  execFileSync(process.execPath, [child, process.argv[2] ?? "30"], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }),
) as Outcome;
console.log(`${out.simulatedDays.toFixed(1)} days, ${out.attempts} attempts, ${out.timers} timers, ${out.calls} calls to the world`);
report([
  { what: "one simulated month of one run", measured: out.ms / 1000, limit: 5, unit: "s" },
  { what: "resident after it", measured: out.rss / 1e6, unit: "MB" },
]);
