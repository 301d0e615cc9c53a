import { constants } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Random, randomId } from "@runctl/core/provider";

/** Syncs a folder, so that a rename in it survives a power cut. Not possible on some file systems: that is no reason to fail. */
export async function syncDir(dir: string): Promise<void> {
  const handle = await open(dir, constants.O_RDONLY).catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Writes a file whole: a temporary file beside it, sync, rename, sync of the folder. A failure leaves the old file and no temporary one. */
export async function writeAtomic(path: string, data: string | Uint8Array, random: Random, mode = 0o600): Promise<void> {
  const tmp = join(dirname(path), `.${basename(path).slice(0, 50)}.${randomId(random, 8)}.tmp`);
  try {
    const handle = await open(tmp, "wx", mode);
    try {
      // open() applies the umask; what was asked for is meant.
      await handle.chmod(mode);
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(tmp, path);
  } catch (error) {
    await rm(tmp, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDir(dirname(path));
}
