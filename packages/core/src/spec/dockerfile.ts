import { stat } from "node:fs/promises";
import { join } from "node:path";

/** Where a Dockerfile is looked for, in this order. The host agent looks in the same places (agent/runctl_agent/setup/container.py). Source: original.md §1.12. */
export const DOCKERFILE_PLACES = [
  "Dockerfile",
  "Dockerfile.train",
  "docker/Dockerfile",
  "deployment/Dockerfile",
  "training/Dockerfile",
  "scripts/Dockerfile",
  "src/Dockerfile",
] as const;

/** The project's Dockerfile, relative to its root; undefined when there is none. */
export async function findDockerfile(root: string): Promise<string | undefined> {
  for (const place of DOCKERFILE_PLACES) {
    const found = await stat(join(root, place)).catch(() => undefined);
    if (found?.isFile() === true) return place;
  }
  return undefined;
}
