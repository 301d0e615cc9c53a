// `pnpm quickstart`: install, build, and train a real classifier on this machine. Needs Node 20.19+ and python3, nothing else.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { pnpmCommand } from "./lib/pnpm.mjs";
import { runStep, tail } from "./lib/run-step.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const pnpm = pnpmCommand();

// The other runtimes of the smoke test are hundreds of megabytes that nobody needs here.
await step("Installing", [...pnpm, "install", "--frozen-lockfile", "--config.confirmModulesPurge=false", "--filter", "!@runctl/smoke"]);
await step("Building", [...pnpm, "run", "build"]);

console.log("Running examples/quickstart/main.ts\n");
const child = spawn(process.execPath, [join(root, "node_modules", "tsx", "dist", "cli.mjs"), "quickstart/main.ts"], {
  cwd: join(root, "examples"),
  stdio: "inherit",
});
child.on("close", (code) => {
  if (code === 0) console.log("\nThat was examples/quickstart/main.ts: read it next, then docs/README.md.");
  else console.log("\nThe quickstart failed: the lines above say why.");
  process.exitCode = code ?? 1;
});

async function step(name, argv) {
  process.stdout.write(`${name} … `);
  const result = await runStep(name, argv, { cwd: root });
  console.log(result.ok ? `done in ${result.seconds.toFixed(1)} s` : "failed");
  if (result.ok) return;
  console.log(tail(result.output));
  process.exit(1);
}
