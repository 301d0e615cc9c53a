import { join } from "node:path";
import { z } from "zod";
import { listSmall, readSmall } from "./small-files.ts";

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

/** A JSON file checked by a schema; undefined when it is missing, "malformed" when it is not what it should be. */
export function readJson<T>(path: string, schema: z.ZodType<T>): T | undefined | "malformed" {
  const text = readSmall(path);
  if (text === undefined) return undefined;
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : "malformed";
  } catch {
    return "malformed";
  }
}

/**
 * Reads a machine's folder. "absent": there is no machine (also a folder without machine.json). "unreadable": there is one, but not
 * all that it says of itself can be read: never take that for absence, nor for a machine without protection.
 */
export function readMachine(dir: string): MachineFiles | "absent" | "unreadable" {
  try {
    const names = new Set(listSmall(dir));
    const record = names.has("machine.json") ? ours(join(dir, "machine.json"), machineRecordSchema) : undefined;
    if (record === undefined) return "absent";
    return {
      dir,
      record,
      tags: names.has("tags") ? { ...record.tags, ...readTags(join(dir, "tags")) } : record.tags,
      ended: names.has("ended.json") ? ours(join(dir, "ended.json"), endedSchema) : undefined,
      stopped: names.has("stopped.json") ? ours(join(dir, "stopped.json"), stoppedSchema) : undefined,
      started: names.has("started.json") ? ours(join(dir, "started.json"), startedSchema) : undefined,
      hasRuns: names.has("runs"),
    };
  } catch {
    return "unreadable";
  }
}

// Records of this package are written whole, so a malformed one is a fault of the disk.
function ours<T>(path: string, schema: z.ZodType<T>): T | undefined {
  const value = readJson(path, schema);
  if (value === "malformed") throw new Error(`${path} is malformed`);
  return value;
}

// One file a tag: two processes that write different tags at once lose neither, without a lock.
function readTags(dir: string): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const name of listSmall(dir) ?? []) {
    if (name.startsWith(".")) continue;
    const tag = ours(join(dir, name), tagSchema);
    if (tag !== undefined) tags[tag.key] = tag.value;
  }
  return tags;
}
