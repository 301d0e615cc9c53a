import type { EmulatedCloudOptions } from "../../cloud/cloud-options.ts";
import { simulatedHooks } from "../../hosts/simulated-hooks.ts";

/** One type of machine at a tenth of a cent a second, so that a ledger in micro-dollars shows a thousandth of a minute's bill. */
export const SMALL_CLOUD: EmulatedCloudOptions = {
  types: [{ name: "cpu.large", cpus: 2, memoryBytes: 8 * 2 ** 30, onDemand: 3.6, spot: 1.2 }],
  hostHooks: () => simulatedHooks(),
  transitions: { pendingMs: 5_000, endingMs: 3_000 },
};
