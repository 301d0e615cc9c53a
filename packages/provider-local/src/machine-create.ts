import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { AlreadyExistsError, type Clock, type Intent, isoNow, type Money, type Random, randomId } from "@runctl/core/provider";
import { syncDir, writeAtomic } from "./atomic-file.ts";
import { newDir } from "./leftovers.ts";
import { machineDir, machinesDir } from "./machine-home.ts";
import { type MachineFiles, type MachineRecord, readMachine } from "./machine-record.ts";
import { errnoOf, storageError } from "./storage-error.ts";

/**
 * Makes the folder of an intent's machine, or returns the one it has already. The folder gets its name only when it is whole, by
 * a rename that fails when the name is taken: of several processes with one intent, one wins and the others find its machine,
 * and a process killed on the way leaves nothing that looks like a machine.
 * @throws AlreadyExistsError when the name belongs to another intent; StorageError when the home cannot be written.
 */
export async function createMachine(
  home: string,
  intent: Intent,
  price: Money,
  tools: { clock: Clock; random: Random },
): Promise<MachineFiles> {
  const dir = machineDir(home, intent.name);
  const offer = intent.offers[0];
  for (let tries = 0; ; tries += 1) {
    const existing = readMachine(dir);
    if (existing === "unreadable")
      throw storageError("Reading the machine's record", join(dir, "machine.json"), new Error("It does not parse."));
    if (existing !== "absent") return sameIntent(existing, intent);
    const record: MachineRecord = {
      v: 1,
      intent: intent.id,
      name: intent.name,
      token: randomId(tools.random, 24),
      createdAt: isoNow(tools.clock),
      type: offer.type,
      market: offer.market,
      offerId: offer.id,
      pricePerHour: price,
      tags: intent.tags,
      endBy: intent.endBy,
    };
    await publish(home, dir, record, tools.random, tries);
  }
}

function sameIntent(machine: MachineFiles, intent: Intent): MachineFiles {
  if (machine.record.intent === intent.id) return machine;
  throw new AlreadyExistsError({
    what: `A local machine named ${JSON.stringify(intent.name)} exists already, for another intent.`,
    why: "A machine belongs to the one intent that made it.",
    fix: ["Use the intent's own unique name.", "Terminate the other machine if it is no longer needed."],
    context: { name: intent.name, intent: intent.id, otherIntent: machine.record.intent },
  });
}

async function publish(home: string, dir: string, record: MachineRecord, random: Random, tries: number): Promise<void> {
  const tmp = await newDir(home, random);
  try {
    await mkdir(machinesDir(home), { recursive: true, mode: 0o700 });
    await mkdir(tmp, { mode: 0o700 });
    await writeAtomic(join(tmp, "machine.json"), `${JSON.stringify(record, null, 2)}\n`, random);
    await rename(tmp, dir);
    await syncDir(machinesDir(home));
  } catch (error) {
    await rm(tmp, { recursive: true, force: true }).catch(() => undefined);
    // Taken in the meantime, or swept by a process that cannot see this one (another container): the caller looks again.
    if (["ENOTEMPTY", "EEXIST", "ENOENT"].includes(errnoOf(error)) && tries < 10) return;
    throw storageError("Creating a local machine", dir, error);
  }
}
