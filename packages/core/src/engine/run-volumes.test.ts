import { describe, expect, it } from "vitest";
import { EngineBed } from "../../test/support/engine-bed.ts";
import { AmbiguousOutcomeError } from "../errors/kinds.ts";
import type { Intent } from "../provider/intent.ts";
import type { VolumeInfo } from "../provider/provider.ts";
import { TAGS } from "../provider/tags.ts";

/** A bed whose provider has volumes in zone "z1", and zoned offers. */
function bedWithVolumes(faults: { create?: "reply-lost" } = {}) {
  const bed = new EngineBed();
  const volumes = new Map<string, VolumeInfo>();
  const intents: Intent[] = [];
  const calls: string[] = [];
  const { offers, create } = bed.provider;
  const add = (tags: Record<string, string>, zone: string): VolumeInfo => {
    const id = `v-${volumes.size + 1}`;
    const volume: VolumeInfo = { ref: { provider: "mem", kind: "volume", id }, name: id, tags, sizeBytes: 1e9, zone, state: "available" };
    volumes.set(id, volume);
    return volume;
  };
  bed.provider = {
    ...bed.provider,
    async offers(request) {
      const all = await offers(request);
      return ["z1", "z2"].flatMap((zone, index) =>
        all.map((offer) => ({ ...offer, id: `${offer.id}-${zone}`, zone, pricePerHour: { amount: 2 - index, currency: "USD" } })),
      );
    },
    async create(intent, options) {
      intents.push(intent);
      return create(intent, options);
    },
    volumes: {
      async create({ intentId, tags, zone }) {
        calls.push("create");
        const known = [...volumes.values()].find((volume) => volume.tags[TAGS.intent] === intentId);
        const volume = known ?? add(tags, zone ?? "z1");
        if (faults.create === "reply-lost") {
          faults.create = undefined as never;
          throw new AmbiguousOutcomeError({ what: "No answer." });
        }
        return volume;
      },
      async list(query) {
        return [...volumes.values()].filter(
          (volume) =>
            query.ids?.includes(volume.ref.id) !== false && (query.stateId === undefined || volume.tags[TAGS.state] === query.stateId),
        );
      },
      async attach() {},
      async detach() {},
      async delete(ref) {
        calls.push(`delete ${ref.id}`);
        volumes.delete(ref.id);
      },
    },
  };
  return { bed, volumes, intents, calls, add };
}

describe("volumes of a run", () => {
  it("S-09: a volume named by id goes into the create call, and the machine is bought in its zone, though another is cheaper", async () => {
    const { bed, intents, add, volumes } = bedWithVolumes();
    add({}, "z1");
    const runId = await bed.start(await bed.engine(), { volumes: [{ id: "v-1", mount: "/data", readOnly: true, onEnd: "delete" }] });
    const run = await bed.until(runId, (state) => state.ended !== undefined);
    expect(run.ended?.status).toBe("succeeded");
    expect(intents[0]?.volumes).toEqual([{ ref: { provider: "mem", kind: "volume", id: "v-1" }, mount: "/data", readOnly: true }]);
    expect(intents[0]?.offers[0].zone).toBe("z1");
    // The run did not make it: whatever the spec says, it stays.
    expect(volumes.size).toBe(1);
  });

  it("a volume that does not exist ends the run before anything is bought", async () => {
    const { bed, intents } = bedWithVolumes();
    const runId = await bed.start(await bed.engine(), { volumes: [{ id: "v-9", mount: "/data", readOnly: false, onEnd: "keep" }] });
    const run = await bed.until(runId, (state) => state.ended !== undefined);
    expect(run.ended).toMatchObject({ status: "failed", error: { what: "There is no volume v-9." } });
    expect(intents).toEqual([]);
  });

  it.each([
    ["keep", undefined, ["create"], 1],
    ["delete", undefined, ["create", "delete v-1"], 0],
    ["delete", "reply-lost", ["create", "delete v-1"], 0],
  ] as const)(
    "P-01: a volume that the run makes is written down first, made once, and %s: that is done (%s)",
    async (onEnd, fault, calls, left) => {
      const faults = fault === undefined ? {} : { create: fault };
      const { bed, intents, volumes, calls: called } = bedWithVolumes(faults);
      const create = { sizeBytes: 1e9 };
      const runId = await bed.start(await bed.engine(), { volumes: [{ create, mount: "/data", readOnly: false, onEnd }] });
      await bed.until(runId, (state) => state.ended !== undefined && (onEnd === "keep" || state.volumes[0]?.deletedAt !== undefined));
      const types = await bed.eventTypes(runId);
      expect(types.indexOf("volume-wanted")).toBeGreaterThan(-1);
      expect(types.indexOf("volume-wanted")).toBeLessThan(types.indexOf("volume-held"));
      expect(types.indexOf("volume-held")).toBeLessThan(types.indexOf("intent-recorded"));
      expect(intents[0]?.volumes).toHaveLength(1);
      expect([called, volumes.size]).toEqual([calls, left]);
    },
  );

  it("S-09: the next machine is bought only when the one before, which has the volume, is gone", async () => {
    const { bed, intents, add } = bedWithVolumes();
    add({}, "z1");
    const runId = await bed.start(await bed.engine(), { volumes: [{ id: "v-1", mount: "/data", readOnly: false, onEnd: "keep" }] });
    await bed.until(runId, (state) => state.attempts[0]?.startedAt !== undefined);
    bed.cloud.fault("terminate", ["lie"]);
    bed.cloud.set("m-1", "ending");
    await bed.clock.advance(120_000);
    expect(intents).toHaveLength(1);
    bed.cloud.set("m-1", "ended");
    await bed.until(runId, (state) => state.attempts.length === 2);
    expect(intents).toHaveLength(2);
  });
});
