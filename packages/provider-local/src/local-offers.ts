import { statfs } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { dirname } from "node:path";
import { type Clock, isoNow, type Money, type Offer, type OfferRequest } from "@runctl/core/provider";
import { gpuFits } from "./gpu-names.ts";
import type { CheckedOptions } from "./local-options.ts";

/** A GPU of this computer, as offers need it. */
export interface LocalGpu {
  name: string;
  memoryTotalBytes?: number | undefined;
}

/** What an hour costs on a market. */
export function priceOf(options: CheckedOptions, market: string): Money {
  const spot = market === "spot" && typeof options.spot === "object" ? options.spot.pricePerHour : undefined;
  return { amount: spot ?? options.pricePerHour, currency: options.currency };
}

/** Memory that this process may use: a container's limit where there is one. */
export function memoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/** Free and total bytes of the file system that `path` is, or would be, on. */
export async function diskOf(path: string): Promise<{ freeBytes: number; totalBytes: number } | undefined> {
  for (let at = path; ; at = dirname(at)) {
    const info = await statfs(at).catch(() => undefined);
    if (info !== undefined) return { freeBytes: info.bavail * info.bsize, totalBytes: info.blocks * info.bsize };
    if (dirname(at) === at) return undefined;
  }
}

/** This computer as an offer, one for each market; none when it is not what was asked for. */
export async function localOffers(
  options: CheckedOptions,
  home: string,
  clock: Clock,
  gpus: () => Promise<LocalGpu[]>,
  request: OfferRequest,
): Promise<Offer[]> {
  const cpus = availableParallelism();
  const memory = memoryBytes();
  if (request.cpus !== undefined && request.cpus > cpus) return [];
  if (request.memoryBytes !== undefined && request.memoryBytes > memory) return [];
  // This computer is in no region or zone of anybody.
  if ((request.regions?.length ?? 0) > 0 || (request.zones?.length ?? 0) > 0) return [];
  if ((request.instanceTypes?.length ?? 0) > 0 && request.instanceTypes?.includes("local") !== true) return [];
  if (request.diskBytes !== undefined) {
    const disk = await diskOf(home);
    if (disk !== undefined && disk.freeBytes < request.diskBytes) return [];
  }
  const present = await gpus();
  const wishes = request.gpus ?? [];
  if (wishes.length > 0 && !wishes.some((wish) => present.filter((gpu) => gpuFits(wish.name, gpu.name)).length >= wish.count)) return [];
  return (options.spot === false ? ["on-demand"] : ["on-demand", "spot"])
    .filter((market) => (request.markets?.length ?? 0) === 0 || request.markets?.includes(market) === true)
    .filter((market) => request.maxPricePerHour === undefined || priceOf(options, market).amount <= request.maxPricePerHour)
    .map((market) => ({
      id: market === "on-demand" ? "local" : `local-${market}`,
      provider: options.name,
      type: "local",
      accelerators: grouped(present),
      cpus,
      memoryBytes: memory,
      market,
      pricePerHour: priceOf(options, market),
      price: { source: "declared", at: isoNow(clock) },
      can: { stop: true, notice: false, endItself: true },
    }));
}

function grouped(gpus: LocalGpu[]): Offer["accelerators"] {
  const groups = new Map<string, Offer["accelerators"][number]>();
  for (const { name, memoryTotalBytes } of gpus) {
    const group = groups.get(name);
    if (group === undefined) groups.set(name, { name, count: 1, memoryBytes: memoryTotalBytes });
    else group.count += 1;
  }
  return [...groups.values()];
}
