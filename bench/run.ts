// All benches, one after another, and a table at the end: pnpm bench [name…]. Needs `pnpm build` first. Ends with code 1 when a limit is
// missed. The long ones are the 4 GiB hash and the 1,000 runs; a machine with nothing else to do gives the truest figures.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { type BenchRow, formatRow, MARK, passes } from "./report.ts";

const BENCHES: Record<string, string[]> = {
  "import-time": [process.execPath, "--import", "tsx", "import-time.ts"],
  "train-latency": [process.execPath, "--import", "tsx", "train-latency.ts"],
  staging: [process.execPath, "--import", "tsx", "staging.ts"],
  materialise: ["python3", "materialise.py"],
  "checkpoint-hash": [process.execPath, "--import", "tsx", "checkpoint-hash.ts"],
  "state-list": [process.execPath, "--import", "tsx", "state-list.ts"],
  memory: [process.execPath, "--import", "tsx", "memory.ts"],
  "simulated-month": [process.execPath, "--import", "tsx", "simulated-month.ts"],
  "simulated-thousand": [process.execPath, "--import", "tsx", "simulated-thousand.ts"],
};

async function runOne(name: string): Promise<BenchRow[]> {
  const [program = "", ...args] = BENCHES[name] ?? [];
  const script = args.pop() ?? "";
  const path = fileURLToPath(new URL(script, import.meta.url));
  console.log(`\n== ${name} (load ${readFileSync("/proc/loadavg", "utf8").split(" ")[0]})`);
  const child = spawn(program, [...args, path], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: fileURLToPath(new URL("..", import.meta.url)),
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
    process.stdout.write(part.replaceAll(/^BENCH-ROWS .*\n?/gm, ""));
  });
  const code = await new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  const line = text.split("\n").find((at) => at.startsWith(MARK));
  if (code !== 0 || line === undefined) return [{ what: `${name} failed (exit code ${code})`, measured: 1, limit: 0, unit: "" }];
  return JSON.parse(line.slice(MARK.length)) as BenchRow[];
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => BENCHES[name] === undefined);
if (unknown.length > 0) throw new Error(`no such bench: ${unknown.join(", ")}; there are ${Object.keys(BENCHES).join(", ")}`);
const rows: BenchRow[] = [];
for (const name of wanted.length > 0 ? wanted : Object.keys(BENCHES)) rows.push(...(await runOne(name)));
const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
console.log(`\nNode ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim()}, ${memory}, ${process.platform} ${release()}\n`);
console.log(`${"".padEnd(58)} ${"measured".padStart(12)} ${"limit".padStart(12)}`);
for (const row of rows) console.log(formatRow(row));
if (!rows.every(passes)) process.exitCode = 1;
