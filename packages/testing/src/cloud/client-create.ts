import type { CreateOutcome, Intent } from "@runctl/core/provider";
import { type ClientParts, setTags } from "./client-parts.ts";
import type { CloudMachine } from "./cloud-machine.ts";
import { partOf } from "./purchase-desk.ts";

/** Buys what the intent asks for, in as many calls as this cloud needs. */
export async function buy(caller: ClientParts, intent: Intent, signal: AbortSignal | undefined): Promise<CreateOutcome> {
  const { cloud } = caller;
  const stepwise = cloud.options.gang === "one-by-one" && intent.nodes > 1;
  const bought: CloudMachine[] = [];
  let index = 0;
  const step = async (done: string, next: string): Promise<void> => {
    index += 1;
    await caller.betweenSteps?.({ intentId: intent.id, index, done, next });
  };
  const calls = stepwise ? Array.from({ length: intent.nodes }, () => 1) : [intent.nodes];
  for (const [call, nodes] of calls.entries()) {
    if (call > 0) await step(`machine ${call}`, `machine ${call + 1}`);
    const sale = await cloud.wire.call(
      caller,
      "create",
      (fault) => cloud.desk.sell(intent, caller, nodes, { fault, part: stepwise ? call : undefined }),
      { signal, region: intent.offers[0].region },
    );
    if (!("machines" in sale)) {
      // All or none: what the earlier calls bought goes back.
      for (const machine of bought) await giveBack(caller, machine);
      return cloud.desk.outcome(sale);
    }
    bought.push(...sale.machines);
  }
  await attachAll(caller, bought[0], intent, signal, step);
  if (cloud.tagging === "after-create")
    for (const machine of bought) {
      await step("machines", `tags of ${machine.id}`);
      await tagBought(caller, machine, intent, signal);
    }
  return cloud.desk.outcome({ machines: bought as [CloudMachine, ...CloudMachine[]] });
}

/** Attaching is a call of its own, as at EC2. A machine without its disks is of no use: it is ended. @throws what the cloud answered. */
async function attachAll(
  caller: ClientParts,
  machine: CloudMachine | undefined,
  intent: Intent,
  signal: AbortSignal | undefined,
  step: (done: string, next: string) => Promise<void>,
): Promise<void> {
  const { cloud, account } = caller;
  // The token of a machine that is gone: there is nothing to attach to.
  if (machine === undefined || machine.endedAt !== undefined) return;
  for (const { ref } of intent.volumes) {
    await step("machines", `volume ${ref.id}`);
    try {
      await cloud.wire.call(caller, "volume-attach", () => cloud.shelf.attach(cloud.shelf.must(account, ref.id), machine), {
        signal,
        region: machine.pool.region,
        id: ref.id,
      });
    } catch {
      await giveBack(caller, machine);
      throw cloud.errors.unknown(true, "AttachFailed", `${machine.id} was made, and ${ref.id} could not be attached to it.`);
    }
  }
}

/** A machine without tags could never be found again: it is ended rather than kept. @throws what the cloud answered. */
async function tagBought(caller: ClientParts, machine: CloudMachine, intent: Intent, signal: AbortSignal | undefined): Promise<void> {
  const { cloud } = caller;
  const options = { signal, region: machine.pool.region, id: machine.id };
  try {
    await cloud.wire.call(
      caller,
      "tag",
      (fault) => setTags(cloud, machine, fault?.kind === "partial-tags" ? partOf(intent.tags, fault.keepTags) : intent.tags),
      options,
    );
  } catch {
    await giveBack(caller, machine);
    throw cloud.errors.unknown(true, "TaggingFailed", `${machine.id} was made and could not be tagged.`);
  }
}

async function giveBack(caller: ClientParts, machine: CloudMachine): Promise<void> {
  const { wire, fleet } = caller.cloud;
  const end = (): void => fleet.end(machine, "Client.UserInitiatedShutdown: User initiated shutdown");
  await wire.call(caller, "terminate", end, { region: machine.pool.region, id: machine.id }).catch(() => undefined);
}
