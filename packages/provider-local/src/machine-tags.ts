import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { NotFoundError, type Random, sha256Hex } from "@runctl/core/provider";
import { writeAtomic } from "./atomic-file.ts";
import { readMachine } from "./machine-record.ts";
import { errnoOf, storageError } from "./storage-error.ts";

/** Writes tags onto a machine; they replace those of the same key. @throws NotFoundError, StorageError. */
export async function tagMachine(dir: string, tags: Record<string, string>, random: Random): Promise<void> {
  if (typeof readMachine(dir) === "string") throw missing(dir);
  const folder = join(dir, "tags");
  try {
    await mkdir(folder, { mode: 0o700 }).catch((error: unknown) => {
      if (errnoOf(error) !== "EEXIST") throw error;
    });
    for (const [key, value] of Object.entries(tags)) {
      await writeAtomic(join(folder, `${sha256Hex(key).slice(0, 32)}.json`), `${JSON.stringify({ key, value })}\n`, random);
    }
  } catch (error) {
    throw errnoOf(error) === "ENOENT" ? missing(dir) : storageError("Writing tags", folder, error);
  }
}

function missing(dir: string): NotFoundError {
  return new NotFoundError({ what: `There is no local machine in ${JSON.stringify(dir)} to tag.`, context: { dir } });
}
