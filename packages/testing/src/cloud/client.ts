import {
  type Clock,
  type DoctorFinding,
  defineProvider,
  type FindQuery,
  type FindResult,
  type ForeignOrOtherResource,
  type Intent,
  type MachineUsage,
  type ResourceRef,
  RunctlError,
  type TrainingProvider,
} from "@runctl/core/provider";
import { matches, offerOf } from "./catalogue.ts";
import { connectTo } from "./client-connect.ts";
import { buy } from "./client-create.ts";
import { type BetweenSteps, type ClientParts, setTags } from "./client-parts.ts";
import { clientVolumes, listSnapshots, listVolumes } from "./client-volumes.ts";
import type { CloudMachine } from "./cloud-machine.ts";
import { iso } from "./cloud-time.ts";
import type { EmulatedCloud } from "./emulated-cloud.ts";
import type { FaultDetail } from "./faults.ts";
import { checkTags } from "./intent-checks.ts";
import { fits, listMachines } from "./listing.ts";
import { room } from "./pool.ts";
import { partOf } from "./purchase-desk.ts";
import { showRequest } from "./request-queue.ts";

/** One program's view of a cloud. */
export interface ClientOptions {
  /** Whose resources it sees. Default: the cloud's first account. */
  account?: string | undefined;
  /** Who uses it; only a name. */
  user?: string | undefined;
  /** Names the client in faults, cuts and events. Default: `user`, else "client-1", "client-2" … */
  name?: string | undefined;
  /** The program's own clock, for its waits. Default: the cloud's. */
  clock?: Clock | undefined;
  /** Called between the calls of a purchase that takes several; a promise that stays open is a program that died there. */
  betweenSteps?: BetweenSteps | undefined;
}

