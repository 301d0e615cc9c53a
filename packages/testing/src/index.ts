// The public names of @runctl/testing.
export type { MachineContext, MachineHost, MachineHostFactory, MachineNotice } from "./cloud/machine-host.ts";
export { ProcessClock } from "./clock/process-clock.ts";
export { SeededRandom } from "./clock/seeded-random.ts";
export { StuckError } from "./clock/stuck-error.ts";
export { VirtualClock } from "./clock/virtual-clock.ts";
