import type { Notice } from "../provider/plan.ts";
import type { MachineUsage } from "../provider/provider.ts";

/** Above this a reading is flagged (original.md §1.14, §2.5). */
export const HIGH_PERCENT = 80;

/** What is above 80 %: CPU, memory, every disk, every GPU's work and memory. Pure. */
export function usageFlags(usage: MachineUsage): Notice[] {
  const flags: Notice[] = [];
  const check = (id: string, name: string, percent: number | undefined, fix: string): void => {
    if (percent === undefined || !(percent > HIGH_PERCENT)) return;
    flags.push({
      id,
      what: `${name} is at ${Math.round(percent)} %.`,
      why: `Above ${HIGH_PERCENT} % there is little room left.`,
      fix: [fix],
    });
  };
  check("cpu-high", "The CPU", usage.cpuPercent, "More CPUs or fewer data workers help where training waits for it.");
  check(
    "memory-high",
    "The memory",
    share(usage.memory?.usedBytes, usage.memory?.totalBytes),
    "A bigger machine or smaller batches avoid being killed.",
  );
  for (const disk of usage.disks)
    check(
      "disk-high",
      `The disk at ${disk.path}`,
      share(disk.usedBytes, disk.totalBytes),
      "Keep fewer checkpoints or ask for a bigger disk.",
    );
  for (const gpu of usage.gpus) {
    check(
      "gpu-high",
      `GPU ${gpu.index} (${gpu.name})`,
      gpu.utilizationPercent,
      "This is what it is paid for; nothing to do unless it throttles.",
    );
    check(
      "gpu-memory-high",
      `The memory of GPU ${gpu.index} (${gpu.name})`,
      share(gpu.memoryUsedBytes, gpu.memoryTotalBytes),
      "Smaller batches avoid running out of it.",
    );
  }
  return flags;
}

function share(used: number | undefined, total: number | undefined): number | undefined {
  return used === undefined || total === undefined || total <= 0 ? undefined : (used / total) * 100;
}
