import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { errnoOf } from "./storage-error.ts";

const money = z.object({ amount: z.number(), currency: z.string() });

/** `machine.json`: written once, before the machine's folder gets its name, and never changed. Unknown fields are kept out. */
const machineRecordSchema = z.object({
  v: z.literal(1),
  intent: z.string(),
  name: z.string(),
  /** Random; in the environment of every command run on the machine, so that all its processes can be found and ended. */
  token: z.string(),
  createdAt: z.string(),
  type: z.string(),
  market: z.string(),
  offerId: z.string(),
  pricePerHour: money,
  tags: z.record(z.string(), z.string()),
  endBy: z.string().optional(),
});
export type MachineRecord = z.infer<typeof machineRecordSchema>;

/** `ended.json`: the machine is over. Written before its processes are killed, so that no new one is started. */
const endedSchema = z.object({ at: z.string(), reason: z.string(), kind: z.enum(["terminate", "interruption"]) });
/** `stopped.json`: the machine is stopped; `over` are the attempts that were on it, "<run>/<attempt>". */
const stoppedSchema = z.object({ at: z.string(), over: z.array(z.string()) });
/** `started.json`: it was started again; its former attempts count no more. */
const startedSchema = stoppedSchema;

const tagSchema = z.object({ key: z.string(), value: z.string() });

export type EndedRecord = z.infer<typeof endedSchema>;
export type StoppedRecord = z.infer<typeof stoppedSchema>;

/** Everything that the files of a machine's folder say about it. */
export interface MachineFiles {
  dir: string;
  record: MachineRecord;
  /** The record's tags and what `tag` wrote later. */
  tags: Record<string, string>;
  ended?: EndedRecord | undefined;
  stopped?: StoppedRecord | undefined;
  started?: StoppedRecord | undefined;
  hasRuns: boolean;
}

/** A JSON file checked by a schema; undefined when it is missing or does not parse. */
export async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error))) return undefined;
    throw error;
  }
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads a machine's folder. "absent": there is no machine (also an empty folder). "unreadable": there is one, but its record
 * cannot be read: never take that for absence.
 */
export async function readMachine(dir: string): Promise<MachineFiles | "absent" | "unreadable"> {
  let names: string[];
  try {
    names = await readdir(dir);
  } catch (error) {
    return ["ENOENT", "ENOTDIR"].includes(errnoOf(error)) ? "absent" : "unreadable";
  }
  if (!names.includes("machine.json")) return "absent";
  try {
    const record = await readJson(join(dir, "machine.json"), machineRecordSchema);
    if (record === undefined) return (await readdir(dir).catch(() => [] as string[])).includes("machine.json") ? "unreadable" : "absent";
    const has = new Set(names);
    return {
      dir,
      record,
      tags: has.has("tags") ? { ...record.tags, ...(await readTags(join(dir, "tags"))) } : record.tags,
      ended: has.has("ended.json") ? await readJson(join(dir, "ended.json"), endedSchema) : undefined,
      stopped: has.has("stopped.json") ? await readJson(join(dir, "stopped.json"), stoppedSchema) : undefined,
      started: has.has("started.json") ? await readJson(join(dir, "started.json"), startedSchema) : undefined,
      hasRuns: has.has("runs"),
    };
  } catch {
    return "unreadable";
  }
}

// One file a tag: two processes that write different tags at once lose neither, without a lock.
async function readTags(dir: string): Promise<Record<string, string>> {
  const tags: Record<string, string> = {};
  for (const name of await readdir(dir).catch(() => [] as string[])) {
    if (name.startsWith(".")) continue;
    const tag = await readJson(join(dir, name), tagSchema);
    if (tag !== undefined) tags[tag.key] = tag.value;
  }
  return tags;
}
