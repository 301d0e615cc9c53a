import { mkdir } from "node:fs/promises";
import { dirname, isAbsolute, join, normalize, relative, sep } from "node:path";
import { ValidationError } from "@runctl/core/provider";
import { errnoOf } from "./storage-error.ts";

/** An absolute path on the host: absolute ones as they are, relative ones below `home`. @throws ValidationError when a relative one leads out of it. */
export function resolveOnHost(home: string, path: string): string {
  if (path.includes("\0")) throw new ValidationError({ what: "A path must not contain a zero byte." });
  if (isAbsolute(path)) return normalize(path);
  const joined = join(home, path);
  const inside = relative(home, joined);
  if (inside === ".." || inside.startsWith(`..${sep}`)) {
    throw new ValidationError({
      what: `The path ${JSON.stringify(path)} leads out of the machine's folder.`,
      why: "Relative paths are below the machine's home.",
      fix: ["Leave out the `..`, or give an absolute path."],
      context: { path },
    });
  }
  return joined;
}

/**
 * Makes the folders that a file needs. Below `home`, folders are made one by one and `home` itself never: a machine terminated at
 * this very instant must not come back as an empty shell.
 */
export async function makeParents(home: string | undefined, path: string): Promise<void> {
  const parent = dirname(path);
  const inside = home === undefined ? ".." : relative(home, parent);
  if (home === undefined || inside === ".." || inside.startsWith(`..${sep}`)) {
    await mkdir(parent, { recursive: true });
    return;
  }
  let at = home;
  for (const segment of inside.split(sep)) {
    at = join(at, segment);
    if (at === home) continue;
    await mkdir(at, { mode: 0o700 }).catch((error: unknown) => {
      if (errnoOf(error) !== "EEXIST") throw error;
    });
  }
}
