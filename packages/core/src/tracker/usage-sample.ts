import { ValidationError } from "../errors/kinds.ts";
import type { MachineUsage } from "../provider/provider.ts";
import type { UsageSample } from "./resource-events.ts";

/** What is kept of a measurement. Processes are left out: a command line may hold a secret. @throws ValidationError for an unreadable time. */
export function toSample(usage: MachineUsage): UsageSample {
  if (Number.isNaN(Date.parse(usage.at))) {
    throw new ValidationError({
      what: `usage.at ${JSON.stringify(usage.at)} (${typeof usage.at}) is not an ISO time.`,
      fix: ['For example "2026-01-31T12:00:00Z".'],
    });
  }
  return {
    at: usage.at,
    cpuPercent: usage.cpuPercent,
    memoryUsedBytes: usage.memory?.usedBytes,
    memoryTotalBytes: usage.memory?.totalBytes,
    gpus: usage.gpus.map(({ utilizationPercent, memoryUsedBytes, memoryTotalBytes }) => ({
      utilizationPercent,
      memoryUsedBytes,
      memoryTotalBytes,
    })),
    receivedBytes: usage.network?.receivedBytes,
    sentBytes: usage.network?.sentBytes,
  };
}
