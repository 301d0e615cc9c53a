// Placeholder of the lead, to be overwritten by builder "storage".
import type { Clock } from "../util/clock.ts";
import type { StoreRegistry } from "./store-registry.ts";
export interface Storage {
  review(location: string): Promise<unknown>;
}
export function createStorage(_deps: { stores: StoreRegistry; clock: Clock }): Storage {
  return { review: async () => undefined };
}
