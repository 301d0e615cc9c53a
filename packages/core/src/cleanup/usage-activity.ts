import type { MachineUsage, TrainingProvider } from "../provider/provider.ts";
import type { Machine } from "../provider/resource.ts";
import type { Doubtful } from "./facts.ts";

/** From here on a reading is work (P-10: a silent job that holds a GPU's memory is not idle). Our own judgement. */
const BUSY = { cpuPercent: 20, gpuPercent: 5, gpuMemoryShare: 0.05 };

/** Signs of work by the provider's own measurement. A provider that cannot measure leaves the question to the driver. */
export async function usageActivity(provider: TrainingProvider, machine: Machine): Promise<{ active: Doubtful; why: string }> {
  if (machine.state === "stopped" || machine.state === "ended") return { active: false, why: `It is ${machine.state}.` };
  // On a shared host the readings are about the whole computer and say nothing about one run's share.
  if (provider.usage === undefined || provider.capabilities.sharedHost === true)
    return { active: false, why: `${provider.name} does not measure single machines.` };
  try {
    return activityOf(await provider.usage(machine));
  } catch (error) {
    return {
      active: "unknown",
      why: `Its usage could not be read: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : "no reason given"}`,
    };
  }
}

/** Pure. */
export function activityOf(usage: MachineUsage): { active: Doubtful; why: string } {
  const gpu = usage.gpus.find(
    (one) =>
      (one.utilizationPercent ?? 0) >= BUSY.gpuPercent ||
      (one.memoryUsedBytes !== undefined &&
        one.memoryTotalBytes !== undefined &&
        one.memoryUsedBytes >= one.memoryTotalBytes * BUSY.gpuMemoryShare),
  );
  if (gpu !== undefined)
    return {
      active: true,
      why: `GPU ${gpu.index} is at ${gpu.utilizationPercent ?? "?"} % with ${gpu.memoryUsedBytes ?? "?"} bytes in use.`,
    };
  if (usage.cpuPercent !== undefined && usage.cpuPercent >= BUSY.cpuPercent)
    return { active: true, why: `Its CPU is at ${usage.cpuPercent} %.` };
  if (
    usage.cpuPercent === undefined ||
    usage.gpus.some((one) => one.utilizationPercent === undefined && one.memoryUsedBytes === undefined)
  ) {
    return { active: "unknown", why: "Its usage has no reading of the CPU or of a GPU." };
  }
  return { active: false, why: `Its CPU is at ${usage.cpuPercent} % and no GPU works.` };
}
