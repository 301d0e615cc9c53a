// One process starts a run and ends. Another finds it and follows it. The training notices neither.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileState, Runctl } from "@runctl/core";
import { local } from "@runctl/provider-local";

const [role, folder = ""] = process.argv.slice(2);

if (role === "start") await start(folder);
else if (role === "monitor") await monitor(folder);
else await both();

/** Starts the run in the background and leaves. */
async function start(scratch: string): Promise<void> {
  await using runctl = open(scratch);
  const script = fileURLToPath(new URL("./train.py", import.meta.url));
  const run = await runctl.train({ script, args: ["12"], name: "background", checkpoints: { dir: "checkpoints" } }, { until: "running" });
  console.log(`process ${process.pid} started run ${run.id} and ends now`);
}

/** Looks for runs that go on, and follows the first one from its beginning to its end. */
async function monitor(scratch: string): Promise<void> {
  await using runctl = open(scratch);
  for await (const found of runctl.runs.list({ active: true })) {
    console.log(`process ${process.pid} found run ${found.id}: ${found.status}, ${found.unattended ? "nobody drives it" : "driven"}`);
    // attach() also drives: if the machine is lost now, this process gets another one. { drive: false } only looks.
    const run = await runctl.attach(found.id);
    for await (const line of run.logs()) if (line.source !== "setup") console.log(`  ${line.text}`);
    const result = await run.result();
    console.log(`${result.status}, exit code ${result.exitCode}`);
    return;
  }
  console.log("no run goes on");
}

async function both(): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), "runctl-follow-"));
  try {
    for (const part of ["start", "monitor"]) {
      const child = spawn(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), part, scratch], { stdio: "inherit" });
      const [code] = await once(child, "close");
      if (code !== 0) process.exitCode = 1;
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function open(scratch: string): Runctl {
  return new Runctl({
    project: "follow",
    providers: [local({ home: join(scratch, "machines") })],
    state: fileState(join(scratch, "state")),
  });
}
