import { type HostSession, type ResourceRef, sleep } from "@runctl/core/provider";
import type { ClientParts } from "./client-parts.ts";
import { gatedSession, type HostGate } from "./session-gate.ts";

/** A way onto a machine. @throws HostUnreachableError when it is off, hangs, or the network between is cut. */
export async function connectTo(caller: ClientParts, ref: ResourceRef, signal: AbortSignal | undefined): Promise<HostSession> {
  const { cloud } = caller;
  const { wire, errors, network } = cloud;
  const options = { signal, region: ref.region, id: ref.id, host: ref.id };
  const { inner, boots, machine } = await wire.call(
    caller,
    "connect",
    async () => {
      const found = cloud.fleet.find(caller.account, ref.id);
      if (found === undefined) throw errors.unreachable(ref.id, "there is no such machine");
      if (found.booted && found.hang === "connect") {
        await sleep(caller.clock, cloud.options.clientTimeoutMs ?? 60_000, signal);
        throw errors.unreachable(ref.id, "connection timed out");
      }
      if (!cloud.isUp(found)) throw errors.unreachable(ref.id, "connection refused, it does not run");
      if (found.host === undefined) throw errors.unreachable(ref.id, "there is nothing inside it");
      return { inner: await found.host.connect(), boots: found.boots, machine: found };
    },
    options,
  );
  const isUp = (): boolean => cloud.isUp(machine) && machine.boots === boots;
  const isReachable = (): boolean =>
    isUp() && network.isCut("client-host", { client: caller.client, machine: machine.id, region: machine.pool.region }) === undefined;
  const gate: HostGate = (work, own) =>
    wire.call(
      caller,
      "host",
      async () => {
        if (!isUp()) throw errors.unreachable(machine.id, "the connection was reset");
        const result = await work();
        // What it answered while it went down did not get through.
        if (!isUp()) throw errors.unreachable(machine.id, "the connection was reset");
        return result;
      },
      { signal: own, region: machine.pool.region, id: machine.id, host: machine.id },
    );
  return gatedSession(inner, gate, isReachable);
}
