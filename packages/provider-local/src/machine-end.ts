import { appendFile, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, isoNow, NotFoundError, type Random } from "@runctl/core/provider";
import { writeAtomic } from "./atomic-file.ts";
import { listAttempts } from "./attempts.ts";
import { killMachine } from "./kill-machine.ts";
import { goneDir } from "./leftovers.ts";
import { HISTORY } from "./local-costs.ts";
import { type EndedRecord, type MachineFiles, readMachine, type StoppedRecord } from "./machine-record.ts";
import { removeTree } from "./remove-tree.ts";
import { errnoOf, storageError } from "./storage-error.ts";

/** Clock and randomness of the provider. */
interface Tools {
  clock: Clock;
  random: Random;
}

async function mark(machine: MachineFiles, file: string, record: EndedRecord | StoppedRecord, tools: Tools): Promise<void> {
  try {
    await writeAtomic(join(machine.dir, file), `${JSON.stringify(record)}\n`, tools.random);
  } catch (error) {
    // The folder went away meanwhile: then it is over anyway.
    if (errnoOf(error) !== "ENOENT") throw storageError("Marking the machine", join(machine.dir, file), error);
  }
}

async function appendHistory(machine: MachineFiles, what: "stopped" | "started", at: string): Promise<void> {
  const file = join(machine.dir, HISTORY);
  await appendFile(file, `${what} ${at}\n`, { mode: 0o600 }).catch((error: unknown) => {
    throw storageError("Writing the machine's history", file, error);
  });
}

async function existing(dir: string): Promise<MachineFiles> {
  const machine = readMachine(dir);
  if (machine === "absent") {
    throw new NotFoundError({
      what: `There is no local machine in ${JSON.stringify(dir)}.`,
      fix: ["List what there is with runctl.machines.list()."],
      context: { dir },
    });
  }
  if (machine === "unreadable") throw unreadable(dir);
  return machine;
}

function unreadable(dir: string): Error {
  return storageError(
    "Reading the machine's record",
    join(dir, "machine.json"),
    new Error("It does not parse, so nothing in this folder is touched."),
  );
}

/**
 * Ends everything that runs on the machine and removes its folder. Gone is success; a folder without a valid machine.json is
 * never touched. Killed on the way, the machine is "ending" and the next call goes on.
 */
export async function terminateMachine(dir: string, tools: Tools): Promise<void> {
  const machine = readMachine(dir);
  if (machine === "unreadable") throw unreadable(dir);
  if (machine === "absent") return;
  await mark(machine, "ended.json", { at: isoNow(tools.clock), reason: "terminated", kind: "terminate" }, tools);
  await killMachine(machine, tools.clock);
  // The two records last: until then the folder is known to be ours, and to be ending.
  for (const name of await readdir(dir).catch(() => [] as string[])) {
    if (name !== "machine.json" && name !== "ended.json") await removeTree(join(dir, name));
  }
  // Gone at one instant, whatever is still being written into it.
  const gone = goneDir(dir, tools.random);
  try {
    await rename(dir, gone);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw storageError("Removing the machine's folder", dir, error);
  }
  await removeTree(gone);
}

/** What a reclaimed spot host looks like: marked as over, then SIGKILL to everything, the guardian first. The folder stays until `terminate`. */
export async function interruptMachine(dir: string, tools: Tools): Promise<void> {
  const machine = await existing(dir);
  if (machine.ended === undefined) {
    await mark(machine, "ended.json", { at: isoNow(tools.clock), reason: "interrupted (simulated)", kind: "interruption" }, tools);
  }
  await killMachine(machine, tools.clock);
}

/** Ends the machine's processes and keeps its folder. */
export async function stopMachine(dir: string, tools: Tools): Promise<void> {
  const machine = await existing(dir);
  const over = listAttempts(dir).map((attempt) => attempt.key);
  if (machine.stopped === undefined) {
    const at = isoNow(tools.clock);
    await mark(machine, "stopped.json", { at, over }, tools);
    await appendHistory(machine, "stopped", at);
  }
  await killMachine(machine, tools.clock);
}

/** Makes a stopped machine usable again. The attempts that were on it are over. Starting a running one does nothing. */
export async function startMachine(dir: string, tools: Tools): Promise<void> {
  const machine = await existing(dir);
  if (machine.stopped === undefined) return;
  const over = listAttempts(dir).map((attempt) => attempt.key);
  const at = isoNow(tools.clock);
  await mark(machine, "started.json", { at, over }, tools);
  await appendHistory(machine, "started", at);
  await rm(join(dir, "stopped.json"), { force: true });
}
