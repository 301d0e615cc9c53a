import type { FindQuery, ForeignOrOtherResource, ProviderVolumes, ResourceRef, VolumeInfo } from "@runctl/core/provider";
import type { ClientParts } from "./client-parts.ts";
import { type CloudVolume, showSnapshot, showVolume } from "./cloud-volume.ts";
import { fits } from "./listing.ts";

/** The volumes of one account. */
export function clientVolumes(caller: ClientParts): ProviderVolumes {
  const { cloud, account, client } = caller;
  const { wire, shelf, fleet, errors } = cloud;
  const show = (volume: CloudVolume): VolumeInfo =>
    showVolume(volume, cloud.name, cloud.time.now(), cloud.rules.volumePerGibMonth, cloud.rules.currency);
  const about = (ref: ResourceRef) => ({ region: ref.region, id: ref.id });
  return {
    create: (request) =>
      wire.call(
        caller,
        "volume-create",
        (fault) => {
          const { signal: _signal, ...own } = request as typeof request & { signal?: unknown };
          if (fault?.kind === "unavailable")
            throw errors.noCapacity(request.type ?? "gp3", request.zone ?? cloud.zones.keys().next().value ?? "");
          return show(shelf.create(own, account, client));
        },
        {},
      ),
    list: (query) => wire.call(caller, "volume-list", () => listVolumes(caller, query), { signal: query.signal }),
    attach: (volume, machine) =>
      wire.call(
        caller,
        "volume-attach",
        (fault) => {
          const target = fleet.find(account, machine.id);
          if (target === undefined) throw errors.notFound("InvalidInstanceID.NotFound", `The instance ID '${machine.id}' does not exist.`);
          const own = shelf.must(account, volume.id);
          if (fault?.kind !== "lie") shelf.attach(own, target);
        },
        about(volume),
      ),
    detach: (volume, options) =>
      wire.call(
        caller,
        "volume-detach",
        (fault) => {
          const own = shelf.must(account, volume.id);
          const machine = own.attachedTo === undefined ? undefined : fleet.find(account, own.attachedTo);
          if (fault?.kind !== "lie") shelf.detach(own, machine, options?.force === true);
        },
        about(volume),
      ),
    delete: (volume) =>
      wire.call(caller, "volume-delete", (fault) => void (fault?.kind === "lie" || shelf.delete(account, volume.id)), about(volume)),
    snapshot: (volume, options) =>
      wire.call(
        caller,
        "volume-snapshot",
        () => {
          const { id, region } = shelf.snapshot(shelf.must(account, volume.id), options);
          return { provider: cloud.name, account, region, kind: "snapshot", id };
        },
        about(volume),
      ),
    snapshots: (query) => wire.call(caller, "volume-list", () => listSnapshots(caller, query), { signal: query.signal }),
    recommend: ({ purpose, sizeBytes }) => ({
      request: { sizeBytes: Math.max(2 ** 30, sizeBytes), type: "gp3" },
      pricePerMonth: { amount: (Math.max(2 ** 30, sizeBytes) / 2 ** 30) * cloud.rules.volumePerGibMonth, currency: cloud.rules.currency },
      reasons: [`gp3 is the only type of this cloud, and does for ${purpose}.`],
    }),
  };
}

/** Volumes that the query names and that a listing of this moment shows. */
export function listVolumes(caller: ClientParts, query: FindQuery): VolumeInfo[] {
  if (query.kinds !== undefined && !query.kinds.includes("volume")) return [];
  const { cloud, account } = caller;
  const now = cloud.time.now();
  return [...cloud.shelf.live]
    .filter((volume) => volume.account === account && volume.visibleAt <= now)
    .map((volume) => showVolume(volume, cloud.name, now, cloud.rules.volumePerGibMonth, cloud.rules.currency))
    .filter((volume) => fits(volume, query));
}

/** Snapshots likewise. */
export function listSnapshots(caller: ClientParts, query: FindQuery): ForeignOrOtherResource[] {
  if (query.kinds !== undefined && !query.kinds.includes("snapshot")) return [];
  const { cloud, account } = caller;
  const now = cloud.time.now();
  return [...cloud.shelf.snapshots.values()]
    .filter((snapshot) => snapshot.account === account && snapshot.deletedAt === undefined && snapshot.visibleAt <= now)
    .map((snapshot) => showSnapshot(snapshot, cloud.name, cloud.rules.snapshotPerGibMonth, cloud.rules.currency))
    .filter((snapshot) => fits(snapshot, query));
}
