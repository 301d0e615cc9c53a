import assert from "node:assert/strict";
import { type ProviderVolumes, TAGS, type VolumeInfo } from "@runctl/core/provider";
import type { ConformanceCase } from "../case.ts";
import { CannotSay } from "../case.ts";
import { type ConformanceContext, refused } from "../context.ts";

const GIB = 2 ** 30;

/** Point 8: disks that outlive machines. */
export const volumeCases: ConformanceCase[] = [
  {
    id: "volumes-create-twice",
    point: 8,
    title: "a volume is made once for an intent, with its tags, and is listed",
    needs: ["method:volumes"],
    async run(context) {
      const intentId = context.id();
      const request = {
        name: `conformance-${intentId}`,
        sizeBytes: GIB,
        intentId,
        tags: context.tags(intentId),
        ...(await zoneOf(context)),
      };
      const first = await made(context, request);
      const second = await made(context, request);
      assert.equal(second.ref.id, first.ref.id, "The same intent made two volumes.");
      assert.equal(first.tags[TAGS.state], context.stateId, "The volume does not carry its tags.");
      assert.ok(first.sizeBytes >= GIB, `1 GiB was asked for, the volume has ${first.sizeBytes} bytes.`);
      await context.settled();
      const listed = await part(context).list({ stateId: context.stateId });
      assert.equal(listed.filter((volume) => volume.ref.id === first.ref.id).length, 1, "list() does not show it once.");
      const { others } = await context.provider.find({ stateId: context.stateId });
      assert.ok(
        others.some((other) => other.ref.id === first.ref.id),
        "find() does not show the volume: cleanup and reconcile would never see it.",
      );
    },
  },
  {
    id: "volumes-delete-twice",
    point: 8,
    title: "delete twice is fine, and the volume is gone",
    needs: ["method:volumes"],
    async run(context) {
      const volume = await fresh(context);
      await part(context).delete(volume.ref);
      await part(context).delete(volume.ref);
      assert.equal(
        (await part(context).list({ stateId: context.stateId })).some(({ ref, state }) => ref.id === volume.ref.id && state !== "deleting"),
        false,
      );
    },
  },
  {
    id: "volumes-attach",
    point: 8,
    title: "attach and detach, each twice; the list says where it is",
    needs: ["method:volumes"],
    async run(context) {
      const [machine, volume] = [await context.running(), await fresh(context)];
      for (let round = 0; round < 2; round += 1) await part(context).attach(volume.ref, machine.ref);
      assert.equal((await shown(context, volume, "in-use")).attachedTo?.id, machine.ref.id, "list() does not say which machine has it.");
      for (let round = 0; round < 2; round += 1) await part(context).detach(volume.ref);
      assert.equal((await shown(context, volume, "available")).attachedTo, undefined, "A free volume is said to be attached.");
    },
  },
  {
    id: "volumes-busy",
    point: 8,
    title: "a volume in use is neither attached elsewhere nor deleted",
    needs: ["method:volumes"],
    async run(context) {
      const [one, two, volume] = [await context.running(), await context.running(), await fresh(context)];
      await part(context).attach(volume.ref, one.ref);
      await refused(part(context).attach(volume.ref, two.ref), ["conflict", "validation"], "attach() of a volume in use");
      await refused(part(context).delete(volume.ref), ["conflict", "validation", "cleanup-refused"], "delete() of a volume in use");
      assert.equal((await shown(context, volume, "in-use")).attachedTo?.id, one.ref.id, "It is not with its machine any more.");
    },
  },
  {
    id: "volumes-wrong-zone",
    point: 8,
    title: "a volume of another zone is refused by name",
    needs: ["method:volumes"],
    async run(context) {
      const zones = [...new Set((await context.offers()).flatMap((offer) => offer.zone ?? []))];
      if (zones.length < 2) throw new CannotSay("not-applicable", "offers name fewer than two zones");
      const offer = (await context.offers()).find((one) => one.zone === zones[0]);
      assert.ok(offer !== undefined);
      const machine = await context.running(await context.intent({ offers: [offer] }));
      const volume = await fresh(context, zones[1]);
      await refused(part(context).attach(volume.ref, machine.ref), ["conflict", "validation"], "attach() across zones");
    },
  },
  {
    id: "volumes-detach-stuck",
    point: 8,
    title: "a volume that does not let go is an error, and force ends it",
    needs: ["method:volumes", "fault:detachStuck"],
    async run(context) {
      const [machine, volume] = [await context.running(), await fresh(context)];
      await part(context).attach(volume.ref, machine.ref);
      await context.inject("detachStuck", "volumes.detach");
      const error: unknown = await part(context)
        .detach(volume.ref)
        .then(
          () => undefined,
          (reason: unknown) => reason,
        );
      const { state } = await now(context, volume);
      assert.ok(error !== undefined || state === "in-use", "The volume is stuck, and detach() and list() both say that it is free.");
      await part(context).detach(volume.ref, { force: true });
      await context.clearFaults();
      await shown(context, volume, "available");
    },
  },
  {
    id: "volumes-survive",
    point: 8,
    title: "a volume survives the end of its machine",
    needs: ["method:volumes"],
    async run(context) {
      const [machine, volume] = [await context.running(), await fresh(context)];
      await part(context).attach(volume.ref, machine.ref);
      await shown(context, volume, "in-use");
      await context.provider.terminate(machine.ref);
      await context.gone(machine);
      await shown(context, volume, "available");
    },
  },
  {
    id: "volumes-at-create",
    point: 8,
    title: "a volume of the intent is attached to the machine that it makes",
    needs: ["method:volumes"],
    async run(context) {
      const intent = await context.intent();
      const volume = await fresh(context, intent.offers[0].zone);
      const machine = await context.running(
        context.intentOf({ ...intent, id: context.id(), volumes: [{ ref: volume.ref, mount: "/mnt/data", readOnly: false }] }),
      );
      assert.equal((await shown(context, volume, "in-use")).attachedTo?.id, machine.ref.id, "list() does not say which machine has it.");
    },
  },
  {
    id: "volumes-snapshot",
    point: 8,
    title: "a snapshot is listed with its tags, and a volume can be made from it",
    needs: ["method:volumes", "method:snapshots"],
    async run(context) {
      const volume = await fresh(context);
      const intentId = context.id();
      const ref = await part(context).snapshot?.(volume.ref, { name: `snap-${intentId}`, tags: context.tags(intentId) });
      assert.ok(ref !== undefined);
      try {
        await context.settled();
        const listed = await part(context).snapshots?.({ stateId: context.stateId });
        assert.ok(
          listed?.some((one) => one.ref.id === ref.id),
          "snapshots() does not show it.",
        );
        await fresh(context, volume.zone, ref.id);
      } finally {
        await context.provider.remove(ref);
      }
    },
  },
];

