// Memory of one process that starts, drives and follows 1,000 local runs, at most 8 at once. Run: npx tsx bench/memory.ts [runs]
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { report } from "./report.ts";

interface Outcome {
  count: number;
  seconds: number;
  rss: number;
  most: number;
  heapAfterGc: number;
}

const count = process.argv[2] ?? "1000";
const dir = mkdtempSync(join(tmpdir(), "runctl-bench-"));
try {
  // A plain Node process on the built packages: a TypeScript loader would count as ours.
  const child = fileURLToPath(new URL("children/many-runs.mjs", import.meta.url));
  const text = execFileSync(process.execPath, ["--expose-gc", child, dir, count], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  const out = JSON.parse(text) as Outcome;
  console.log(`${out.count} runs in ${out.seconds.toFixed(0)} s, ${(out.seconds / out.count).toFixed(2)} s each`);
  report([
    { what: `resident after ${out.count} runs`, measured: out.rss / 1e6, limit: 150, unit: "MB" },
    { what: "most resident on the way (looked at every 10 s)", measured: out.most / 1e6, unit: "MB" },
    { what: "heap after garbage collection", measured: out.heapAfterGc / 1e6, unit: "MB" },
  ]);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
