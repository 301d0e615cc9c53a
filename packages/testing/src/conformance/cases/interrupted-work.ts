import assert from "node:assert/strict";
import {
  errorKind,
  type Machine,
  type ProviderVolumes,
  RunctlError,
  TAGS,
  type TrainingProvider,
  type VolumeInfo,
} from "@runctl/core/provider";
import type { ConformanceCase } from "../case.ts";
import { brief } from "../context.ts";
import type { FaultOperation } from "../hooks.ts";

/** Turns of the event loop before the abort: from "at once" to "most likely done". */
const TURNS = [0, 1, 2, 3, 5, 8, 13, 21, 55];
/** Answers that say "certainly nothing was bought". */
const CLOSED = [
  "validation",
  "configuration",
  "authentication",
  "permission",
  "quota",
  "throttled",
  "not-found",
  "unsupported-capability",
  "conflict",
];

/** Point 10: abort at each await, crash at each boundary, two clients at once. */
export const interruptedWorkCases: ConformanceCase[] = [
  {
    id: "abort-before",
    point: 10,
    title: "a call whose signal is aborted already rejects with the caller's reason and does nothing",
    needs: [],
    async run(context) {
      const { provider } = context;
      const reason = new Error("conformance: aborted before the call");
      const signal = AbortSignal.abort(reason);
      const intent = await context.intent();
      await rejectsWith(provider.create(intent, { signal }), reason, "create()");
      assert.deepEqual(await context.ofIntent(intent), [], "create() bought a machine although its signal was aborted before.");
      await rejectsWith(provider.offers({}, { signal }), reason, "offers()");
      await rejectsWith(provider.find({ stateId: context.stateId, signal }), reason, "find()");
      if (provider.connect !== undefined) await rejectsWith(provider.connect(await context.running(), { signal }), reason, "connect()");
    },
  },
  {
    id: "abort-create",
    point: 10,
    title: "create aborted at each turn ends, tells the truth, and leaves nothing that terminate does not end",
    needs: [],
    async run(context) {
      for (const turns of TURNS) {
        const abort = new AbortController();
        const reason = new Error(`conformance: aborted after ${turns} turns`);
        const intent = await context.intent();
        const work = context.provider.create(intent, { signal: abort.signal }).then(
          (outcome) => ({ outcome, error: undefined }),
          (error: unknown) => ({ outcome: undefined, error }),
        );
        for (let turn = 0; turn < turns; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
        abort.abort(reason);
        const { outcome, error } = await work;
        const found = await context.ofIntent(intent);
        if (outcome?.kind === "created")
          assert.equal(found.length, intent.nodes, `Aborted after ${turns} turns it said created, and find shows ${found.length}.`);
        if (error !== undefined && error !== reason) {
          assert.ok(RunctlError.is(error), `Aborted after ${turns} turns it threw the raw ${brief(error)}.`);
          if (CLOSED.includes(error.kind))
            assert.deepEqual(found, [], `Aborted after ${turns} turns it said ${error.kind}, and a machine was made.`);
        }
        for (const machine of found) {
          await context.provider.terminate(machine.ref);
          await context.gone(machine);
        }
      }
    },
  },
  {
    id: "abort-others",
    point: 10,
    title: "offers, find and connect aborted at each turn end at once: with what they have, or with the caller's own reason",
    needs: [],
    async run(context) {
      const { provider } = context;
      const machine = await context.running();
      const calls: Array<[string, (signal: AbortSignal) => Promise<unknown>]> = [
        ["offers()", (signal) => provider.offers({}, { signal })],
        ["find()", (signal) => provider.find({ stateId: context.stateId, signal })],
      ];
      if (provider.connect !== undefined)
        calls.push(["connect()", async (signal) => (await provider.connect?.(machine, { signal }))?.close()]);
      for (const [name, call] of calls)
        for (const turns of TURNS) {
          const abort = new AbortController();
          const reason = new Error(`conformance: aborted after ${turns} turns`);
          const work = call(abort.signal).then(
            () => undefined,
            (error: unknown) => error,
          );
          for (let turn = 0; turn < turns; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
          abort.abort(reason);
          const error = await work;
          const own = error === undefined || error === reason || (error as { cause?: unknown }).cause === reason;
          assert.ok(own, `${name} aborted after ${turns} turns threw ${brief(error)} instead of the caller's own reason.`);
        }
    },
  },
  {
    id: "crash-create",
    point: 10,
    title: "a machine whose buyer crashed before the answer is found and ended by the next process",
    needs: ["second-client", "fault:replyLost", "capability:findable"],
    async run(context) {
      const intent = await context.intent();
      await context.inject("replyLost", "create");
      await context.provider.create(intent).catch(() => undefined);
      await context.clearFaults();
      const next = await context.second();
      const found = await context.ofIntent(intent, next);
      assert.equal(found.length, 1, "The next process does not find the machine of the intent.");
      for (const machine of found) await next.terminate(machine.ref);
      assert.deepEqual(await context.ofIntent(intent, next), []);
    },
  },
  {
    id: "crash-each",
    point: 10,
    title: "every call whose caller crashed, before or after the effect, is finished by repeating it in another process",
    needs: ["second-client", "fault:replyLost", "fault:lost"],
    async run(context) {
      const next = await context.second();
      const steps: Array<[FaultOperation, (provider: TrainingProvider, machine: Machine) => Promise<unknown>, string]> = [];
      if (context.provider.tag !== undefined)
        steps.push(["tag", async (provider, machine) => provider.tag?.(machine.ref, { [TAGS.protected]: "true" }), "running"]);
      const offer = (await context.offers()).find((one) => one.can.stop);
      if (context.provider.stop !== undefined && offer !== undefined)
        steps.push(
          ["stop", async (provider, machine) => provider.stop?.(machine.ref), "stopped"],
          ["start", async (provider, machine) => provider.start?.(machine.ref), "running"],
        );
      steps.push(["terminate", async (provider, machine) => provider.terminate(machine.ref), "gone"]);
      for (const fault of ["lost", "replyLost"] as const) {
        const machine = await context.running(offer === undefined ? undefined : await context.intent({ offers: [offer] }));
        for (const [operation, call, state] of steps) {
          if ((await context.hooks.faults?.[fault]?.(operation, 1)) === false) continue;
          await call(context.provider, machine).catch(() => undefined);
          await context.clearFaults();
          await call(next, machine);
          if (state === "gone") await context.gone(machine);
          else await context.state(machine, [state], context.limit("running"));
        }
      }
    },
  },
  {
    id: "crash-volumes",
    point: 10,
    title: "every call about a volume whose caller crashed is finished by repeating it in another process",
    needs: ["method:volumes", "second-client", "fault:replyLost", "fault:lost"],
    async run(context) {
      const next = (await context.second()).volumes;
      const own = context.provider.volumes;
      assert.ok(own !== undefined && next !== undefined, "The second client has no volumes.");
      const machine = await context.running();
      const zone = machine.zone ?? (await context.intent()).offers[0].zone;
      for (const fault of ["lost", "replyLost"] as const) {
        const crashed = async (operation: FaultOperation, call: (on: ProviderVolumes) => Promise<unknown>): Promise<void> => {
          if ((await context.hooks.faults?.[fault]?.(operation, 1)) !== false) await call(own).catch(() => undefined);
          await context.clearFaults();
          await call(next);
        };
        const intentId = context.id();
        const request = {
          name: `conformance-${intentId}`,
          sizeBytes: 2 ** 30,
          intentId,
          tags: context.tags(intentId),
          ...(zone === undefined ? {} : { zone }),
        };
        let volume: VolumeInfo | undefined;
        await crashed("volumes.create", async (on) => {
          volume = await on.create(request);
          context.volumes.push(volume);
        });
        await context.settled();
        const made: VolumeInfo[] = (await next.list({ stateId: context.stateId })).filter((one) => one.tags[TAGS.intent] === intentId);
        context.volumes.push(...made);
        assert.equal(
          made.length,
          1,
          `A create of a volume whose answer got lost (${fault}), repeated by another process, made ${made.length} volumes.`,
        );
        const { ref } = made[0] as VolumeInfo;
        await crashed("volumes.attach", (on) => on.attach(ref, machine.ref));
        assert.equal(
          (await next.list({ ids: [ref.id] }))[0]?.attachedTo?.id,
          machine.ref.id,
          "After the repeated attach it is not with its machine.",
        );
        await crashed("volumes.detach", (on) => on.detach(ref));
        await crashed("volumes.delete", (on) => on.delete(ref));
      }
    },
  },
  {
    id: "two-clients-create",
    point: 10,
    title: "two processes that send the same intent at once get one machine",
    needs: ["second-client", "capability:token"],
    async run(context) {
      const other = await context.second();
      const intent = await context.intent();
      const results = await Promise.allSettled(
        [0, 1, 2, 3].map((n) => (n % 2 === 0 ? context.provider : other).create(structuredClone(intent))),
      );
      const found = await context.ofIntent(intent);
      assert.equal(found.length, 1, `Four creates of one intent at once made ${found.length} machines.`);
      for (const result of results) {
        if (result.status === "rejected")
          assert.ok(
            ["conflict", "already-exists", "ambiguous-outcome", "throttled"].includes(errorKind(result.reason) ?? ""),
            `One of them failed with ${brief(result.reason)}.`,
          );
        else if (result.value.kind === "created") assert.equal(result.value.machines[0].ref.id, found[0]?.ref.id);
      }
    },
  },
  {
    id: "two-clients-view",
    point: 10,
    title: "two processes see the same machines, and both may end one",
    needs: ["second-client"],
    async run(context) {
      const other = await context.second();
      const machine = await context.running();
      await context.until(
        { ids: [machine.ref.id] },
        ({ machines }) => machines[0]?.state === "running",
        "the other process to see it",
        context.settleMs + 60_000,
        other,
      );
      await Promise.all([context.provider.terminate(machine.ref), other.terminate(machine.ref)]);
      await context.gone(machine);
    },
  },
  {
    id: "crash-tags",
    point: 10,
    title: "no machine is left without tags when tagging fails",
    needs: ["fault:tagFailure", "capability:tagsAtCreate"],
    async run(context) {
      const intent = await context.intent();
      await context.inject("tagFailure", "create");
      await context.provider.create(intent).catch(() => undefined);
      await context.clearFaults();
      await context.settled();
      const { machines } = await context.provider.find({ includeForeign: true });
      const untagged = machines.filter(
        (machine) =>
          machine.name === intent.name &&
          machine.state !== "ended" &&
          machine.state !== "ending" &&
          machine.tags["runctl:intent"] !== intent.id,
      );
      for (const machine of untagged) await context.provider.terminate(machine.ref);
      assert.deepEqual(
        untagged.map((machine) => machine.ref.id),
        [],
        "tagsAtCreate is declared, and a machine lives without its tags: nothing would ever find it.",
      );
    },
  },
];

async function rejectsWith(work: Promise<unknown>, reason: Error, what: string): Promise<void> {
  const error: unknown = await work.then(
    (value) => assert.fail(`${what} ignored a signal that was aborted before the call; it resolved with ${brief(value)}.`),
    (thrown: unknown) => thrown,
  );
  if (error instanceof assert.AssertionError) throw error;
  const own = error === reason || (error as { cause?: unknown }).cause === reason;
  assert.ok(own, `${what} must reject with the caller's own reason, not with ${brief(error)}.`);
}
