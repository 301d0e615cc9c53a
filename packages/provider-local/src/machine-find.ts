import { readdir } from "node:fs/promises";
import { type FindQuery, type FindResult, type Machine, TAGS } from "@runctl/core/provider";
import { hasLeftovers, sweep } from "./leftovers.ts";
import { isMachineName, machineDir, machinesDir } from "./machine-home.ts";
import { type MachineFiles, readMachine } from "./machine-record.ts";
import { decideStates, type StateVerdict } from "./machine-state.ts";
import { bootId } from "./processes.ts";
import { errnoOf } from "./storage-error.ts";

/** The machine of a folder as the contract wants it. */
export function toMachine(provider: string, files: MachineFiles, verdict: StateVerdict): Machine {
  const { record } = files;
  return {
    ref: { provider, kind: "machine", id: record.name },
    name: record.name,
    state: verdict.state,
    tags: files.tags,
    type: record.type,
    market: record.market,
    createdAt: record.createdAt,
    endedAt: verdict.endedAt,
    pricePerHour: record.pricePerHour,
    address: { home: files.dir },
    stateReason: verdict.reason,
  };
}

/** Lists machines. An absent folder is a machine that is gone; a record that cannot be read makes the listing incomplete. */
export async function findMachines(provider: string, home: string, query: FindQuery): Promise<FindResult> {
  query.signal?.throwIfAborted();
  if (query.kinds !== undefined && !query.kinds.includes("machine")) return { machines: [], others: [], complete: true };
  let names: string[];
  try {
    names = query.ids?.filter(isMachineName) ?? (await readdir(machinesDir(home)));
  } catch (error) {
    // No home yet: nothing was ever created. Anything else is "cannot see".
    return { machines: [], others: [], complete: errnoOf(error) === "ENOENT" };
  }
  if (hasLeftovers(names)) await sweep(home);
  let complete = true;
  const files: MachineFiles[] = [];
  await eachOf(names.filter(isMachineName), 64, async (name) => {
    const machine = await readMachine(machineDir(home, name));
    if (machine === "unreadable") complete = false;
    else if (machine !== "absent" && wanted(machine, query)) files.push(machine);
  });
  query.signal?.throwIfAborted();
  files.sort((a, b) => (a.record.name < b.record.name ? -1 : 1));
  const verdicts = files.length === 0 ? [] : await decideStates(files, await bootId());
  return { machines: files.map((file, index) => toMachine(provider, file, verdicts[index] ?? { state: "unknown" })), others: [], complete };
}

function wanted(machine: MachineFiles, query: FindQuery): boolean {
  if (query.intentId !== undefined && machine.record.intent !== query.intentId) return false;
  if (query.includeForeign === true) return true;
  return query.stateId === undefined || machine.tags[TAGS.state] === query.stateId;
}

// A thousand folders opened at once would run out of file descriptors.
async function eachOf<T>(items: T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}
