import { canonicalJson, type VolumeRequest } from "@runctl/core/provider";
import type { Charge } from "./billing.ts";
import type { BillingRules } from "./billing-rules.ts";
import type { CloudErrors } from "./cloud-errors.ts";
import type { CloudEvents } from "./cloud-events.ts";
import type { CloudMachine } from "./cloud-machine.ts";
import type { CloudTime } from "./cloud-time.ts";
import type { CloudSnapshot, CloudVolume } from "./cloud-volume.ts";
import { checkTags } from "./intent-checks.ts";

const GIB = 2 ** 30;
const LARGEST_GIB = 65_536;
/** EC2 allows 28 attachments on most types. */
const MOST_ATTACHED = 28;

/** What a shelf needs from its cloud. */
export interface ShelfParts {
  time: CloudTime;
  errors: CloudErrors;
  events: CloudEvents;
  rules: BillingRules;
  zones: ReadonlyMap<string, string>;
  creatingMs: number;
  lagMs: () => number;
  state: (machine: CloudMachine) => string;
}

/** A request for a volume with its token. */
export type NewVolume = VolumeRequest & { intentId: string; tags: Record<string, string> };

/** All volumes and snapshots of a cloud. They are bound to a zone (a region), outlive machines and cost until they are deleted. */
export class VolumeShelf {
  /** All that ever were. */
  readonly volumes = new Map<string, CloudVolume>();
  /** Those that are not deleted. */
  readonly live = new Set<CloudVolume>();
  readonly snapshots = new Map<string, CloudSnapshot>();
  readonly #parts: ShelfParts;
  readonly #tokens = new Map<string, { request: string; id: string }>();
  #count = 0;

  constructor(parts: ShelfParts) {
    this.#parts = parts;
  }

  /** Makes a volume, or gives back the one that the same token and request made. @throws ValidationError, ConflictError, NotFoundError */
  create(request: NewVolume, account: string, client: string): CloudVolume {
    const { errors, time, zones } = this.#parts;
    const token = `${account} ${request.intentId}`;
    const known = this.#tokens.get(token);
    if (known !== undefined) {
      if (known.request !== canonicalJson(request))
        throw errors.conflict("IdempotentParameterMismatch", "The client token you have provided was used before with other parameters.");
      const volume = this.volumes.get(known.id);
      if (volume !== undefined) return volume;
    }
    const zone = request.zone ?? [...zones.keys()][0] ?? "";
    const region = zones.get(zone);
    if (region === undefined) throw errors.invalid("InvalidParameterValue", `Value (${zone}) for parameter availabilityZone is invalid.`);
    this.#checkFigures(request);
    checkTags(request.tags, errors);
    this.#checkSource(request, account, region);
    const now = time.now();
    this.#count += 1;
    const volume: CloudVolume = {
      id: `vol-${this.#count.toString(16).padStart(10, "0")}`,
      account,
      client,
      region,
      zone,
      type: request.type ?? "gp3",
      sizeBytes: request.sizeBytes,
      createdAt: now,
      visibleAt: now + this.#parts.lagMs(),
      availableAt: now + this.#parts.creatingMs,
      intentId: request.intentId,
      name: request.name ?? "",
      tags: { ...request.tags },
      stuck: false,
    };
    this.volumes.set(volume.id, volume);
    this.live.add(volume);
    this.#tokens.set(token, { request: canonicalJson(request), id: volume.id });
    this.#event(volume, "created");
    return volume;
  }

  /** The volume that the account may speak of. @throws NotFoundError */
  must(account: string, id: string): CloudVolume {
    const volume = this.volumes.get(id);
    if (volume === undefined || volume.account !== account || volume.deletedAt !== undefined)
      throw this.#parts.errors.notFound("InvalidVolume.NotFound", `The volume '${id}' does not exist.`);
    return volume;
  }

  /** Whether the volume could be attached to a machine in that zone now. @throws ValidationError, ConflictError */
  checkFree(volume: CloudVolume, zone: string, machine?: string | undefined): void {
    const { errors, time } = this.#parts;
    if (volume.zone !== zone)
      throw errors.invalid(
        "InvalidVolume.ZoneMismatch",
        `The volume '${volume.id}' is not in the same availability zone as the instance: ${volume.zone} and ${zone}.`,
      );
    if (volume.attachedTo !== undefined && volume.attachedTo !== machine)
      throw errors.conflict("VolumeInUse", `${volume.id} is already attached to an instance.`);
    if (time.now() < volume.availableAt) throw errors.conflict("IncorrectState", `${volume.id} is not 'available'.`);
  }

  /** Attaching again to the same machine changes nothing. @throws ValidationError, ConflictError */
  attach(volume: CloudVolume, machine: CloudMachine): void {
    const { errors, state } = this.#parts;
    if (volume.attachedTo === machine.id) return;
    this.checkFree(volume, machine.pool.zone);
    if (!["pending", "running", "stopped"].includes(state(machine)))
      throw errors.conflict("IncorrectState", `Instance '${machine.id}' is not 'running'.`);
    if (machine.volumes.length >= MOST_ATTACHED)
      throw errors.conflict("AttachmentLimitExceeded", `The maximum number of attachments of '${machine.id}' has been reached.`);
    volume.attachedTo = machine.id;
    machine.volumes.push(volume.id);
    this.#event(volume, `attached to ${machine.id}`);
  }

