import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DOCKERFILE_PLACES, findDockerfile } from "./dockerfile.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "runctl-dockerfile-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe("findDockerfile", () => {
  it.each(DOCKERFILE_PLACES.map((place, index) => [place, index] as const))(
    "S-24: finds %s before all later places",
    async (place, index) => {
      for (const later of DOCKERFILE_PLACES.slice(index)) {
        await mkdir(dirname(join(root, later)), { recursive: true });
        await writeFile(join(root, later), "FROM scratch\n");
      }
      expect(await findDockerfile(root)).toBe(place);
    },
  );

  it("finds none in a project without one, and takes no folder for one", async () => {
    await mkdir(join(root, "Dockerfile"));
    expect(await findDockerfile(root)).toBeUndefined();
  });

  it("looks where the host agent looks", async () => {
    const agent = await readFile(fileURLToPath(new URL("../../agent/runctl_agent/setup/container.py", import.meta.url)), "utf8");
    const listed = /DOCKERFILES = \(([^)]*)\)/.exec(agent)?.[1] ?? "";
    expect([...listed.matchAll(/"([^"]+)"/g)].map((match) => match[1])).toEqual([...DOCKERFILE_PLACES]);
  });
});
