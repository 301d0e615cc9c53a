import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { StorageError } from "../errors/kinds.ts";
import type { Clock } from "../util/clock.ts";
import { isoNow } from "../util/clock.ts";
import { createExclusive, makeFolders, readIfExists, replaceDurably, tmpPath } from "./durable-files.ts";
import { decodeSummed, encodeSummed, RecordDamage } from "./log-record.ts";
import { recordName, type StateLayout } from "./state-layout.ts";

interface StateFile {
  v: 1;
  kind: "runctl-state";
  id: string;
  createdAt: string;
}

/** The id in state.json; undefined when there is no such file. */
async function existingId(layout: StateLayout): Promise<string | undefined> {
  const text = await readIfExists(layout.idFile);
  if (text === undefined) return undefined;
  try {
    return (decodeSummed(text, layout.idFile).value as StateFile).id;
  } catch (error) {
    if (!(error instanceof RecordDamage)) throw error;
    throw new StorageError({
      what: `${layout.idFile} is damaged: ${error.message}.`,
      why: "It holds the id that marks machines as ours; guessing another one would orphan them.",
      fix: ["Restore the file from a backup, or delete it: the id is then taken from the recorded streams."],
      context: { path: layout.idFile, corrupt: error.message },
    });
  }
}

/** The id that the recorded streams carry, for a folder whose state.json was lost. */
async function idFromStreams(layout: StateLayout): Promise<string | undefined> {
  for (const folder of [layout.root, layout.kindFolder("run"), layout.kindFolder("resource")]) {
    for (const name of await readdir(folder).catch(() => [])) {
      const live = await readIfExists(join(folder, name, "events", recordName(0))).catch(() => undefined);
      const text =
        live ?? (name.endsWith(".jsonl") ? (await readIfExists(join(folder, name)).catch(() => undefined))?.split("\n")[1] : undefined);
      if (text === undefined) continue;
      try {
        const id = (decodeSummed(text.endsWith("\n") ? text : `${text}\n`, name).value as { state?: unknown }).state;
        if (typeof id === "string" && id !== "") return id;
      } catch {
        // A damaged stream says nothing; the next one may.
      }
    }
  }
  return undefined;
}

/** Reads the store's id, or creates it; of several first callers one creates and all get the same. */
export async function loadStateId(layout: StateLayout, clock: Clock, owner: string, nonce: () => string): Promise<string> {
  const known = await existingId(layout);
  if (known !== undefined) return known;
  const made = await makeFolders(layout.root);
  // Only in a folder that is ours from the start: state holds nothing that belongs into version control.
  if (made !== undefined) await writeFile(join(layout.root, ".gitignore"), "*\n", { flag: "wx" }).catch(() => {});
  const value: StateFile = { v: 1, kind: "runctl-state", id: (await idFromStreams(layout)) ?? nonce(), createdAt: isoNow(clock) };
  await createExclusive(layout.idFile, tmpPath(layout.root, owner, nonce()), encodeSummed(value).text);
  const id = await existingId(layout);
  if (id === undefined) throw new StorageError({ what: `${layout.idFile} vanished while it was being created.` });
  return id;
}

/** Makes an empty store's id another one: that of a store that was lost. */
export async function replaceStateId(layout: StateLayout, clock: Clock, owner: string, nonce: string, id: string): Promise<void> {
  const value: StateFile = { v: 1, kind: "runctl-state", id, createdAt: isoNow(clock) };
  await replaceDurably(layout.idFile, tmpPath(layout.root, owner, nonce), [encodeSummed(value).text]);
}
