import { describe, expect, it } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { MemoryCloud, memoryProvider } from "../../test/support/memory-provider.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import { Images } from "./images.ts";

const bare = memoryProvider(new MemoryCloud(new ManualClock()));
const builder: TrainingProvider = { ...bare, name: "builder", images: { build: async (request) => ({ image: request.tag }) } };
const registry: TrainingProvider = {
  ...bare,
  name: "registry",
  images: {
    build: async () => ({ image: "never" }),
    push: async (image) => ({ image: `registry/${image}`, digest: "sha256:1" }),
    resolve: async (image) => ({ image, digest: "sha256:2" }),
  },
};
const request = { contextDir: "/p", dockerfile: "Dockerfile", tag: "t", buildArgs: {} };

describe("Images", () => {
  it("uses the first provider that can, or the one that is named", async () => {
    const images = new Images([bare, builder, registry]);
    expect(await images.build(request)).toEqual({ image: "t" });
    expect(await images.build({ ...request, provider: "registry" })).toEqual({ image: "never" });
    expect((await images.push("t")).image).toBe("registry/t");
    expect((await images.resolve("t")).digest).toBe("sha256:2");
  });

  it("says who cannot", async () => {
    await expect(new Images([bare]).build(request)).rejects.toMatchObject({ code: "RUNCTL_UNSUPPORTED_CAPABILITY" });
    await expect(new Images([builder]).push("t")).rejects.toMatchObject({ code: "RUNCTL_UNSUPPORTED_CAPABILITY" });
    await expect(new Images([builder]).push("t", { provider: "nobody" })).rejects.toMatchObject({ code: "RUNCTL_NOT_FOUND" });
  });
});
