// A run stops, saved, before its budget is passed. Then it goes on from there with more money.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileState, Runctl } from "@runctl/core";
import { local } from "@runctl/provider-local";

const script = fileURLToPath(new URL("./train.py", import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), "runctl-budget-"));
const state = fileState(join(scratch, "state"));

// 20 cents a second, so that a small budget is over soon. Ending takes a moment, too: budgets worth less than minutes are a demonstration only.
const runctl = new Runctl({ project: "budget", providers: [local({ home: join(scratch, "machines"), pricePerHour: 720 })], state });
runctl.on("budget-warning", (event) => console.log(`  ${Math.round(event.fraction * 100)} % of the budget is spent`));

try {
  const first = await runctl.train({ script, args: ["40"], checkpoints: { dir: "checkpoints" }, budget: { maxCost: 1.6 } });
  const stopped = await first.result();
  const saved = stopped.checkpoints.at(-1)?.path ?? "nothing";
  console.log(`${stopped.status}, saved ${saved}`);
  console.log(`  spent $${stopped.cost.known.amount.toFixed(2)} of $1.60`);

  const second = await runctl.resume(first.id, { budget: { maxCost: 60 } });
  for await (const line of second.logs()) if (line.text.startsWith("resumed")) console.log(`  ${line.text}`);
  const result = (await second.result()).orThrow();

  console.log(`${result.status} as a new run, resumed from ${result.resumedFrom?.checkpoint.path}`);
} finally {
  await runctl.close();
  await state.close();
  await rm(scratch, { recursive: true, force: true });
}
