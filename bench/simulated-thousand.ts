// 1,000 concurrent simulated runs for a simulated day, in a process of its own. Run: npx tsx bench/simulated-thousand.ts [runs]
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { report } from "./report.ts";

interface Outcome {
  ms: number;
  recordedMs: number;
  count: number;
  attempts: number;
  most: number;
  heap: number;
  timers: number;
  finds: number;
}

// A plain Node process on the built packages: a TypeScript loader would count as ours. V8 grows to what it is given and collects late;
// with these limits it shows what a thousand runs need, and fails where they need more.
const LIMITS = ["--max-old-space-size=200", "--max-semi-space-size=8"];
const child = fileURLToPath(new URL("children/simulated-thousand.mjs", import.meta.url));
const out = JSON.parse(
  execFileSync(process.execPath, [...LIMITS, child, process.argv[2] ?? "1000"], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }),
) as Outcome;
console.log(`${out.attempts} attempts, ${out.timers} timers; recorded after ${(out.recordedMs / 1000).toFixed(1)} s`);
report([
  { what: `${out.count} simulated runs for a simulated day`, measured: out.ms / 1000, limit: 60, unit: "s" },
  { what: "most resident on the way (looked at every simulated hour)", measured: out.most / 1e6, limit: 300, unit: "MB" },
  { what: "list calls of the whole day, for all runs together", measured: out.finds, limit: 8640 + 2 * out.attempts, unit: "" },
]);
