import type { ForeignOrOtherResource, VolumeInfo } from "@runctl/core/provider";
import { iso } from "./cloud-time.ts";

/** A volume in the cloud's own books. */
export interface CloudVolume {
  readonly id: string;
  readonly account: string;
  readonly client: string;
  readonly region: string;
  readonly zone: string;
  readonly type: string;
  readonly sizeBytes: number;
  readonly createdAt: number;
  readonly visibleAt: number;
  readonly availableAt: number;
  readonly intentId: string;
  readonly name: string;
  tags: Record<string, string>;
  /** Id of the machine it is attached to. */
  attachedTo?: string | undefined;
  /** It is mounted and does not let go: detaching has no effect unless it is forced. */
  stuck: boolean;
  deletedAt?: number | undefined;
}

/** A snapshot in the cloud's own books. */
export interface CloudSnapshot {
  readonly id: string;
  readonly account: string;
  readonly region: string;
  readonly volumeId: string;
  readonly sizeBytes: number;
  readonly createdAt: number;
  readonly visibleAt: number;
  readonly name: string;
  tags: Record<string, string>;
  deletedAt?: number | undefined;
}

/** A volume or snapshot as it is, for tests and audits. Times in milliseconds of the cloud's clock. */
export interface VolumeTruth {
  id: string;
  kind: "volume" | "snapshot";
  account: string;
  region: string;
  zone?: string | undefined;
  name: string;
  tags: Readonly<Record<string, string>>;
  sizeBytes: number;
  /** The idempotency token it was made with. */
  intentId?: string | undefined;
  attachedTo?: string | undefined;
  createdAt: number;
  deletedAt?: number | undefined;
}

/** The volume as its account's API shows it. */
export function showVolume(volume: CloudVolume, provider: string, now: number, perGibMonth: number, currency: string): VolumeInfo {
  const { id, region, account } = volume;
  return {
    ref: { provider, account, region, kind: "volume", id },
    name: volume.name,
    tags: { ...volume.tags },
    createdAt: iso(volume.createdAt),
    pricePerHour: { amount: ((volume.sizeBytes / 2 ** 30) * perGibMonth) / 730, currency },
    sizeBytes: volume.sizeBytes,
    zone: volume.zone,
    state: volume.attachedTo !== undefined ? "in-use" : now < volume.availableAt ? "creating" : "available",
    ...(volume.attachedTo === undefined ? {} : { attachedTo: { provider, account, region, kind: "machine", id: volume.attachedTo } }),
  };
}

/** The snapshot as its account's API shows it. */
export function showSnapshot(snapshot: CloudSnapshot, provider: string, perGibMonth: number, currency: string): ForeignOrOtherResource {
  const { id, region, account } = snapshot;
  return {
    ref: { provider, account, region, kind: "snapshot", id },
    name: snapshot.name,
    tags: { ...snapshot.tags },
    createdAt: iso(snapshot.createdAt),
    pricePerHour: { amount: ((snapshot.sizeBytes / 2 ** 30) * perGibMonth) / 730, currency },
  };
}
