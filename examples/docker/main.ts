// Trains in a container that is built from the project's own Dockerfile.
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileState, Runctl } from "@runctl/core";
import { local } from "@runctl/provider-local";

const BASE = "python:3.12-slim";
const missing = whatIsMissing();
if (missing === undefined) await train();
else console.log(`skipped: ${missing}`);

async function train(): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), "runctl-docker-"));
  const state = fileState(join(scratch, "state"));
  const runctl = new Runctl({ project: "docker", providers: [local({ home: join(scratch, "machines") })], state });
  try {
    await writeFile(join(scratch, "numbers.txt"), "1\n2\n39\n");
    const run = await runctl.train({
      script: fileURLToPath(new URL("./train.py", import.meta.url)),
      root: fileURLToPath(new URL(".", import.meta.url)),
      container: {}, // the first Dockerfile that is found: ./Dockerfile
      inputs: [{ from: join(scratch, "numbers.txt"), to: "data/numbers.txt" }],
      checkpoints: { dir: "checkpoints" },
    });
    for await (const line of run.logs()) if (line.source !== "setup") console.log(`  ${line.text}`);
    const result = (await run.result()).orThrow();
    await run.download("outputs", join(scratch, "outputs"));
    const sum = await readFile(join(scratch, "outputs", "sum.txt"), "utf8");
    console.log(`${result.status}: the sum is ${sum}, ${result.checkpoints.length} checkpoint`);
  } finally {
    await runctl.close();
    await state.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

function whatIsMissing(): string | undefined {
  if (!works(["version", "--format", "{{.Server.Version}}"])) return "there is no Docker engine that this user may use";
  if (!works(["image", "inspect", BASE]) && !works(["pull", BASE])) return `the image ${BASE} is not here and cannot be pulled`;
  return undefined;
}

function works(args: string[]): boolean {
  try {
    execFileSync("docker", args, { stdio: "ignore", timeout: 120_000 });
    return true;
  } catch {
    return false;
  }
}