  /** Detaching what is not attached changes nothing. @throws ConflictError when it does not let go. */
  detach(volume: CloudVolume, machine: CloudMachine | undefined, force: boolean): void {
    if (volume.attachedTo === undefined) return;
    if (volume.stuck && !force)
      throw this.#parts.errors.conflict(
        "IncorrectState",
        `The attachment of ${volume.id} is 'busy': it is still mounted on ${volume.attachedTo}.`,
      );
    volume.attachedTo = undefined;
    volume.stuck = false;
    if (machine !== undefined) machine.volumes = machine.volumes.filter((id) => id !== volume.id);
    this.#event(volume, "detached");
  }

  /** What was attached to a machine that ended. */
  release(machine: CloudMachine): void {
    for (const id of machine.volumes.splice(0)) {
      const volume = this.volumes.get(id);
      if (volume !== undefined) this.detach(volume, undefined, true);
    }
  }

  /** Gone is success. @throws ConflictError while it is attached. */
  delete(account: string, id: string): void {
    const volume = this.volumes.get(id);
    if (volume === undefined || volume.account !== account || volume.deletedAt !== undefined) return;
    if (volume.attachedTo !== undefined)
      throw this.#parts.errors.conflict("VolumeInUse", `Volume ${id} is currently attached to ${volume.attachedTo}.`);
    volume.deletedAt = this.#parts.time.now();
    this.live.delete(volume);
    this.#event(volume, "deleted");
  }

  snapshot(volume: CloudVolume, options: { name?: string | undefined; tags: Record<string, string> }): CloudSnapshot {
    checkTags(options.tags, this.#parts.errors);
    const now = this.#parts.time.now();
    this.#count += 1;
    const snapshot: CloudSnapshot = {
      id: `snap-${this.#count.toString(16).padStart(10, "0")}`,
      account: volume.account,
      region: volume.region,
      volumeId: volume.id,
      sizeBytes: volume.sizeBytes,
      createdAt: now,
      visibleAt: now + this.#parts.lagMs(),
      name: options.name ?? "",
      tags: { ...options.tags },
    };
    this.snapshots.set(snapshot.id, snapshot);
    return snapshot;
  }

  /** Gone is success. */
  deleteSnapshot(account: string, id: string): void {
    const snapshot = this.snapshots.get(id);
    if (snapshot?.account === account) snapshot.deletedAt ??= this.#parts.time.now();
  }

  /** What a volume or snapshot has cost: from creation to deletion, at least the minimum. */
  chargesOf(thing: CloudVolume | CloudSnapshot, now: number): Charge[] {
    const { rules } = this.#parts;
    const perMonth = "zone" in thing ? rules.volumePerGibMonth : rules.snapshotPerGibMonth;
    const to = Math.max(thing.deletedAt ?? now, thing.createdAt + rules.minimumSeconds * 1000);
    return [{ what: "storage", from: thing.createdAt, to, perHour: ((thing.sizeBytes / GIB) * perMonth) / 730 }];
  }

  #checkFigures(request: NewVolume): void {
    const { errors } = this.#parts;
    const gib = request.sizeBytes / GIB;
    if (!(gib >= 1 && gib <= LARGEST_GIB))
      throw errors.invalid(
        "InvalidParameterValue",
        `Volume of ${request.sizeBytes} bytes is invalid; minimum is 1GiB, maximum ${LARGEST_GIB}GiB.`,
      );
    if (request.iops !== undefined && !(request.iops >= 3_000 && request.iops <= 80_000))
      throw errors.invalid("InvalidParameterValue", `Volume iops of ${request.iops} is out of range: 3000 to 80000.`);
    if (request.throughputMiBps !== undefined && !(request.throughputMiBps >= 125 && request.throughputMiBps <= 2_000))
      throw errors.invalid("InvalidParameterValue", `Throughput (MiB/s) of ${request.throughputMiBps} is out of range: 125 to 2000.`);
  }

  #checkSource(request: NewVolume, account: string, region: string): void {
    if (request.fromSnapshot === undefined) return;
    const { errors } = this.#parts;
    const source = this.snapshots.get(request.fromSnapshot);
    if (source === undefined || source.account !== account || source.region !== region || source.deletedAt !== undefined)
      throw errors.notFound("InvalidSnapshot.NotFound", `The snapshot '${request.fromSnapshot}' does not exist.`);
    if (request.sizeBytes < source.sizeBytes)
      throw errors.invalid("InvalidParameterValue", `The requested size is smaller than the snapshot's: ${source.sizeBytes} bytes.`);
  }

  #event(volume: CloudVolume, detail: string): void {
    const { events, time } = this.#parts;
    if (events.wanted)
      events.push({ at: time.now(), kind: "volume", id: volume.id, account: volume.account, client: volume.client, detail });
  }
}
