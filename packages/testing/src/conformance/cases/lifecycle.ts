import assert from "node:assert/strict";
import { TAGS } from "@runctl/core/provider";
import type { ConformanceCase } from "../case.ts";
import { refused } from "../context.ts";

const ODD_LABELS = { team: "a b'c\"d", ünï: "é", empty: "" };

/** Point 2: everything twice. */
export const lifecycleCases: ConformanceCase[] = [
  {
    id: "lifecycle-create-twice",
    point: 2,
    title: "create twice with the same intent is one machine",
    needs: ["capability:token"],
    async run(context) {
      const intent = await context.intent();
      const first = await context.create(intent);
      const second = await context.create(structuredClone(intent));
      assert.equal(second.ref.id, first.ref.id, "The same intent again made another machine.");
      assert.deepEqual(
        (await context.ofIntent(intent)).map((machine) => machine.ref.id),
        [first.ref.id],
      );
    },
  },
  {
    id: "lifecycle-duplicates-found",
    point: 2,
    title: "every machine of an intent is found by the intent",
    needs: ["capability:findable"],
    async run(context) {
      const intent = await context.intent();
      const made = new Set([(await context.create(intent)).ref.id]);
      // A second create may be refused (the name is taken), give the same or make a duplicate: none may hide.
      await context.create(structuredClone(intent)).then(
        (machine) => made.add(machine.ref.id),
        () => undefined,
      );
      const found = (await context.ofIntent(intent)).map((machine) => machine.ref.id);
      assert.deepEqual(found.sort(), [...made].sort(), "find({ intentId }) must show all that the intent made.");
    },
  },
  {
    id: "lifecycle-create-changed",
    point: 2,
    title: "the same token with other parameters never makes a second machine",
    needs: ["capability:token"],
    async run(context) {
      const intent = await context.intent();
      await context.create(intent);
      // Refusing and giving the first one are both right.
      await context.provider
        .create({ ...intent, tags: { ...intent.tags, changed: "yes" }, diskBytes: 77 * 2 ** 30 })
        .catch(() => undefined);
      assert.equal((await context.ofIntent(intent)).length, 1, "One token made two machines.");
    },
  },
  {
    id: "lifecycle-tags",
    point: 2,
    title: "a machine carries every tag of its intent from the first listing on",
    needs: ["capability:tagsAtCreate"],
    async run(context) {
      const intent = await context.intent({ tags: ODD_LABELS });
      const created = await context.create(intent);
      const { machines } = await context.until(
        { ids: [created.ref.id] },
        (listing) => listing.machines.length > 0,
        "the machine to be listed",
        context.settleMs + 60_000,
      );
      for (const [key, value] of Object.entries(intent.tags))
        assert.equal(machines[0]?.tags[key], value, `The first listing lacks the tag ${key}=${JSON.stringify(value)}.`);
      assert.equal(machines[0]?.name, intent.name, "The machine does not bear the intent's name.");
    },
  },
  {
    id: "lifecycle-runs",
    point: 2,
    title: "a created machine comes to run, and says when it was launched",
    needs: [],
    async run(context) {
      const before = context.clock.now();
      const machine = await context.running();
      assert.ok(machine.createdAt !== undefined, "A running machine has no createdAt: cleanup could not tell its age.");
      const at = Date.parse(machine.createdAt);
      assert.ok(Math.abs(at - before) < 3_600_000, `createdAt ${machine.createdAt} is not the time of its launch.`);
    },
  },
  {
    id: "lifecycle-terminate-twice",
    point: 2,
    title: "terminate twice is fine, and something that never existed is gone already",
    needs: [],
    async run(context) {
      const machine = await context.running();
      await context.provider.terminate(machine.ref);
      await context.provider.terminate(machine.ref);
      await context.gone(machine);
      await context.provider.terminate(machine.ref);
      await context.provider.terminate({ ...machine.ref, id: likeButOther(machine.ref.id) });
    },
  },
  {
    id: "lifecycle-remove-twice",
    point: 2,
    title: "remove of something that is gone is fine",
    needs: [],
    async run(context) {
      const machine = await context.create();
      await context.provider.terminate(machine.ref);
      await context.gone(machine);
      await context.provider.remove(machine.ref);
      await context.provider.remove(machine.ref);
    },
  },
  {
    id: "lifecycle-gone",
    point: 2,
    title: "what is gone is said to be gone, by a typed error or an ended machine",
    needs: [],
    async run(context) {
      const machine = await context.running();
      await context.provider.terminate(machine.ref);
      await context.gone(machine);
      const { provider } = context;
      if (provider.connect !== undefined)
        await refused(provider.connect(machine), ["host-unreachable", "not-found"], "connect() to a machine that is gone");
      if (provider.tag !== undefined)
        await refused(provider.tag(machine.ref, { a: "b" }), ["not-found", "conflict"], "tag() of a machine that is gone");
      if (provider.start !== undefined)
        await refused(provider.start(machine.ref), ["not-found", "conflict", "validation"], "start() of a machine that is gone");
    },
  },
  {
    id: "lifecycle-stop-start",
    point: 2,
    title: "stop twice and start twice are fine, and the machine is the same",
    needs: ["method:stop", "method:start"],
    async run(context) {
      const offer = (await context.offers()).find((one) => one.can.stop);
      assert.ok(offer !== undefined, "stop() is there, but no offer can be stopped.");
      const { provider } = context;
      const machine = await context.running(await context.intent({ offers: [offer] }));
      for (let round = 0; round < 2; round += 1) await provider.stop?.(machine.ref);
      const stopped = await context.state(machine, ["stopped"], context.limit("ended"));
      assert.equal(stopped.tags[TAGS.intent], machine.tags[TAGS.intent], "A stopped machine lost its tags.");
      for (let round = 0; round < 2; round += 1) await provider.start?.(machine.ref);
      await context.state(machine, ["running"], context.limit("running"));
    },
  },
  {
    id: "lifecycle-terminate-stopped",
    point: 2,
    title: "a stopped machine can be terminated",
    needs: ["method:stop"],
    async run(context) {
      const offer = (await context.offers()).find((one) => one.can.stop);
      assert.ok(offer !== undefined, "stop() is there, but no offer can be stopped.");
      const machine = await context.running(await context.intent({ offers: [offer] }));
      await context.provider.stop?.(machine.ref);
      await context.state(machine, ["stopped"], context.limit("ended"));
      await context.provider.terminate(machine.ref);
      await context.gone(machine);
    },
  },
  {
    id: "lifecycle-tag-later",
    point: 2,
    title: "tag() writes on a live machine and takes nothing away",
    needs: ["method:tag"],
    async run(context) {
      const machine = await context.running();
      await context.provider.tag?.(machine.ref, { [TAGS.protected]: "true" });
      await context.provider.tag?.(machine.ref, { [TAGS.protected]: "true" });
      const { machines } = await context.until(
        { ids: [machine.ref.id] },
        (listing) => listing.machines[0]?.tags[TAGS.protected] === "true",
        "the tag to show",
        context.settleMs + 60_000,
      );
      assert.equal(machines[0]?.tags[TAGS.intent], machine.tags[TAGS.intent], "tag() took other tags away.");
    },
  },
  {
    id: "lifecycle-identity",
    point: 2,
    title: "identity() names one account, the same each time",
    needs: [],
    async run({ provider }) {
      const { id } = await provider.identity();
      assert.ok(typeof id === "string" && id !== "", "identity() has no id.");
      assert.equal((await provider.identity()).id, id, "identity() names another account the second time.");
    },
  },
];

/** Another id of the same form. */
export function likeButOther(id: string): string {
  const last = id.at(-1) ?? "";
  return `${id.slice(0, -1)}${/[0-9]/.test(last) ? (Number(last) + 7) % 10 : last === "z" ? "y" : "z"}`;
}
