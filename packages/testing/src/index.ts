// The public names of @runctl/testing.
export type { MachineContext, MachineHost, MachineHostFactory, MachineNotice } from "./cloud/machine-host.ts";