/** @internal */
export function cloudClient(cloud: EmulatedCloud, options: ClientOptions & { name: string; clock: Clock }): TrainingProvider {
  const account = options.account ?? cloud.accounts[0] ?? "";
  if (!cloud.accounts.includes(account)) throw cloud.errors.invalid("InvalidAccountID.NotFound", `There is no account ${account}.`);
  const { wire, fleet, errors } = cloud;
  const caller: ClientParts = { client: options.name, account, clock: options.clock, cloud, betweenSteps: options.betweenSteps };
  const own = (ref: ResourceRef): CloudMachine | undefined => {
    if (ref.provider !== cloud.name)
      throw errors.invalid("InvalidParameterValue", `${ref.id} is of ${ref.provider}, not of ${cloud.name}.`);
    // An id says nothing without its kind: a volume's ref never reaches the machine of that name.
    const machine = ref.kind === "machine" ? fleet.find(account, ref.id) : undefined;
    const isHidden = cloud.listing.hiddenIsNotFound === true && (machine?.visibleAt ?? 0) > cloud.time.now();
    return isHidden ? undefined : machine;
  };
  const mustOwn = (ref: ResourceRef): CloudMachine => {
    const machine = own(ref);
    if (machine === undefined) throw errors.notFound("InvalidInstanceID.NotFound", `The instance ID '${ref.id}' does not exist.`);
    return machine;
  };
  const about = (ref: ResourceRef) => ({ region: ref.region, id: ref.id });

  const provider = defineProvider<TrainingProvider>({
    specVersion: "v1",
    name: cloud.name,
    capabilities: cloud.capabilities,
    offers: (request, { signal } = {}) =>
      wire.call(
        caller,
        "offers",
        () => {
          const now = cloud.time.now();
          const facts = cloud.offerFacts;
          return [...cloud.pools.values()]
            .filter((pool) => matches(pool, request, now) && (!cloud.hidesFull || room(pool, now) > 0))
            .map((pool) => offerOf(pool, facts, now));
        },
        { signal },
      ),
    create: (intent: Intent, { signal } = {}) => buy(caller, intent, signal),
    find: (query) => find(caller, query),
    terminate: (ref) =>
      wire.call(
        caller,
        "terminate",
        (fault) => {
          const machine = own(ref);
          // Gone is success: terminating is safe to repeat.
          if (machine !== undefined && fault?.kind !== "lie") fleet.end(machine, "Client.UserInitiatedShutdown: User initiated shutdown");
        },
        about(ref),
      ),
    remove: (ref) =>
      wire.call(
        caller,
        "remove",
        (fault) => {
          const machine = own(ref);
          if (fault?.kind === "lie") return;
          if (ref.kind === "request") cloud.queue.remove(account, ref.id);
          else if (ref.kind === "snapshot") cloud.shelf.deleteSnapshot(account, ref.id);
          else if (ref.kind === "volume") cloud.shelf.delete(account, ref.id);
          else if (machine !== undefined) fleet.end(machine, "Client.UserInitiatedShutdown: User initiated shutdown");
        },
        about(ref),
      ),
    stop: (ref) =>
      wire.call(
        caller,
        "stop",
        (fault) => {
          const machine = mustOwn(ref);
          if (machine.pool.market === "spot" && !cloud.stopsSpot)
            throw errors.unsupported(
              "UnsupportedOperation",
              `You can't stop the Spot Instance '${ref.id}' because it is associated with a one-time Spot Instance request.`,
            );
          if (fault?.kind !== "lie") fleet.stop(machine, "Client.UserInitiatedShutdown: User initiated shutdown");
        },
        about(ref),
      ),
    start: (ref) =>
      wire.call(
        caller,
        "start",
        (fault) => {
          const machine = mustOwn(ref);
          if (fault?.kind === "unavailable") throw errors.noCapacity(machine.pool.type.name, machine.pool.zone);
          if (fault?.kind !== "lie") fleet.start(machine);
        },
        about(ref),
      ),
    connect: (machine, { signal } = {}) => connectTo(caller, machine.ref, signal),
    ...(cloud.options.hostHooks === undefined ? {} : { hostHooks: cloud.options.hostHooks }),
    notices: (machine) =>
      wire.call(
        caller,
        "notices",
        () => {
          const { notice } = mustOwn(machine.ref);
          return notice === undefined
            ? undefined
            : { action: notice.action, ...(notice.atMs === undefined ? {} : { at: iso(notice.atMs) }) };
        },
        about(machine.ref),
      ),
    usage: (machine) => wire.call(caller, "usage", () => usage(cloud, mustOwn(machine.ref)), about(machine.ref)),
    costs: (machine, from, to) =>
      wire.call(caller, "costs", () => cloud.costsOf(mustOwn(machine.ref), Date.parse(from), Date.parse(to)), about(machine.ref)),
    identity: () => wire.call(caller, "identity", () => ({ id: account, name: `${cloud.name} account ${account}` })),
    tag: (ref, tags) =>
      wire.call(
        caller,
        "tag",
        (fault) => {
          const some = fault?.kind === "partial-tags" ? partOf(tags, fault.keepTags) : tags;
          if (fault?.kind === "lie") return;
          if (ref.kind === "machine") setTags(cloud, mustOwn(ref), some);
          else tagStored(cloud, account, ref, some);
        },
        about(ref),
      ),
    validateOptions(given) {
      const [key] = Object.keys(given);
      if (key !== undefined)
        throw errors.invalid(
          "UnknownParameter",
          `providerOptions.${cloud.name}.${key} is not known: this cloud has no options for a single machine.`,
        );
    },
    volumes: clientVolumes(caller),
    doctor: () => wire.call(caller, "doctor", () => examine(cloud, account)),
  });
  for (const method of cloud.options.without ?? []) delete provider[method];
  return provider;
}

function tagStored(cloud: EmulatedCloud, account: string, ref: ResourceRef, tags: Record<string, string>): void {
  const { shelf, errors } = cloud;
  const snapshot = shelf.snapshots.get(ref.id);
  const thing = snapshot?.account === account && snapshot.deletedAt === undefined ? snapshot : shelf.must(account, ref.id);
  const all = { ...thing.tags, ...tags };
  checkTags(all, errors);
  thing.tags = all;
}

