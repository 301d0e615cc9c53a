// Processes (and Docker) on this machine. The only entrance of this package.
export type { LocalOptions } from "./local-options.ts";
export { type LocalProvider, local } from "./local-provider.ts";
