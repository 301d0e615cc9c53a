// PyTorch DistributedDataParallel with two processes on this machine. runctl starts them through torchrun.
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileState, Runctl } from "@runctl/core";
import { local } from "@runctl/provider-local";

const python = findTorch();
if (python === undefined) {
  console.log("skipped: no python3 here can import torch (on Debian: apt install python3-torch)");
} else {
  // The training uses the first python3 of the PATH: here, the one that has torch.
  process.env.PATH = `${dirname(python)}${delimiter}${process.env.PATH ?? ""}`;
  await train();
}

async function train(): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), "runctl-ddp-"));
  const state = fileState(join(scratch, "state"));
  const runctl = new Runctl({ project: "ddp", providers: [local({ home: join(scratch, "machines") })], state });
  try {
    const run = await runctl.train({
      script: fileURLToPath(new URL("./train.py", import.meta.url)),
      dependencies: "none", // torch is there already
      resources: { processesPerNode: 2 },
      checkpoints: { dir: "checkpoints" },
    });
    for await (const line of run.logs()) console.log(`  ${line.text}`);
    const result = (await run.result()).orThrow();
    console.log(`${result.status}, ${result.checkpoints.length} checkpoints, newest ${result.checkpoints.at(-1)?.path}`);
  } finally {
    await runctl.close();
    await state.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

function findTorch(): string | undefined {
  for (const folder of [...(process.env.PATH ?? "").split(delimiter), "/usr/bin"]) {
    const candidate = join(folder, "python3");
    try {
      execFileSync(candidate, ["-c", "import torch.distributed"], { stdio: "ignore" });
      return candidate;
    } catch {
      // Not there, or without torch: the next one.
    }
  }
  return undefined;
}
