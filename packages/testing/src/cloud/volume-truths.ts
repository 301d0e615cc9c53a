import type { VolumeTruth } from "./cloud-volume.ts";
import type { VolumeShelf } from "./volume-shelf.ts";

/** Every volume and snapshot that ever was, as it is. */
export function* volumeTruths(shelf: VolumeShelf): Generator<VolumeTruth> {
  for (const volume of shelf.volumes.values()) {
    const { id, account, region, zone, name, sizeBytes, intentId, attachedTo, createdAt, deletedAt } = volume;
    const tags = { ...volume.tags };
    yield { id, kind: "volume", account, region, zone, name, tags, sizeBytes, intentId, attachedTo, createdAt, deletedAt };
  }
  for (const snapshot of shelf.snapshots.values()) {
    const { id, account, region, name, sizeBytes, createdAt, deletedAt } = snapshot;
    yield { id, kind: "snapshot", account, region, name, tags: { ...snapshot.tags }, sizeBytes, createdAt, deletedAt };
  }
}
