import { type Intent, type Offer, TAGS, type TrainingProvider } from "@runctl/core/provider";
import { SeededRandom } from "../clock/seeded-random.ts";
import { VirtualClock } from "../clock/virtual-clock.ts";
import type { EmulatedCloudOptions } from "./cloud-options.ts";
import { type CloudWorld, EmulatedCloud } from "./emulated-cloud.ts";
import type { MachineContext, MachineHost } from "./machine-host.ts";

/** What a cloud did to the insides of its machines. */
export interface HostLog {
  contexts: Map<string, MachineContext>;
  calls: string[];
}

/** A cloud on a virtual clock whose machines write down what is done to them. */
export function testCloud(options: EmulatedCloudOptions & CloudWorld = {}): {
  clock: VirtualClock;
  cloud: EmulatedCloud;
  provider: TrainingProvider;
  hosts: HostLog;
  advance: (ms: number) => Promise<void>;
} {
  const clock = new VirtualClock();
  const hosts: HostLog = { contexts: new Map(), calls: [] };
  const host = (context: MachineContext): MachineHost => {
    hosts.contexts.set(context.id, context);
    const log = (what: string): void => void hosts.calls.push(`${context.id} ${what}`);
    return {
      boot: () => log("boot"),
      notice: (notice) => log(`notice ${notice?.action ?? "none"}`),
      halt: (disk) => log(`halt ${disk}`),
      connect: async () => ({
        home: "/home/runctl",
        exec: async (argv) => ({ exitCode: 0, stdout: argv.join(" "), stderr: "" }),
        write: async () => undefined,
        upload: async () => undefined,
        download: async () => undefined,
        read: async () => undefined,
        close: async () => undefined,
      }),
    };
  };
  const cloud = new EmulatedCloud({ clock, random: new SeededRandom(1), host, ...options });
  return { clock, cloud, provider: cloud.client(), hosts, advance: (ms) => clock.advance(ms) };
}

/** An offer of the default catalogue, or of the pool of this id. */
export async function offerOf(provider: TrainingProvider, market = "on-demand", type = "l4.xlarge"): Promise<Offer> {
  const offer = (await provider.offers({ instanceTypes: [type], markets: [market] }))[0];
  if (offer === undefined) throw new Error("no such offer");
  return offer;
}

/** An intent as the engine writes it. */
export function intentFor(offer: Offer, change: Partial<Intent> = {}): Intent {
  const id = change.id ?? "intent1";
  return {
    id,
    name: `runctl-u-p-${id}`,
    runId: "run1",
    attempt: 1,
    offers: [offer],
    nodes: 1,
    tags: {
      [TAGS.createdBy]: "runctl",
      [TAGS.state]: "state1",
      [TAGS.intent]: id,
      [TAGS.run]: "run1",
      [TAGS.attempt]: "1",
      [TAGS.user]: "u",
      [TAGS.project]: "p",
    },
    boot: "",
    volumes: [],
    env: {},
    endBy: "2026-01-08T00:00:00.000Z",
    ...change,
  };
}

/** Buys one machine and returns its id. */
export async function buyOne(provider: TrainingProvider, market = "on-demand", change: Partial<Intent> = {}): Promise<string> {
  const outcome = await provider.create(intentFor(await offerOf(provider, market), change));
  if (outcome.kind !== "created") throw new Error(outcome.kind);
  return outcome.machines[0].ref.id;
}
