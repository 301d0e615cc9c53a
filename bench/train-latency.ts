// How much longer does a script take to speak when runctl starts it, and how soon after its end is the result there?
// Run, after a build: npx tsx bench/train-latency.ts [runs]
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileState, Runctl } from "@runctl/core";
import { local } from "@runctl/provider-local";
import { median, report } from "./report.ts";

const runs = Number(process.argv[2] ?? 15);
const dir = await mkdtemp(join(tmpdir(), "runctl-latency-"));
const project = join(dir, "project");
await mkdir(project);
const script = join(project, "train.py");
await writeFile(script, "import time\nprint('first', flush=True)\ntime.sleep(0.2)\nprint(time.time(), flush=True)\n");
const state = fileState(join(dir, "state"));
const runctl = new Runctl({ project: "bench", user: "bench", providers: [local({ home: join(dir, "home") })], state });

const bare: number[] = [];
const started: number[] = [];
const ended: number[] = [];
try {
  for (let n = -1; n < runs; n++) {
    const a = await spawned();
    const b = await trained();
    // The first pair warms the caches: the agent is unpacked once per version and machine.
    if (n < 0) continue;
    bare.push(a);
    started.push(b.first);
    ended.push(b.end);
  }
  const extra = started.map((value, index) => value - (bare[index] ?? 0));
  console.log(`spawn to first line      ${spread(bare)}`);
  console.log(`train() to first line    ${spread(started)}`);
  console.log(`end of script to result  ${spread(ended)}`);
  report([
    { what: "train() to first line, more than spawning", measured: median(extra), limit: 250, unit: "ms" },
    { what: "end of script to result()", measured: median(ended), limit: 300, unit: "ms" },
  ]);
} finally {
  await runctl.close();
  await state.close();
  await rm(dir, { recursive: true, force: true });
}

function spawned(): Promise<number> {
  const at = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn("python3", [script], { cwd: project, stdio: ["ignore", "pipe", "inherit"] });
    let first: number | undefined;
    child.stdout.on("data", () => {
      first ??= performance.now() - at;
    });
    child.once("error", reject);
    child.once("close", () => resolve(first ?? Number.NaN));
  });
}

async function trained(): Promise<{ first: number; end: number }> {
  const at = performance.now();
  const run = await runctl.train({ script, root: project });
  let first: number | undefined;
  let scriptEnd = 0;
  for await (const line of run.logs()) {
    if (line.source === "setup") continue;
    first ??= performance.now() - at;
    if (line.text !== "first") scriptEnd = Number(line.text) * 1000;
  }
  const result = await run.result();
  const end = performance.timeOrigin + performance.now() - scriptEnd;
  if (result.status !== "succeeded") throw new Error(JSON.stringify(result.error));
  return { first: first ?? Number.NaN, end };
}

function spread(values: number[]): string {
  return `median ${median(values).toFixed(0)} ms (${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)})`;
}