function part(context: ConformanceContext): ProviderVolumes {
  return context.provider.volumes as ProviderVolumes;
}

/** Where the cheapest offer is: a volume without its zone could not be attached to it. */
async function zoneOf(context: ConformanceContext): Promise<{ zone?: string }> {
  const offers = await context.offers();
  const zone = (offers.find((offer) => offer.market === "on-demand") ?? offers[0])?.zone;
  return zone === undefined ? {} : { zone };
}

async function fresh(context: ConformanceContext, zone?: string, fromSnapshot?: string): Promise<VolumeInfo> {
  const intentId = context.id();
  return made(context, {
    name: `conformance-${intentId}`,
    sizeBytes: GIB,
    intentId,
    tags: context.tags(intentId),
    ...(zone === undefined ? await zoneOf(context) : { zone }),
    ...(fromSnapshot === undefined ? {} : { fromSnapshot }),
  });
}

async function made(context: ConformanceContext, request: Parameters<ProviderVolumes["create"]>[0]): Promise<VolumeInfo> {
  const volume = await part(context).create(request);
  if (!context.volumes.some((known) => known.ref.id === volume.ref.id)) context.volumes.push(volume);
  return volume.state === "available" ? volume : shown(context, volume, "available");
}

async function now(context: ConformanceContext, volume: VolumeInfo): Promise<VolumeInfo> {
  const found = (await part(context).list({ ids: [volume.ref.id] })).find((one) => one.ref.id === volume.ref.id);
  assert.ok(found !== undefined, `list({ ids }) does not show the volume ${volume.ref.id}.`);
  return found;
}

async function shown(context: ConformanceContext, volume: VolumeInfo, state: VolumeInfo["state"]): Promise<VolumeInfo> {
  const begun = context.clock.monotonic();
  for (;;) {
    const current = (await part(context).list({ ids: [volume.ref.id] })).find((one) => one.ref.id === volume.ref.id);
    if (current?.state === state) return current;
    if (context.clock.monotonic() - begun > context.limit("running"))
      assert.fail(`The volume ${volume.ref.id} should be ${state}; list() shows ${current?.state ?? "nothing"}.`);
    await context.pass(1_000);
  }
}
