import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileError } from "../storage/file-errors.ts";
import { lifeOf, ownWriter, parseWriter } from "../storage/file-writer.ts";

const NAME = "runctl-spool-";

// A snapshot that was killed leaves its spool; its name says whose it was.
async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    if (!name.startsWith(NAME)) continue;
    const owner = parseWriter(name.slice(NAME.length, name.lastIndexOf("-")));
    if (owner !== undefined && lifeOf(owner) === "dead")
      await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

/**
 * A folder for packs in the making: in `cacheDir`, which usually shares the store's disk so that a finished pack is renamed and not
 * copied, else in the system's temporary folder. Removes what killed snapshots left there.
 */
export async function makeSpool(cacheDir: string | undefined): Promise<string> {
  const name = `${NAME}${ownWriter()}-`;
  if (cacheDir !== undefined) {
    try {
      await mkdir(cacheDir, { recursive: true, mode: 0o700 });
      await sweep(cacheDir);
      return await mkdtemp(join(cacheDir, name));
    } catch {
      // Read-only or full: the temporary folder will do.
    }
  }
  await sweep(tmpdir());
  try {
    return await mkdtemp(join(tmpdir(), name));
  } catch (error) {
    throw fileError(error, "Making a folder in", tmpdir());
  }
}
