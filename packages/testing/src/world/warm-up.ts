import { memoryState, memoryStore, Runctl } from "@runctl/core";
import type { TrainingProvider } from "@runctl/core/provider";
import { acquireFolder } from "./project-folder.ts";

/** Sells nothing. */
const NOTHING: TrainingProvider = {
  specVersion: "v1",
  name: "nothing",
  capabilities: {
    identity: "none",
    boot: "entrypoint",
    guard: "none",
    containers: "none",
    spot: false,
    multiPool: false,
    gang: false,
    tagsAtCreate: false,
  },
  offers: async () => [],
  create: async (intent) => ({ kind: "unavailable", pools: [{ offerId: intent.offers[0].id, scope: "account", tried: false }] }),
  find: async () => ({ machines: [], others: [], complete: true }),
  terminate: async () => undefined,
  remove: async () => undefined,
  costs: async () => [],
  identity: async () => ({ id: "nobody" }),
};

let warm: Promise<void> | undefined;

/**
 * Loads what core loads when it is first needed. A module that arrives in the middle of a simulation would come at a moment of real
 * time, not of the world's: loaders with threads of their own (tsx, vitest) show nothing that the clock could wait for.
 */
export function warmUp(): Promise<void> {
  warm ??= load();
  return warm;
}

async function load(): Promise<void> {
  const folder = acquireFolder();
  const runctl = new Runctl({
    providers: [NOTHING],
    state: memoryState(),
    store: "memory://warm/",
    stores: [memoryStore()],
    project: "warm",
    user: "warm",
  });
  try {
    await runctl.plan({ script: `${folder.root}/train.py`, dependencies: "none" });
    await runctl.runs.get("none").catch(() => undefined);
  } finally {
    await runctl.close();
    folder.release();
  }
}
