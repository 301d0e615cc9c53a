import assert from "node:assert/strict";
import { TAGS } from "@runctl/core/provider";
import type { ConformanceCase } from "../case.ts";
import { CannotSay } from "../case.ts";

/** Point 4: find() shows what is ours, all of it, and nothing else. */
export const listingCases: ConformanceCase[] = [
  {
    id: "listing-queries",
    point: 4,
    title: "find narrows by state, intent, id and kind",
    needs: [],
    async run(context) {
      const { provider, stateId } = context;
      const [one, two] = [await context.create(), await context.create()];
      const has = async (query: Parameters<typeof provider.find>[0], expected: string[], what: string): Promise<void> => {
        const mine = [one.ref.id, two.ref.id];
        const listing = await context.until(
          query,
          (found) => expected.every((id) => found.machines.some((m) => m.ref.id === id)),
          what,
          context.settleMs + 60_000,
        );
        assert.deepEqual(
          listing.machines
            .map((machine) => machine.ref.id)
            .filter((id) => mine.includes(id))
            .sort(),
          [...expected].sort(),
          what,
        );
      };
      await has({ stateId }, [one.ref.id, two.ref.id], "find({ stateId })");
      await has({ stateId, intentId: one.tags[TAGS.intent] }, [one.ref.id], "find({ stateId, intentId })");
      await has({ ids: [two.ref.id] }, [two.ref.id], "find({ ids })");
      await has({ stateId, kinds: ["machine"] }, [one.ref.id, two.ref.id], 'find({ kinds: ["machine"] })');
      assert.deepEqual((await provider.find({ stateId, kinds: ["no-such-kind"] })).machines, [], "find() of another kind shows machines.");
      assert.deepEqual((await provider.find({ ids: ["no-such-id"] })).machines, [], "find() of an id that does not exist shows machines.");
    },
  },
  {
    id: "listing-other-state",
    point: 4,
    title: "machines of another state store are not shown as ours",
    needs: [],
    async run(context) {
      const other = await context.create(await context.intent({ tags: { [TAGS.state]: `other${context.id()}` } }));
      const mine = await context.create();
      const listing = await context.until(
        { stateId: context.stateId },
        ({ machines }) => machines.some((machine) => machine.ref.id === mine.ref.id),
        "our machine to be listed",
        context.settleMs + 60_000,
      );
      assert.ok(
        !listing.machines.some((machine) => machine.ref.id === other.ref.id),
        "find({ stateId }) shows a machine that carries another state's id: a second user's machine would be ended.",
      );
    },
  },
  {
    id: "listing-foreign",
    point: 4,
    title: "foreign machines show only when asked for",
    needs: ["hook:foreign"],
    async run(context) {
      const foreign = await context.hooks.foreign?.();
      assert.ok(foreign !== undefined, "The hook foreign gave no ref.");
      await context.create();
      await context.settled();
      const shown = async (query: Parameters<typeof context.provider.find>[0]): Promise<boolean> => {
        const { machines, others } = await context.provider.find(query);
        return [...machines, ...others].some((thing) => thing.ref.id === foreign.id);
      };
      assert.equal(await shown({ stateId: context.stateId }), false, "find({ stateId }) shows a machine that is not ours.");
      assert.equal(
        await shown({ stateId: context.stateId, includeForeign: true }),
        true,
        "find({ includeForeign: true }) does not show it.",
      );
    },
  },
  {
    id: "listing-pages",
    point: 4,
    title: "a listing of three pages is whole",
    needs: ["hook:threePages"],
    async run(context) {
      const count = context.hooks.threePages ?? 0;
      const made: string[] = [];
      for (let n = 0; n < count; n += 1) made.push((await context.create()).ref.id);
      await context.settled();
      const { machines, complete } = await context.provider.find({ stateId: context.stateId });
      const found = new Set(machines.map((machine) => machine.ref.id));
      assert.deepEqual(
        made.filter((id) => !found.has(id)),
        [],
        `Of ${count} machines these are missing (complete: ${complete}).`,
      );
      assert.equal(machines.length, found.size, "A machine is listed twice.");
      assert.equal(complete, true, "All pages were read, but the listing says that it is not complete.");
    },
  },
  {
    id: "listing-lag",
    point: 4,
    title: "settleMs covers the lag of listings",
    needs: ["hook:listLag"],
    async run(context) {
      if (context.settleMs === 0) throw new CannotSay("not-applicable", "settleMs 0: listings are declared to be immediate");
      await context.hooks.listLag?.(context.settleMs);
      try {
        const intent = await context.intent();
        const machine = await context.create(intent);
        assert.deepEqual(
          (await context.ofIntent(intent)).map(({ ref }) => ref.id),
          [machine.ref.id],
          "Not listed after the settle window.",
        );
      } finally {
        await context.hooks.listLag?.(0);
      }
    },
  },
  {
    id: "listing-incomplete",
    point: 4,
    title: "a listing that could not be read whole says so",
    needs: ["fault:incomplete"],
    async run(context) {
      await context.create();
      await context.settled();
      await context.inject("incomplete", "find", 20);
      const listing = await context.provider.find({ stateId: context.stateId }).catch(() => undefined);
      await context.clearFaults();
      // An error is as honest as complete: false.
      if (listing !== undefined)
        assert.equal(
          listing.complete,
          false,
          "A page could not be read, and the listing says complete: true: what is missing would count as gone.",
        );
    },
  },
  {
    id: "listing-regions",
    point: 4,
    title: "find looks in every region that is offered",
    needs: [],
    async run(context) {
      const byRegion = new Map((await context.offers()).reverse().map((offer) => [offer.region, offer]));
      byRegion.delete(undefined);
      if (byRegion.size < 2) throw new CannotSay("not-applicable", "offers name fewer than two regions");
      const made: string[] = [];
      for (const offer of [...byRegion.values()].slice(0, 3))
        made.push((await context.create(await context.intent({ offers: [offer] }))).ref.id);
      await context.settled();
      const { machines } = await context.provider.find({ stateId: context.stateId });
      assert.deepEqual(
        made.filter((id) => !machines.some((machine) => machine.ref.id === id)),
        [],
        "Machines in other regions are not listed.",
      );
    },
  },
  {
    id: "listing-partition",
    point: 4,
    title: "a service that cannot be reached is an error or incomplete, never an empty listing",
    needs: ["hook:partition"],
    async run(context) {
      await context.create();
      await context.settled();
      await context.hooks.partition?.(true);
      const listing = await context.provider.find({ stateId: context.stateId }).catch(() => undefined);
      await context.hooks.partition?.(false);
      if (listing !== undefined) assert.equal(listing.complete, false, "The network is cut and find() says: complete, nothing there.");
    },
  },
];
