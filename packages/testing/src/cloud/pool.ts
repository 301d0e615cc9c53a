import type { MachineTypeOptions } from "./cloud-options.ts";
import type { StepFunction } from "./step-function.ts";

/** One type in one zone and market: what has a price and runs out. */
export interface Pool {
  /** Also the id of its offer: region/zone/type/market. */
  readonly id: string;
  readonly region: string;
  readonly zone: string;
  readonly type: MachineTypeOptions;
  readonly market: "on-demand" | "spot";
  readonly price: StepFunction;
  readonly capacity: StepFunction;
  readonly maxPrice: number | undefined;
  readonly hidePrice: boolean;
  /** Machines in it that are on. */
  used: number;
}

/** How many more it can hold now. */
export function room(pool: Pool, now: number): number {
  return Math.max(0, pool.capacity.at(now) - pool.used);
}
