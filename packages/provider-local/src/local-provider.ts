import { join } from "node:path";
import {
  type Capabilities,
  defineProvider,
  type Intent,
  type Machine,
  type OfferRequest,
  parseRef,
  type ResourceRef,
  systemClock,
  systemRandom,
  type TrainingProvider,
  UnsupportedCapabilityError,
  ValidationError,
} from "@runctl/core/provider";
import { localCosts } from "./local-costs.ts";
import { localDoctor } from "./local-doctor.ts";
import { localIdentity } from "./local-identity.ts";
import { localImages } from "./local-images.ts";
import { type LocalGpu, localOffers, priceOf } from "./local-offers.ts";
import { checkOptions, type LocalOptions } from "./local-options.ts";
import { LocalSession, unreachable } from "./local-session.ts";
import { localUsage } from "./local-usage.ts";
import { createMachine } from "./machine-create.ts";
import { interruptMachine, startMachine, stopMachine, terminateMachine } from "./machine-end.ts";
import { findMachines, toMachine } from "./machine-find.ts";
import { machineDir, refDir, resolveHome } from "./machine-home.ts";
import { readMachine } from "./machine-record.ts";
import { tagMachine } from "./machine-tags.ts";
import { queryGpus } from "./nvidia-smi.ts";
import { safeEnv } from "./safe-env.ts";

/** The provider that `local()` makes. */
export interface LocalProvider extends TrainingProvider {
  /**
   * Does to a machine what a spot market does without notice: SIGKILL to everything on it at once, the guardian first, so that
   * nothing restarts anything. The machine is "ended" and unreachable from then on; `terminate` removes what is left. For
   * demonstrations and tests.
   * @param machine its name, its ref, or the ref's text form.
   * @throws NotFoundError when there is no such machine.
   */
  simulateInterruption(machine: string | ResourceRef): Promise<void>;
}

/**
 * Trains on this computer: a machine is a folder, and what runs on it are processes in sessions of their own, which outlive this
 * process. Costs a declared 0 unless `pricePerHour` says otherwise. Constructing touches neither network nor disk.
 * @throws ValidationError for wrong options.
 */
