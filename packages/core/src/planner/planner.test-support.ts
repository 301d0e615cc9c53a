import type { Offer } from "../provider/offer.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";

/** A spec as resolveSpec gives it for `{ script: "train.py" }`. */
export function aSpec(changes: Partial<ResolvedSpec> = {}): ResolvedSpec {
  return {
    v: 1,
    script: "train.py",
    args: [],
    project: "digits",
    user: "ada",
    labels: {},
    root: "/p",
    include: [],
    exclude: [],
    env: {},
    secrets: {},
    dependencies: { kind: "auto" },
    resources: { gpus: [], nodes: 1, processesPerNode: 1 },
    providers: [],
    instanceTypes: [],
    regions: [],
    zones: [],
    share: false,
    market: "on-demand",
    fallbackAfterMs: 120_000,
    inputs: [],
    outputs: [],
    checkpoints: { dir: "checkpoints", resume: "auto", resumeArgs: [], keep: { last: 10 }, stopSignal: "SIGTERM", graceMs: 30_000 },
    container: "none",
    volumes: [],
    retries: { interruptions: null, failures: 0, capacityMs: 1_800_000 },
    metrics: [],
    allow: [],
    providerOptions: {},
    ...changes,
  };
}

/** An offer; `price` undefined is an unknown price. */
export function anOffer(id: string, price: number | undefined, changes: Partial<Offer> = {}): Offer {
  return {
    id,
    provider: "cloud",
    type: `type-${id}`,
    accelerators: [],
    cpus: 8,
    memoryBytes: 32e9,
    market: "on-demand",
    ...(price === undefined ? {} : { pricePerHour: { amount: price, currency: "USD" } }),
    can: { stop: true, notice: true, endItself: true },
    ...changes,
  };
}

/** A provider that only lists offers; everything else throws. */
export function aProvider(name: string, offers: () => Promise<Offer[]>, changes: Partial<TrainingProvider> = {}): TrainingProvider {
  const no = () => Promise.reject(new Error("a plan must not call this"));
  return {
    specVersion: "v1",
    name,
    capabilities: {
      identity: "token",
      boot: "user-data",
      guard: "os-poweroff",
      containers: "none",
      spot: true,
      multiPool: false,
      gang: false,
      tagsAtCreate: true,
    },
    offers,
    create: no,
    find: no,
    terminate: no,
    remove: no,
    costs: no,
    identity: no,
    ...changes,
  };
}
