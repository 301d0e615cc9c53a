import { NotFoundError, TimeoutError } from "../errors/kinds.ts";
import type { VolumeMount } from "../provider/intent.ts";
import type { Offer } from "../provider/offer.ts";
import type { ProviderVolumes, TrainingProvider, VolumeInfo } from "../provider/provider.ts";
import { parseRef } from "../provider/resource.ts";
import { TAGS } from "../provider/tags.ts";
import { isoNow } from "../util/clock.ts";
import { randomId } from "../util/random.ts";
import type { DriverPort } from "./driver-port.ts";
import { failureRecord } from "./failure.ts";
import type { RunState, RunVolume } from "./run-state.ts";

const DEFAULT_SETTLE_MS = 60_000;

/** Where a machine may be to use the run's volumes; the spec's own wish while they leave that open. */
export interface VolumePlace {
  providers: string[];
  zones: string[];
}

/**
 * Finds the volumes that the spec names by id and records them. "changed": something was recorded, or the run ended because one does
 * not exist; decide again. @throws what the providers throw: then it is not known, and tried again.
 */
export async function volumePlace(driver: DriverPort, asked: readonly TrainingProvider[]): Promise<VolumePlace | "changed"> {
  const { state } = driver;
  const madeAt = state.version;
  for (const [index, { id }] of state.spec.volumes.entries()) {
    if (id === undefined || heldAt(state, index) !== undefined) continue;
    const volume = await findById(asked, id);
    if (volume === undefined) {
      driver.context.slots.release(driver.runId);
      const error = new NotFoundError({
        what: `There is no volume ${id}.`,
        why: "No provider that this run may use lists it.",
        fix: ["Compare with `runctl.volumes.list({ includeForeign: true })`.", "Write { create: { sizeBytes } } to have one made."],
      });
      await driver.decided([{ type: "run-ended", status: "failed", error: failureRecord(error) }], madeAt);
    } else {
      await driver.fact({ type: "volume-held", index, volume, owned: false });
    }
    return "changed";
  }
  const known = state.volumes.map((held) => ({ provider: held.volume?.ref.provider ?? held.wanted?.provider, zone: zoneOf(held) }));
  const providers = [...new Set(known.flatMap(({ provider }) => provider ?? []))];
  const zones = [...new Set(known.flatMap(({ zone }) => zone ?? []))];
  return { providers: providers.length === 0 ? state.spec.providers : providers, zones: zones.length === 0 ? state.spec.zones : zones };
}

/**
 * Makes the volumes that the spec asks for and that do not exist yet, where the machine will be. The wish is durable before the call.
 * True: something was recorded; decide again. They cost from now on, whatever becomes of the run.
 */
export async function makeVolumes(driver: DriverPort, offer: Offer): Promise<boolean> {
  const { context, state } = driver;
  const index = state.spec.volumes.findIndex(
    (wish, place) => wish.create !== undefined && !state.volumes.some((held) => held.index === place && held.volume !== undefined),
  );
  const request = state.spec.volumes[index]?.create;
  if (request === undefined) return false;
  const known = state.volumes.find((held) => held.index === index)?.wanted;
  if (known === undefined) {
    const intentId = randomId(context.random, 20);
    const zone = request.zone ?? offer.zone;
    driver.recordedHere.add(intentId);
    await driver.decided([
      {
        type: "volume-wanted",
        index,
        provider: offer.provider,
        intentId,
        request: { ...request, ...(zone === undefined ? {} : { zone }) },
        tags: {
          ...state.spec.labels,
          [TAGS.createdBy]: "runctl",
          [TAGS.created]: isoNow(context.clock),
          [TAGS.project]: state.spec.project,
          [TAGS.user]: state.spec.user,
          [TAGS.state]: context.stateId,
          [TAGS.run]: driver.runId,
          [TAGS.intent]: intentId,
          ...(request.persistent === true ? { [TAGS.persistent]: "true", [TAGS.protected]: "true" } : {}),
        },
      },
    ]);
  }
  const wanted = driver.state.volumes.find((held) => held.index === index)?.wanted;
  if (wanted !== undefined) await make(driver, index, wanted);
  return true;
}

