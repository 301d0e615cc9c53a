import type { TrainingProvider } from "../provider/provider.ts";

/** Providers by name: what a ProviderRegistry offers to the rooms beside it. */
export interface ProviderLookup {
  /** undefined: not registered here. */
  find(name: string): TrainingProvider | undefined;
  all(): TrainingProvider[];
}
