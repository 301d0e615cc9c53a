// One process that starts, drives and follows many local runs, and says how much memory it takes. Started by ../memory.ts.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileState, Runctl } from "@runctl/core";
import { local } from "@runctl/provider-local";

const [dir = "", wanted = "1000"] = process.argv.slice(2);
const project = join(dir, "project");
await mkdir(project);
const script = join(project, "train.py");
await writeFile(script, "for step in range(3):\n    print(f'step {step} loss {1 / (step + 1)}', flush=True)\n");
const state = fileState(join(dir, "state"));
const runctl = new Runctl({
  project: "bench",
  user: "bench",
  providers: [local({ home: join(dir, "home") })],
  state,
  limits: { maxRunning: 8 },
});

const count = Number(wanted);
const began = performance.now();
let finished = 0;
let lines = 0;
let most = 0;
const report = () => {
  const { rss, heapUsed } = process.memoryUsage();
  most = Math.max(most, rss);
  const at = ((performance.now() - began) / 1000).toFixed(0);
  console.error(`${at.padStart(5)} s  ${String(finished).padStart(5)} runs ended  resident ${mb(rss)} MB  heap ${mb(heapUsed)} MB`);
};
const mb = (bytes) => Math.round(bytes / 1e6);
const ticker = setInterval(report, 10_000);

async function follow(run) {
  for await (const line of run.logs()) if (line.source !== "setup") lines += 1;
  const result = await run.result();
  if (result.status !== "succeeded") throw new Error(JSON.stringify(result.error));
  finished += 1;
}

const following = [];
for (let n = 0; n < count; n += 1) {
  const followed = follow(await runctl.train({ script, root: project, dependencies: "none" }));
  // Told below, by the one that waits for all.
  followed.catch(() => undefined);
  following.push(followed);
}
console.error(`all ${count} runs recorded after ${((performance.now() - began) / 1000).toFixed(0)} s`);
await Promise.all(following);
following.length = 0;
clearInterval(ticker);
report();
const rss = process.memoryUsage().rss;
globalThis.gc?.();
const after = process.memoryUsage();
const seconds = (performance.now() - began) / 1000;
console.log(JSON.stringify({ count, lines, seconds, rss, most, heapAfterGc: after.heapUsed, rssAfterGc: after.rss }));
await runctl.close();
await state.close();
