import assert from "node:assert/strict";
import { defineProvider, type Offer } from "@runctl/core/provider";
import type { ConformanceCase } from "../case.ts";
import { brief, refused } from "../context.ts";
import { capabilitiesShape, resultShapes, shapeProblems } from "../shapes.ts";

/** Point 1: what is declared is there, what is used is declared. */
export const manifestCases: ConformanceCase[] = [
  {
    id: "manifest-shape",
    point: 1,
    title: "has the shape of the contract, and knows every word of its capabilities",
    needs: [],
    async run({ provider }) {
      defineProvider(provider);
      const problems = shapeProblems(capabilitiesShape, provider.capabilities);
      assert.equal(problems, undefined, `capabilities: ${problems}`);
    },
  },
  {
    id: "manifest-methods",
    point: 1,
    title: "brings the methods that its capabilities promise",
    needs: [],
    async run(context) {
      const { provider } = context;
      const { capabilities } = provider;
      assert.ok((provider.stop === undefined) === (provider.start === undefined), "stop() and start() come together or not at all.");
      const hooks = provider.hostHooks?.(await context.intent());
      // Where the agent is the machine's first process, the signal that ends the machine reaches it directly.
      const delivers =
        capabilities.boot === "entrypoint" ||
        provider.notices !== undefined ||
        hooks?.notice !== undefined ||
        hooks?.noticeBuiltin !== undefined;
      if ((capabilities.noticeSeconds ?? 0) > 0)
        assert.ok(
          delivers,
          "noticeSeconds is declared, but nothing delivers a notice: no notices(), no hostHooks().notice or noticeBuiltin.",
        );
      if (capabilities.guard === "host-calls-api" && capabilities.sharedHost !== true)
        assert.ok(hooks?.terminate !== undefined, 'guard "host-calls-api" needs hostHooks().terminate: how else does the host end itself?');
      for (const offer of await provider.offers({})) {
        if (offer.can.stop) assert.ok(provider.stop !== undefined, `The offer ${offer.id} can stop, but there is no stop().`);
        if (offer.can.notice) assert.ok(delivers, `The offer ${offer.id} gives notice, but nothing delivers one.`);
        if (offer.can.endItself) assert.ok(capabilities.guard !== "none", `The offer ${offer.id} can end itself, but guard is "none".`);
      }
    },
  },
  {
    id: "manifest-spot",
    point: 1,
    title: "offers what it declares: spot machines where it says spot",
    needs: ["capability:spot"],
    async run({ provider }) {
      const spot = (await provider.offers({ markets: ["spot"] })).filter((offer) => offer.market === "spot");
      assert.ok(spot.length > 0, "capabilities.spot is true, but offers({ markets: ['spot'] }) has none.");
    },
  },
  {
    id: "manifest-gang",
    point: 1,
    title: "makes all nodes of a gang or none",
    needs: ["capability:gang"],
    async run(context) {
      const intent = await context.intent({ nodes: 2 });
      const outcome = await context.provider.create(intent);
      if (outcome.kind !== "created") return assert.fail(`Two nodes were asked for: ${brief(outcome)}`);
      assert.equal(new Set(outcome.machines.map((machine) => machine.ref.id)).size, 2, "Two nodes are two different machines.");
      const again = await context.provider.create(intent).catch(() => undefined);
      if (context.provider.capabilities.identity === "token" && again?.kind === "created")
        assert.deepEqual(ids(again.machines), ids(outcome.machines), "The same intent again is the same gang.");
    },
  },
  {
    id: "manifest-no-gang",
    point: 1,
    title: "refuses several nodes where gang is not declared, and buys nothing",
    needs: ["capability:no-gang"],
    async run(context) {
      const intent = await context.intent({ nodes: 2 });
      await refused(context.provider.create(intent), ["unsupported-capability", "validation"], "An intent of two nodes");
      assert.deepEqual(await context.ofIntent(intent), [], "The refused purchase was made.");
    },
  },
  {
    id: "manifest-multi-pool",
    point: 1,
    title: "buys one machine from several offers",
    needs: ["capability:multiPool"],
    async run(context) {
      const offers = (await context.offers()).filter((offer, _, all) => offer.market === all[0]?.market);
      assert.ok(offers.length > 1, "multiPool is declared, but there are not two offers of one market.");
      const intent = await context.intent({ offers: offers.slice(0, 3) as [Offer, ...Offer[]] });
      await context.create(intent);
      assert.equal((await context.ofIntent(intent)).length, 1, "One intent over several offers is one machine.");
    },
  },
  {
    id: "manifest-no-volumes",
    point: 1,
    title: "refuses volumes where it has none, and buys nothing",
    needs: ["capability:no-volumes"],
    async run(context) {
      const ref = { provider: context.provider.name, kind: "volume", id: "vol-1" };
      const intent = await context.intent({ volumes: [{ ref, mount: "/data", readOnly: false }] });
      await refused(context.provider.create(intent), ["unsupported-capability", "validation", "not-found"], "An intent with a volume");
      assert.deepEqual(await context.ofIntent(intent), [], "The refused purchase was made.");
    },
  },
  {
    id: "manifest-self-terminate",
    point: 1,
    title: "a machine that its guardian ends from inside is over, and costs nothing more",
    needs: ["capability:guard", "hook:endFromInside"],
    async run(context) {
      const machine = await context.running();
      await context.hooks.endFromInside?.(machine);
      await context.gone(machine);
    },
  },
  {
    id: "manifest-undeclared",
    point: 1,
    title: "uses nothing that it does not declare, in any answer of any case",
    needs: [],
    afterwards: true,
    async run({ provider, observations }) {
      const { capabilities, name } = provider;
      const problems = new Set<string>();
      for (const { operation, args, ok, result } of observations) {
        if (!ok) continue;
        const shape = resultShapes[operation];
        const wrong = shape === undefined ? undefined : shapeProblems(shape, result);
        if (wrong !== undefined) problems.add(`${operation}() answered in a wrong shape: ${wrong}`);
        else if (operation === "offers")
          for (const offer of result as Offer[]) {
            if (offer.provider !== name) problems.add(`an offer names the provider ${offer.provider}, not ${name}`);
            if (offer.market === "spot" && !capabilities.spot) problems.add("spot offers, but capabilities.spot is false");
          }
        else if (operation === "create") {
          const made = result as { kind: string; machines?: unknown[] };
          const nodes = (args[0] as { nodes: number }).nodes;
          if (made.kind === "created" && made.machines?.length !== nodes && capabilities.identity === "token")
            problems.add(`create() of ${nodes} node(s) answered with ${made.machines?.length} machine(s)`);
        } else if (operation === "find") {
          const { machines, others } = result as {
            machines: Array<{ ref: { provider: string } }>;
            others: Array<{ ref: { provider: string } }>;
          };
          for (const { ref } of [...machines, ...others])
            if (ref.provider !== name) problems.add(`find() names the provider ${ref.provider}, not ${name}`);
        } else if (operation === "notices" && result !== undefined) {
          const { action } = result as { action: string };
          if ((action === "terminate" || action === "stop") && capabilities.noticeSeconds === undefined)
            problems.add(`a notice of "${action}" was delivered, but noticeSeconds is not declared`);
        }
      }
      assert.equal(problems.size, 0, [...problems].join("; "));
    },
  },
];

function ids(machines: ReadonlyArray<{ ref: { id: string } }>): string[] {
  return machines.map((machine) => machine.ref.id).sort();
}
