import assert from "node:assert/strict";
import type { ConformanceCase } from "../case.ts";
import { type ConformanceContext, refused } from "../context.ts";
import type { FaultKind } from "../hooks.ts";

/** Kinds that leave the outcome open. Everything else is read as "certainly nothing was bought". */
const OPEN = ["ambiguous-outcome", "timeout"];

function ambiguousCreate(id: string, title: string, fault: FaultKind): ConformanceCase {
  return {
    id,
    point: 3,
    title,
    needs: [`fault:${fault}`],
    async run(context) {
      const intent = await context.intent();
      await context.inject(fault, "create");
      await refused(context.provider.create(intent), OPEN, `create() with the fault ${fault}`);
      await context.clearFaults();
      await findable(context, intent);
    },
  };
}

/** What an intent made in spite of a missing answer is one machine, and found. */
async function findable(context: ConformanceContext, intent: Awaited<ReturnType<ConformanceContext["intent"]>>): Promise<void> {
  const { identity, tagsAtCreate } = context.provider.capabilities;
  if (identity === "none" && !tagsAtCreate) return;
  const found = await context.ofIntent(intent);
  assert.equal(found.length, 1, "The machine was made, the answer got lost, and find({ intentId }) does not show it.");
  if (identity !== "token") return;
  const again = await context.create(intent);
  assert.equal(again.ref.id, found[0]?.ref.id, "The same intent sent again after a lost answer made a second machine.");
}

/** Point 3: an unknown outcome is never called failed. */
export const ambiguityCases: ConformanceCase[] = [
  ambiguousCreate("ambiguity-reply-lost", "create whose reply is lost is ambiguous, and its machine is found", "replyLost"),
  ambiguousCreate("ambiguity-error-after", "create that answers with a server error after the effect is ambiguous", "errorAfter"),
  ambiguousCreate("ambiguity-timeout", "create without an answer in time is ambiguous", "timeout"),
  {
    id: "ambiguity-lost",
    point: 3,
    title: "create whose request is lost is not called failed; sent again it makes one machine",
    needs: ["fault:lost"],
    async run(context) {
      const intent = await context.intent();
      await context.inject("lost", "create");
      await refused(context.provider.create(intent), [...OPEN, "throttled"], "create() whose request got lost");
      await context.clearFaults();
      await context.create(intent);
      if (context.provider.capabilities.identity === "token") assert.equal((await context.ofIntent(intent)).length, 1);
    },
  },
  {
    id: "ambiguity-terminate",
    point: 3,
    title: "terminate whose reply is lost ends by repeating",
    needs: ["fault:replyLost"],
    async run(context) {
      const machine = await context.running();
      await context.inject("replyLost", "terminate");
      // Succeeding in spite of it (its own retry) is right, too.
      await context.provider
        .terminate(machine.ref)
        .catch((error: unknown) => refused(Promise.reject(error), [...OPEN, "throttled", "host-unreachable"], "terminate()"));
      await context.clearFaults();
      await context.provider.terminate(machine.ref);
      await context.gone(machine);
    },
  },
  {
    id: "ambiguity-delete-lies",
    point: 3,
    title: "a terminate that the far side only says it did is seen in the next listing",
    needs: ["fault:deleteLies"],
    async run(context) {
      const machine = await context.running();
      await context.inject("deleteLies", "terminate");
      await context.provider.terminate(machine.ref).catch(() => undefined);
      await context.clearFaults();
      const { machines } = await context.provider.find({ ids: [machine.ref.id] });
      assert.ok(
        machines[0] !== undefined && machines[0].state !== "ended",
        "The machine still runs, but find() says that it is over: it believed the answer instead of looking.",
      );
      await context.provider.terminate(machine.ref);
      await context.gone(machine);
    },
  },
];