export function local(options: LocalOptions = {}): LocalProvider {
  const checked = checkOptions(options);
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const tools = { clock, random };
  const { name } = checked;
  const home = resolveHome(checked.home, process.env);
  const dirOf = (ref: ResourceRef): string => refDir(home, own(name, ref));

  // The GPUs of a computer do not change while a program runs, and asking takes up to seconds.
  let gpus: Promise<LocalGpu[]> | undefined;
  const gpusOnce = (): Promise<LocalGpu[]> => {
    gpus ??= queryGpus(clock).then(({ gpus: found, problem }) => {
      if (problem !== undefined) gpus = undefined;
      return found;
    });
    return gpus;
  };

  return defineProvider<LocalProvider>({
    specVersion: "v1",
    name,
    capabilities: capabilitiesOf(checked.spot !== false),
    async offers(request: OfferRequest, { signal } = {}) {
      signal?.throwIfAborted();
      return localOffers(checked, home, clock, gpusOnce, request);
    },
    async create(intent, { signal } = {}) {
      signal?.throwIfAborted();
      checkIntent(intent, name);
      const offer = intent.offers[0];
      if (checked.maxMachines !== undefined && !(await isMachine(machineDir(home, intent.name)))) {
        const { machines } = await findMachines(name, home, {});
        if (machines.filter(({ state }) => state === "running").length >= checked.maxMachines) {
          return { kind: "unavailable", pools: [{ offerId: offer.id, scope: "account", tried: false }] };
        }
      }
      signal?.throwIfAborted();
      const files = await createMachine(home, intent, offer.pricePerHour ?? priceOf(checked, offer.market), tools);
      return { kind: "created", machines: [toMachine(name, files, { state: "running" })], also: [] };
    },
    find: (query) => findMachines(name, home, query),
    terminate: async (ref) => terminateMachine(dirOf(ref), tools),
    remove: async (ref) => terminateMachine(dirOf(ref), tools),
    stop: async (ref) => stopMachine(dirOf(ref), tools),
    start: async (ref) => startMachine(dirOf(ref), tools),
    async connect(machine: Machine, { signal } = {}) {
      signal?.throwIfAborted();
      const dir = dirOf(machine.ref);
      const files = readMachine(dir);
      if (files === "absent") throw unreachable(machine.ref.id, "it does not exist any more");
      if (files === "unreadable") throw unreachable(machine.ref.id, "its record cannot be read");
      if (files.ended !== undefined) throw unreachable(machine.ref.id, "it has ended");
      if (files.stopped !== undefined) throw unreachable(machine.ref.id, "it is stopped");
      const env = { ...safeEnv(process.env), ...checked.env };
      return new LocalSession({ record: files.record, home: dir, cacheDir: join(home, "cache"), env, clock, random });
    },
    usage: () => localUsage(home, clock),
    costs: async (machine, from, to) => localCosts(dirOf(machine.ref), machine, from, to, clock),
    identity: () => localIdentity(clock),
    tag: async (ref, tags) => tagMachine(dirOf(ref), tags, random),
    validateOptions(given) {
      const [key] = Object.keys(given);
      if (key === undefined) return;
      throw new ValidationError({
        what: `providerOptions.${name}.${key} is not known: local machines have no options of their own.`,
        fix: ["Leave it out; options of the provider go into local({ … })."],
        provider: name,
        context: { keys: Object.keys(given) },
      });
    },
    images: localImages(clock),
    doctor: () => localDoctor(home, clock),
    async simulateInterruption(machine) {
      const ref = typeof machine === "string" ? (parseRef(machine) ?? { provider: name, kind: "machine", id: machine }) : machine;
      await interruptMachine(dirOf(ref), tools);
    },
  });
}

function capabilitiesOf(spot: boolean): Capabilities {
  return {
    identity: "token",
    boot: "session",
    // The guardian ends everything that runs, by itself and without a controller; then nothing is left that could cost anything.
    // It can do no more than a process can: docs/guides/provider-local.md says so.
    guard: "host-calls-api",
    containers: "on-host",
    spot,
    multiPool: false,
    gang: false,
    tagsAtCreate: true,
    settleMs: 0,
    pollMs: 500,
    sharedHost: true,
  };
}

async function isMachine(dir: string): Promise<boolean> {
  return typeof readMachine(dir) !== "string";
}

function own(provider: string, ref: ResourceRef): ResourceRef {
  if (ref.provider === provider && ref.kind === "machine") return ref;
  throw new ValidationError({
    what: `${ref.provider}/${ref.kind}/${ref.id} is no machine of the provider ${provider}.`,
    fix: [`Pass a ref such as ${provider}/machine/<name>.`],
    provider,
    context: { ref: `${ref.provider}/${ref.kind}/${ref.id}` },
  });
}

function checkIntent(intent: Intent, provider: string): void {
  if (intent.nodes !== 1)
    throw unsupported(
      provider,
      `${intent.nodes} nodes`,
      "This computer is one machine.",
      "Ask for resources.nodes: 1; several processes on it are resources.processesPerNode.",
    );
  if (intent.volumes.length > 0)
    throw unsupported(
      provider,
      "volumes",
      "This computer's disks are at hand by their paths.",
      "Use inputs and outputs, or paths in the script.",
    );
  const market = intent.offers[0].market;
  if (market !== "on-demand" && market !== "spot")
    throw unsupported(
      provider,
      `the market ${JSON.stringify(market)}`,
      "It has on-demand, and spot with local({ spot: true }).",
      "Use an offer of this provider.",
    );
}

function unsupported(provider: string, what: string, why: string, fix: string): UnsupportedCapabilityError {
  return new UnsupportedCapabilityError({
    what: `The provider ${provider} has no ${what.replace(/^the /, "")}.`,
    why,
    fix: [fix],
    provider,
  });
}
