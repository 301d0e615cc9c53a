// Stops a training that no longer gets better, with its best model saved.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileState, Runctl } from "@runctl/core";
import { local } from "@runctl/provider-local";

const script = fileURLToPath(new URL("../quickstart/digits/train.py", import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), "runctl-early-"));
const state = fileState(join(scratch, "state"));
const runctl = new Runctl({ project: "early", providers: [local({ home: join(scratch, "machines") })], state });

try {
  const run = await runctl.train({
    script,
    args: ["--epochs", "200", "--hidden", "8"],
    checkpoints: { dir: "checkpoints", keep: { last: 2, best: { metric: "accuracy", mode: "max" } } },
    // "accuracy" is what the script prints as accuracy=0.9472. Three epochs in a row without a better one end the run.
    earlyStopping: { metric: "accuracy", mode: "max", patience: 3, minDelta: 0.005 },
  });

  let epochs = 0;
  let best = 0;
  for await (const point of run.metrics()) {
    if (point.name !== "accuracy") continue;
    epochs += 1;
    best = Math.max(best, point.value);
    console.log(`epoch ${epochs}  accuracy ${(point.value * 100).toFixed(1)} %`);
  }
  const result = await run.result();
  console.log(
    `${result.status} after ${epochs} of 200 epochs, best accuracy ${(best * 100).toFixed(1)} %, ${result.checkpoints.length} checkpoints kept`,
  );
} finally {
  await runctl.close();
  await state.close();
  await rm(scratch, { recursive: true, force: true });
}
