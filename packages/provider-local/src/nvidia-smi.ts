import type { Clock, MachineUsage } from "@runctl/core/provider";
import { runCommand } from "./run-command.ts";
import { safeEnv } from "./safe-env.ts";

const FIELDS = "index,name,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw";
const MIB = 1024 * 1024;

// nvidia-smi writes "[N/A]", "[Not Supported]", "[Unknown Error]" or "ERR!" where it has no number.
function number(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d+(\.\d+)?$/.test(text)) return undefined;
  return Number(text);
}

function times(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : Math.round(value * factor);
}

/** Reads `nvidia-smi --query-gpu=… --format=csv,noheader,nounits`. Lines that are no GPU are passed over; a name may hold commas. */
function parseGpus(csv: string): MachineUsage["gpus"] {
  const gpus: MachineUsage["gpus"] = [];
  for (const line of csv.split(/\r?\n/)) {
    const cells = line.split(",").map((cell) => cell.trim());
    const index = number(cells[0]);
    if (index === undefined || cells.length < 7) continue;
    const [utilization, used, total, temperature, power] = cells.slice(-5).map(number);
    gpus.push({
      index,
      name: cells.slice(1, -5).join(", "),
      utilizationPercent: utilization,
      memoryUsedBytes: times(used, MIB),
      memoryTotalBytes: times(total, MIB),
      temperatureCelsius: temperature,
      powerWatts: power,
    });
  }
  return gpus;
}

/** The GPUs that the NVIDIA driver shows; none when there is no driver, or it does not answer within 10 s. */
export async function queryGpus(clock: Clock): Promise<{ gpus: MachineUsage["gpus"]; problem?: string | undefined }> {
  try {
    const argv: [string, ...string[]] = ["nvidia-smi", `--query-gpu=${FIELDS}`, "--format=csv,noheader,nounits"];
    const result = await runCommand(clock, argv, { env: { ...safeEnv(process.env), LC_ALL: "C" }, timeoutMs: 10_000 });
    if (result.exitCode === 127) return { gpus: [] };
    if (result.exitCode !== 0) return { gpus: [], problem: (result.stdout + result.stderr).trim().slice(0, 300) };
    return { gpus: parseGpus(result.stdout) };
  } catch (error) {
    return { gpus: [], problem: error instanceof Error ? error.message : String(error) };
  }
}
