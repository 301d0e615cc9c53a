import type { TrainingProvider } from "../provider/provider.ts";

/** Providers by name: what the registry offers to the rooms beside it. */
export interface ProviderLookup {
  /** @throws NotFoundError (or gives undefined) for an unknown name. */
  get(name: string): TrainingProvider | undefined;
  list(): TrainingProvider[];
}

/** The provider of that name; undefined when it is not registered here. */
export function lookUp(providers: ProviderLookup, name: string): TrainingProvider | undefined {
  return providers.list().find((provider) => provider.name === name);
}
