import { ConflictError, NotFoundError } from "../errors/kinds.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import { formatRef, type Machine, parseRef } from "../provider/resource.ts";

/**
 * Finds a machine by its text form or, where that is unambiguous, its native id or name.
 * @throws NotFoundError when no provider knows it; ConflictError when several do.
 */
export async function findExistingMachine(providers: readonly TrainingProvider[], name: string): Promise<Machine> {
  const ref = parseRef(name);
  const asked = ref === undefined ? providers : providers.filter((provider) => provider.name === ref.provider);
  const id = ref?.id ?? name;
  const found: Machine[] = [];
  for (const provider of asked) {
    const listing = await provider.find({ ids: [id], kinds: ["machine"], includeForeign: true });
    found.push(...listing.machines.filter((machine) => (machine.ref.id === id || machine.name === id) && machine.state !== "ended"));
  }
  const [machine] = found;
  if (machine !== undefined && found.length === 1) return machine;
  if (machine === undefined) {
    throw new NotFoundError({
      what: `There is no machine ${JSON.stringify(name)} at ${asked.length === 0 ? "any provider" : asked.map((provider) => provider.name).join(", ")}.`,
      why: "The run is to train on a machine that exists already.",
      fix: ["List machines with `runctl.machines.list()`.", "Leave `machine` out to let runctl buy one."],
      context: { machine: name },
    });
  }
  throw new ConflictError({
    what: `${JSON.stringify(name)} names ${found.length} machines: ${found.map((each) => formatRef(each.ref)).join(", ")}.`,
    why: "The text form names exactly one.",
    fix: ["Use the text form."],
    context: { machine: name },
  });
}
