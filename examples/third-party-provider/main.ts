// Trains on the tiny cloud, as on any other.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileState, Runctl } from "@runctl/core";
import { tiny } from "./provider.ts";
import { tinyCloud } from "./server.ts";

const scratch = await mkdtemp(join(tmpdir(), "tiny-"));
await writeFile(
  join(scratch, "train.py"),
  'import json, os\nos.makedirs("checkpoints", exist_ok=True)\nfor step in (1, 2):\n    json.dump({"step": step}, open(f"checkpoints/step-{step}.json", "w"))\nprint("trained")\n',
);
const cloud = await tinyCloud(join(scratch, "machines"), "key");
const state = fileState(join(scratch, "state"));
const runctl = new Runctl({ project: "tiny", providers: [tiny({ url: cloud.url, key: "key" })], state });
try {
  const run = await runctl.train({ script: join(scratch, "train.py"), checkpoints: { dir: "checkpoints" } });
  const result = (await run.result()).orThrow();
  const left = [...cloud.machines.values()].filter((machine) => machine.state === "running").length;
  console.log(`${result.status}: newest checkpoint ${result.checkpoints.at(-1)?.path}, ${left} machines left`);
} finally {
  await runctl.close();
  await state.close();
  await cloud.close();
  await rm(scratch, { recursive: true });
}
