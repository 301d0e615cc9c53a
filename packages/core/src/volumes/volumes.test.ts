import { beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { MemoryCloud, memoryProvider } from "../../test/support/memory-provider.ts";
import type { ProviderVolumes, TrainingProvider, VolumeInfo } from "../provider/provider.ts";
import { TAGS } from "../provider/tags.ts";
import { memoryState } from "../state/memory-state.ts";
import { systemRandom } from "../util/random.ts";
import { Volumes } from "./volumes.ts";

const clock = new ManualClock();
let made: VolumeInfo[];
let calls: string[];

function volumesOf(provider: string): ProviderVolumes {
  return {
    async create(request) {
      const volume: VolumeInfo = {
        ref: { provider, kind: "volume", id: `vol-${made.length + 1}` },
        name: request.name ?? "",
        tags: request.tags,
        sizeBytes: request.sizeBytes,
        state: "available",
      };
      made.push(volume);
      return volume;
    },
    async list(query) {
      const ids = query.ids;
      return made
        .filter((volume) => volume.ref.provider === provider && (ids === undefined || ids.includes(volume.ref.id)))
        .filter((volume) => query.stateId === undefined || volume.tags[TAGS.state] === query.stateId);
    },
    async attach(volume, machine) {
      calls.push(`attach ${volume.id} ${machine.provider}/${machine.id}`);
    },
    async detach(volume, options) {
      calls.push(`detach ${volume.id} ${options?.force === true}`);
    },
    async delete(volume) {
      made = made.filter((each) => each.ref.id !== volume.id);
    },
    recommend: (workload) => ({ request: { sizeBytes: workload.sizeBytes, type: "fast" }, reasons: [workload.purpose] }),
  };
}

function withVolumes(name: string): TrainingProvider {
  return { ...memoryProvider(new MemoryCloud(clock)), name, volumes: volumesOf(name) };
}

function facade(...providers: TrainingProvider[]): { volumes: Volumes; stateId: Promise<string> } {
  const state = memoryState();
  const volumes = new Volumes({ providers, state, clock, random: systemRandom, project: () => "digits", user: () => "ada" });
  return { volumes, stateId: state.stateId() };
}

beforeEach(() => {
  made = [];
  calls = [];
});

describe("Volumes", () => {
  it("throws unsupported-capability where nobody has volumes, and only when used", async () => {
    const { volumes } = facade(memoryProvider(new MemoryCloud(clock)));
    for (const use of [
      () => volumes.list(),
      () => volumes.create({ sizeBytes: 1 }),
      async () => volumes.recommend({ purpose: "data", sizeBytes: 1 }),
    ]) {
      await expect(use()).rejects.toMatchObject({ code: "RUNCTL_UNSUPPORTED_CAPABILITY" });
    }
  });

  it("marks what it makes as ours in the create call, and protects what is to persist", async () => {
    const { volumes, stateId } = facade(withVolumes("cloud"));
    const volume = await volumes.create({ name: "data", sizeBytes: 10, persistent: true, labels: { team: "a" } });
    expect(volume.tags).toMatchObject({
      [TAGS.state]: await stateId,
      [TAGS.project]: "digits",
      [TAGS.user]: "ada",
      [TAGS.protected]: "true",
      team: "a",
    });
    expect((await volumes.get("vol-1"))?.name).toBe("data");
    expect((await volumes.get("cloud/volume/vol-1"))?.name).toBe("data");
    expect(await volumes.get("vol-9")).toBeUndefined();
  });

  it("lists ours only, unless asked for everybody's", async () => {
    const { volumes } = facade(withVolumes("cloud"));
    await volumes.create({ sizeBytes: 1 });
    made.push({ ref: { provider: "cloud", kind: "volume", id: "theirs" }, name: "x", tags: {}, sizeBytes: 1, state: "available" });
    expect((await volumes.list()).map((volume) => volume.ref.id)).toEqual(["vol-1"]);
    expect((await volumes.list({ includeForeign: true })).map((volume) => volume.ref.id)).toEqual(["vol-1", "theirs"]);
  });

  it("asks which provider where several have volumes", async () => {
    const { volumes } = facade(withVolumes("one"), withVolumes("two"));
    await expect(volumes.create({ sizeBytes: 1 })).rejects.toMatchObject({ code: "RUNCTL_VALIDATION" });
    expect((await volumes.create({ sizeBytes: 1, provider: "two" })).ref.provider).toBe("two");
    await expect(volumes.create({ sizeBytes: 1, provider: "three" })).rejects.toMatchObject({ code: "RUNCTL_UNSUPPORTED_CAPABILITY" });
  });

  it("attaches, detaches, advises and deletes by native id; what is missing is said by name", async () => {
    const { volumes } = facade(withVolumes("cloud"));
    await volumes.create({ sizeBytes: 1 });
    await volumes.attach("vol-1", "i-1");
    await volumes.detach("vol-1", { force: true });
    expect(calls).toEqual(["attach vol-1 cloud/i-1", "detach vol-1 true"]);
    expect(volumes.recommend({ purpose: "checkpoints", sizeBytes: 5 }).reasons).toEqual(["checkpoints"]);
    await expect(volumes.snapshot("vol-1")).rejects.toMatchObject({ code: "RUNCTL_UNSUPPORTED_CAPABILITY" });
    await expect(volumes.prewarm("vol-1", "s3://b/data/")).rejects.toMatchObject({ code: "RUNCTL_UNSUPPORTED_CAPABILITY" });
    await expect(volumes.attach("vol-7", "i-1")).rejects.toMatchObject({ code: "RUNCTL_NOT_FOUND" });
    await volumes.delete("vol-1");
    expect(made).toEqual([]);
  });
});
