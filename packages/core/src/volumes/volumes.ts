import { NotFoundError, UnsupportedCapabilityError, ValidationError } from "../errors/kinds.ts";
import type {
  FindQuery,
  ProviderVolumes,
  TrainingProvider,
  VolumeInfo,
  VolumeRecommendation,
  VolumeRequest,
  VolumeWorkload,
} from "../provider/provider.ts";
import { type ForeignOrOtherResource, parseRef, type ResourceRef } from "../provider/resource.ts";
import { TAGS } from "../provider/tags.ts";
import type { StateStore } from "../state/state-store.ts";
import { type Clock, isoNow } from "../util/clock.ts";
import { type Random, randomId } from "../util/random.ts";

export interface VolumesOptions {
  providers: readonly TrainingProvider[];
  state: StateStore;
  clock: Clock;
  random: Random;
  project(): string;
  user(): string;
}

/**
 * Block storage of the providers that have it. Every method throws UnsupportedCapabilityError where none has; access never does.
 * Volumes outlive machines and runs: only `delete` ends them, and what they cost goes on until then.
 */
export class Volumes {
  readonly #options: VolumesOptions;

  constructor(options: VolumesOptions) {
    this.#options = options;
  }

  /** Makes a volume; it costs from now on. `provider` is needed where several have volumes. */
  async create(
    request: VolumeRequest & { provider?: string | undefined; labels?: Record<string, string> | undefined },
  ): Promise<VolumeInfo> {
    const { provider: name, labels, ...volume } = request;
    const { clock, random, state } = this.#options;
    const part = this.#one(name);
    const intentId = randomId(random, 20);
    return part.volumes.create({
      ...volume,
      intentId,
      tags: {
        ...labels,
        [TAGS.createdBy]: "runctl",
        [TAGS.created]: isoNow(clock),
        [TAGS.project]: this.#options.project(),
        [TAGS.user]: this.#options.user(),
        [TAGS.state]: await state.stateId(),
        [TAGS.intent]: intentId,
        ...(volume.persistent === true ? { [TAGS.persistent]: "true", [TAGS.protected]: "true" } : {}),
      },
    });
  }

  /** Volumes of this state, or of everybody with `includeForeign`. */
  async list(query: Pick<FindQuery, "includeForeign" | "ids" | "signal"> = {}): Promise<VolumeInfo[]> {
    const stateId = await this.#options.state.stateId();
    const lists = await Promise.all(
      this.#all().map((part) => part.volumes.list({ ...query, ...(query.includeForeign === true ? {} : { stateId }) })),
    );
    return lists.flat();
  }

  /** One volume by text form or native id; undefined when there is none. */
  async get(id: string): Promise<VolumeInfo | undefined> {
    const native = parseRef(id)?.id ?? id;
    return (await this.list({ ids: [native], includeForeign: true })).find((volume) => volume.ref.id === native);
  }

  async attach(volume: string, machine: string): Promise<void> {
    const ref = await this.#ref(volume);
    await this.#one(ref.provider).volumes.attach(ref, machineRef(machine, ref));
  }

  async detach(volume: string, options: { force?: boolean | undefined } = {}): Promise<void> {
    const ref = await this.#ref(volume);
    await this.#one(ref.provider).volumes.detach(ref, options);
  }

  /** Deletes a volume and what is on it. */
  async delete(volume: string): Promise<void> {
    const ref = await this.#ref(volume);
    await this.#one(ref.provider).volumes.delete(ref);
  }

  /** Copies data onto a volume before a machine needs it. It costs what the provider's helper costs; repeating goes on where it stopped. */
  async prewarm(volume: string, from: string): Promise<void> {
    const ref = await this.#ref(volume);
    const part = this.#one(ref.provider);
    if (part.volumes.prewarm === undefined) throw unsupported("pre-warmed volumes", ref.provider);
    await part.volumes.prewarm(ref, from);
  }

  /** Type and figures for a workload, with reasons. Asks no provider's API and costs nothing. */
  recommend(workload: VolumeWorkload & { provider?: string | undefined }): VolumeRecommendation {
    const { provider, ...rest } = workload;
    const part = this.#one(provider);
    if (part.volumes.recommend === undefined) throw unsupported("advice on volumes", part.name);
    return part.volumes.recommend(rest);
  }

  async snapshot(volume: string, options: { name?: string | undefined } = {}): Promise<ResourceRef> {
    const ref = await this.#ref(volume);
    const part = this.#one(ref.provider);
    if (part.volumes.snapshot === undefined) throw unsupported("snapshots", ref.provider);
    const tags = { [TAGS.createdBy]: "runctl", [TAGS.state]: await this.#options.state.stateId(), [TAGS.project]: this.#options.project() };
    return part.volumes.snapshot(ref, { ...options, tags });
  }

  async snapshots(): Promise<ForeignOrOtherResource[]> {
    const stateId = await this.#options.state.stateId();
    const lists = await Promise.all(this.#all().map((part) => part.volumes.snapshots?.({ stateId }) ?? []));
    return lists.flat();
  }

  /** A new volume from a snapshot. */
  async restore(snapshot: string, request: VolumeRequest & { provider?: string | undefined }): Promise<VolumeInfo> {
    return this.create({ ...request, fromSnapshot: parseRef(snapshot)?.id ?? snapshot });
  }

  #all(): Array<{ name: string; volumes: ProviderVolumes }> {
    const parts = this.#options.providers.flatMap((provider) =>
      provider.volumes === undefined ? [] : [{ name: provider.name, volumes: provider.volumes }],
    );
    if (parts.length === 0) throw unsupported("volumes", undefined);
    return parts;
  }

  #one(name: string | undefined): { name: string; volumes: ProviderVolumes } {
    const parts = this.#all();
    if (name !== undefined) {
      const part = parts.find((candidate) => candidate.name === name);
      if (part === undefined) throw unsupported("volumes", name);
      return part;
    }
    const [only, ...more] = parts;
    if (only !== undefined && more.length === 0) return only;
    throw new ValidationError({
      what: `provider is missing: ${parts.map((part) => part.name).join(" and ")} have volumes.`,
      why: "A volume lives at one provider.",
      fix: [`For example { provider: "${only?.name ?? ""}" }.`],
    });
  }

  async #ref(id: string): Promise<ResourceRef> {
    const known = parseRef(id) ?? (await this.get(id))?.ref;
    if (known !== undefined) return known;
    throw new NotFoundError({
      what: `There is no volume ${JSON.stringify(id)}.`,
      fix: ["List them with `runctl.volumes.list()`."],
      context: { volume: id },
    });
  }
}

function machineRef(machine: string, volume: ResourceRef): ResourceRef {
  return (
    parseRef(machine) ?? {
      provider: volume.provider,
      ...(volume.region === undefined ? {} : { region: volume.region }),
      kind: "machine",
      id: machine,
    }
  );
}

function unsupported(what: string, provider: string | undefined): UnsupportedCapabilityError {
  return new UnsupportedCapabilityError({
    what: provider === undefined ? `No provider here has ${what}.` : `${provider} has no ${what}.`,
    why: "Volumes are block storage that a cloud keeps apart from machines.",
    fix: ["Use a provider that has them (aws, runpod).", "Or keep data in an object store: inputs and outputs of the run spec."],
    ...(provider === undefined ? {} : { provider }),
  });
}