/** What the create call of a machine is told. */
export function volumeMounts(state: RunState): VolumeMount[] {
  return state.spec.volumes.flatMap(({ mount, readOnly }, index) => {
    const ref = heldAt(state, index)?.volume?.ref;
    return ref === undefined ? [] : [{ ref, mount, readOnly }];
  });
}

/** After the run: a volume that it made goes, by the spec; one that may have been made is found first. */
export async function endVolume(driver: DriverPort, index: number): Promise<void> {
  const held = driver.state.volumes.find((candidate) => candidate.index === index);
  if (held === undefined || held.deletedAt !== undefined) return;
  const { wanted, volume } = held;
  if (volume !== undefined) {
    await volumesOf(driver, volume.ref.provider).delete(volume.ref);
    await driver.fact({ type: "volume-deleted", index });
    return;
  }
  if (wanted === undefined) return;
  const found = await findWanted(driver, wanted);
  if (found !== undefined) await driver.fact({ type: "volume-held", index, volume: found, owned: true });
  else if (isSettled(driver, wanted)) await driver.fact({ type: "volume-void", index });
  else throw notSettled(index);
}

type Wanted = NonNullable<RunVolume["wanted"]>;

/** The same bytes again where the provider knows them by their token; elsewhere only after it was certainly not made. */
async function make(driver: DriverPort, index: number, wanted: Wanted): Promise<void> {
  const { providers } = driver.context;
  const wasSent = !driver.recordedHere.has(wanted.intentId);
  let volume = wasSent ? await findWanted(driver, wanted) : undefined;
  if (volume === undefined) {
    const again = providers.get(wanted.provider).capabilities.identity === "token";
    if (wasSent && !again && !isSettled(driver, wanted)) throw notSettled(index);
    await driver.gate();
    // From here on its fate is open until the answer.
    driver.recordedHere.delete(wanted.intentId);
    volume = await volumesOf(driver, wanted.provider).create({ ...wanted.request, intentId: wanted.intentId, tags: wanted.tags });
  }
  await driver.fact({ type: "volume-held", index, volume, owned: true });
}

async function findWanted(driver: DriverPort, wanted: Wanted): Promise<VolumeInfo | undefined> {
  const listed = await volumesOf(driver, wanted.provider).list({ stateId: driver.context.stateId });
  return listed.find((volume) => volume.tags[TAGS.intent] === wanted.intentId);
}

async function findById(asked: readonly TrainingProvider[], id: string): Promise<VolumeInfo | undefined> {
  const native = parseRef(id)?.id ?? id;
  for (const provider of asked) {
    const listed = (await provider.volumes?.list({ ids: [native], includeForeign: true })) ?? [];
    const found = listed.find((volume) => volume.ref.id === native);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isSettled(driver: DriverPort, wanted: Wanted): boolean {
  const { clock, providers } = driver.context;
  return clock.now() - Date.parse(wanted.at) >= (providers.get(wanted.provider).capabilities.settleMs ?? DEFAULT_SETTLE_MS);
}

function notSettled(index: number): TimeoutError {
  return new TimeoutError({ what: `Whether volume ${index} of the spec was made is not certain yet.` });
}

function volumesOf(driver: DriverPort, provider: string): ProviderVolumes {
  const { volumes } = driver.context.providers.get(provider);
  if (volumes === undefined) throw new NotFoundError({ what: `The provider ${provider} has no volumes any more.` });
  return volumes;
}

function heldAt(state: RunState, index: number): RunVolume | undefined {
  return state.volumes.find((held) => held.index === index && held.volume !== undefined);
}

function zoneOf(held: RunVolume): string | undefined {
  return held.volume?.zone ?? held.wanted?.request.zone;
}