/** One listing: a call, or one for each page. What was read when a later page failed is told, as incomplete. */
async function find(caller: ClientParts, query: FindQuery): Promise<FindResult> {
  const { wire, listing } = caller.cloud;
  const first = await wire.call(caller, "find", (fault) => look(caller, query, fault), { signal: query.signal });
  const size = listing.pageSize ?? Number.POSITIVE_INFINITY;
  for (let at = size; at < first.machines.length; at += size) {
    try {
      const fault = await wire.call(caller, "find", (met) => met, { signal: query.signal });
      if (fault?.kind === "incomplete") return { ...first, machines: first.machines.slice(0, at), complete: false };
    } catch (error) {
      query.signal?.throwIfAborted();
      if (!RunctlError.is(error)) throw error;
      return { ...first, machines: first.machines.slice(0, at), complete: false };
    }
  }
  return first;
}

function look(caller: ClientParts, query: FindQuery, fault: FaultDetail | undefined): FindResult {
  const { cloud, account } = caller;
  const regions = new Set<string>();
  for (const region of cloud.regionNames) {
    const key = `${account}/${region}`;
    cloud.listCalls.set(key, (cloud.listCalls.get(key) ?? 0) + 1);
    if (cloud.network.isCut("client-cloud", { client: caller.client, region }) === undefined) regions.add(region);
  }
  const { fleet, time } = cloud;
  const machines = listMachines(query, { fleet, account, now: time.now(), regions });
  const others = [...listVolumes(caller, query), ...listSnapshots(caller, query), ...requests(caller, query)].filter(({ ref }) =>
    regions.has(ref.region ?? ""),
  );
  const complete = fault?.kind !== "incomplete" && regions.size === cloud.regionNames.length;
  // The part that could not be read held every second machine.
  return { machines: fault?.kind === "incomplete" ? machines.filter((_, index) => index % 2 === 1) : machines, others, complete };
}

function requests({ cloud, account }: ClientParts, query: FindQuery): ForeignOrOtherResource[] {
  return cloud.queue.waiting
    .filter((request) => request.account === account)
    .map((request) => showRequest(request, cloud.name))
    .filter((request) => fits(request, query));
}

function examine(cloud: EmulatedCloud, account: string): DoctorFinding[] {
  const { quota = {} } = cloud.options;
  const empty = (["machines", "onDemandCpus", "spotCpus"] as const).filter((limit) => quota[limit] === 0);
  const denied = (["create", "find", "terminate", "stop", "start", "tag", "volume-create"] as const).filter((op) =>
    cloud.faults.denies(op),
  );
  return [
    ...denied.map((op): DoctorFinding => {
      const what = `The credentials of account ${account} lack the permission ${op}.`;
      return { id: `${cloud.name}-permission-${op}`, severity: "error", what, fix: [`Allow ${op} for these credentials.`] };
    }),
    { id: `${cloud.name}-credentials`, severity: "ok", what: `The credentials are of account ${account}.`, fix: [] },
    ...empty.map((limit): DoctorFinding => {
      const what = `The account's limit ${limit} is 0: nothing of that kind can be bought.`;
      return { id: `${cloud.name}-quota-${limit}`, severity: "warning", what, fix: ["Ask the cloud for more."] };
    }),
  ];
}

function usage(cloud: EmulatedCloud, machine: CloudMachine): MachineUsage {
  if (!cloud.isUp(machine)) throw cloud.errors.unreachable(machine.id, "it does not run");
  const told = cloud.options.usage?.(machine.id);
  if (told instanceof Error) throw told;
  if (told !== undefined) return told;
  const { memoryBytes, accelerators } = machine.pool.type;
  return {
    at: iso(cloud.time.now()),
    cpuPercent: 0,
    memory: { usedBytes: 0, totalBytes: memoryBytes },
    disks: [{ path: "/", usedBytes: 0, totalBytes: machine.diskGib * 2 ** 30 }],
    gpus: (accelerators ?? []).flatMap(({ name, count }) =>
      Array.from({ length: count }, (_, index) => ({ index, name, utilizationPercent: 0 })),
    ),
    processes: [],
  };
}
