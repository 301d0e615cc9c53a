// Trains a classifier on this machine, takes the machine away half way, and watches the run come back by itself.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileState, Runctl } from "@runctl/core";
import { local } from "@runctl/provider-local";

const EPOCHS = 20;
const folder = fileURLToPath(new URL("./digits", import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), "runctl-quickstart-"));

// Half a dollar an hour, so that there is a cost to watch. Without a price a local machine is a declared 0.
const machine = local({ home: join(scratch, "machines"), pricePerHour: 0.5 });
const state = fileState(join(scratch, "state"));
const runctl = new Runctl({ project: "digits", providers: [machine], state });

try {
  const plan = await runctl.plan({ script: join(folder, "train.py"), root: folder });
  console.log(
    `Training on ${plan.offers[0]?.offer.type}: ${plan.files.count} files, ${Math.round(plan.files.bytes / 1024)} KiB of code and data.`,
  );

  const run = await runctl.train({
    name: "quickstart",
    script: join(folder, "train.py"),
    root: folder, // what travels to the machine; else the nearest folder upwards that looks like a project
    args: ["--epochs", String(EPOCHS)],
    checkpoints: { dir: "checkpoints" },
  });
  console.log(`Run ${run.id} is recorded. Whatever happens to this process now, nothing is lost.\n`);

  runctl.on("attempt-interrupted", (event) => {
    const newest = event.newestCheckpoint?.path ?? "none";
    console.log(`  !  The machine is gone (${event.cause}). Newest verified checkpoint: ${newest}. Getting another machine.`);
  });
  runctl.on("attempt-started", (event) => {
    if (event.resumedFrom !== undefined) console.log(`  >  Attempt ${event.attempt} goes on from ${event.resumedFrom.path}.`);
  });

  let killed = false;
  for await (const line of run.logs()) {
    const epoch = Number(/^epoch (\d+)\//.exec(line.text)?.[1]);
    if (Number.isNaN(epoch)) continue;
    const { fraction = 0, eta, cost } = await run.progress();
    const left = eta === undefined ? "" : `  about ${Math.round(eta.ms / 1000)} s left`;
    console.log(`${bar(fraction)}  ${line.text}  $${cost.known.amount.toFixed(6)}${left}`);
    if (!killed && epoch >= EPOCHS / 2) {
      killed = true;
      const id = (await run.status()).machines[0]?.ref.id ?? "";
      console.log("\n  !  SIGKILL to every process of the training machine, as if a spot host had been reclaimed without a word.");
      await machine.simulateInterruption(id);
    }
  }

  const result = (await run.result()).orThrow();
  const resumed = result.attempts.find((attempt) => attempt.resumedFrom !== undefined)?.resumedFrom;
  await run.download("outputs", join(scratch, "outputs"));
  const model = JSON.parse(await readFile(join(scratch, "outputs", "model.json"), "utf8")) as { accuracy: number };

  console.log(`
Finished: ${result.status}
  attempts       ${result.attempts.length} (${result.attempts.map((attempt) => attempt.outcome).join(", ")})
  resumed from   ${resumed === undefined ? "nothing" : `${resumed.path} (${resumed.grade}, SHA-256 ${resumed.sha256.slice(0, 12)}…)`}
  work repeated  ${seconds(result.time.repeatedMs)} of ${seconds(result.time.trainingMs)} of training
  checkpoints    ${result.checkpoints.length} kept, all verified by hash
  accuracy       ${(model.accuracy * 100).toFixed(1)} % on images the model has never seen
  cost           $${result.cost.total?.amount.toFixed(6)} at $0.50 an hour
  time           ${seconds(result.durationMs)}`);
} finally {
  await runctl.close();
  await state.close();
  await rm(scratch, { recursive: true, force: true });
}

function bar(fraction: number): string {
  const filled = Math.round(fraction * 20);
  return `[${"#".repeat(filled)}${"-".repeat(20 - filled)}] ${String(Math.round(fraction * 100)).padStart(3)} %`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
