import type { CloudMachine } from "./cloud-machine.ts";
import type { EmulatedCloud } from "./emulated-cloud.ts";
import { checkTags } from "./intent-checks.ts";
import { fitsName, nameWithTags } from "./names.ts";
import type { Caller } from "./wire.ts";

/** A place between two calls of one purchase, where a program can die. */
export interface PurchaseStep {
  intentId: string;
  /** Of the calls so far. */
  index: number;
  /** What was just done. */
  done: string;
  /** What comes next. */
  next: string;
}

/** Waits between two calls of one purchase. */
export type BetweenSteps = (step: PurchaseStep) => Promise<void> | void;

/** @internal A client's facts, complete. */
export interface ClientParts extends Caller {
  cloud: EmulatedCloud;
  betweenSteps: BetweenSteps | undefined;
}

/** Adds tags to a machine, where this cloud keeps them. @throws ValidationError, ConflictError */
export function setTags(cloud: EmulatedCloud, machine: CloudMachine, tags: Record<string, string>): void {
  if (cloud.fleet.state(machine) === "ended")
    throw cloud.errors.notFound("InvalidInstanceID.NotFound", `The instance ID '${machine.id}' does not exist.`);
  const all = { ...cloud.fleet.tagsOf(machine), ...tags };
  checkTags(all, cloud.errors);
  if (cloud.tagging !== "in-name") {
    cloud.fleet.rename(machine, { tags: all });
    return;
  }
  const stranger = Object.keys(tags).find((key) => !fitsName(key));
  if (stranger !== undefined)
    throw cloud.errors.unsupported("Unsupported", `This cloud has no tags, and its names no room for ${stranger}.`);
  cloud.fleet.rename(machine, { name: nameWithTags(cloud.fleet.nameOf(machine), all) });
}
