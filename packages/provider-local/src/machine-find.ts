import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { type FindQuery, type FindResult, type Machine, TAGS } from "@runctl/core/provider";
import { hasLeftovers, sweep } from "./leftovers.ts";
import { isMachineName, machineDir, machinesDir } from "./machine-home.ts";
import { type MachineFiles, readMachine } from "./machine-record.ts";
import { decideStates, type StateVerdict } from "./machine-state.ts";
import { bootId } from "./processes.ts";
import { listSmall, takeTurns } from "./small-files.ts";

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
  let names: string[] | undefined;
  try {
    names = query.ids?.filter(isMachineName) ?? listSmall(machinesDir(home));
  } catch {
    // "Cannot see" is not "nothing there".
    return { machines: [], others: [], complete: false };
  }
  if (names === undefined) return { machines: [], others: [], complete: noHomeYet(home) };
  if (hasLeftovers(names)) await sweep(home);
  let complete = true;
  const files: MachineFiles[] = [];
  for await (const name of takeTurns(names.filter(isMachineName))) {
    const machine = readMachine(machineDir(home, name));
    if (machine === "unreadable") complete = false;
    else if (machine !== "absent" && wanted(machine, query)) files.push(machine);
  }
  query.signal?.throwIfAborted();
  files.sort((a, b) => (a.record.name < b.record.name ? -1 : 1));
  const verdicts = files.length === 0 ? [] : await decideStates(files, await bootId());
  return { machines: files.map((file, index) => toMachine(provider, file, verdicts[index] ?? { state: "unknown" })), others: [], complete };
}

// Nothing was ever created where the home is missing; a file in its way is another matter.
function noHomeYet(home: string): boolean {
  const parts = [machinesDir(home), home, dirname(home)];
  return parts.every((path) => !existsSync(path) || statSync(path).isDirectory());
}

function wanted(machine: MachineFiles, query: FindQuery): boolean {
  if (query.intentId !== undefined && machine.record.intent !== query.intentId) return false;
  if (query.includeForeign === true) return true;
  return query.stateId === undefined || machine.tags[TAGS.state] === query.stateId;
}
