// A controlling process that tests kill. argv: folder, "train" or "drive" or "attach", then the run's spec as JSON.
import { join } from "node:path";
import { fileState, Runctl, type RunSpec } from "@runctl/core";
import { local } from "@runctl/provider-local";

const [folder = "", mode = "train", specText = "{}"] = process.argv.slice(2);
const spec = JSON.parse(specText) as RunSpec & { key: string };
const state = fileState(join(folder, "state"));
const runctl = new Runctl({ project: "crash", user: "tester", providers: [local({ home: join(folder, "home"), pricePerHour: 1 })], state });
process.stdout.write("up\n");
if (mode === "train") {
  const run = await runctl.train(spec);
  process.stdout.write(`recorded ${run.id}\n`);
  const result = await run.result();
  process.stdout.write(`result ${JSON.stringify(result)}\n`);
} else {
  for await (const known of runctl.runs.list()) {
    if (mode === "drive") {
      const end = new AbortController();
      const driving = runctl.drive({ signal: end.signal });
      const run = await runctl.attach(known.id, { drive: false });
      process.stdout.write(`result ${JSON.stringify(await run.result())}\n`);
      end.abort();
      await driving;
    } else {
      const run = await runctl.attach(known.id);
      process.stdout.write(`result ${JSON.stringify(await run.result())}\n`);
    }
  }
}
await runctl.close();
await state.close();
