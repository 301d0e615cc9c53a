import assert from "node:assert/strict";
import { errorKind, RunctlError } from "@runctl/core/provider";
import type { ConformanceCase } from "../case.ts";
import { brief, refused } from "../context.ts";

/** Point 6: the far side's errors in our words. */
export const errorCases: ConformanceCase[] = [
  {
    id: "errors-capacity",
    point: 6,
    title: "no capacity is said as such, and names the pool",
    needs: ["fault:capacity"],
    async run(context) {
      const intent = await context.intent();
      await context.inject("capacity", "create", 50);
      const outcome = await context.provider.create(intent).catch((error: unknown) => error);
      await context.clearFaults();
      if (errorKind(outcome) === "no-capacity") return;
      const { kind, pools } = outcome as { kind?: string; pools?: Array<{ offerId: string }> };
      assert.equal(kind, "unavailable", `No capacity must be "unavailable" or a NoCapacityError, not ${brief(outcome)}.`);
      const offered = intent.offers.map((offer) => offer.id);
      assert.ok(
        (pools?.length ?? 0) > 0 && pools?.every((pool) => offered.includes(pool.offerId)),
        `pools do not name the offers asked for: ${brief(pools)}`,
      );
      assert.deepEqual(await context.ofIntent(intent), [], "It said unavailable and made a machine.");
    },
  },
  {
    id: "errors-quota",
    point: 6,
    title: "a limit of the account is a quota error, not a lack of machines",
    needs: ["fault:quota"],
    async run(context) {
      const intent = await context.intent();
      await context.inject("quota", "create", 50);
      const outcome = await context.provider.create(intent).catch((error: unknown) => error);
      await context.clearFaults();
      if (errorKind(outcome) === "quota") return;
      const { kind, pools } = outcome as { kind?: string; pools?: Array<{ scope: string }> };
      assert.ok(
        kind === "unavailable" && pools?.every((pool) => pool.scope === "account") === true,
        `A reached quota must be a QuotaError or "unavailable" with scope "account", not ${brief(outcome)}.`,
      );
    },
  },
  {
    id: "errors-invalid-options",
    point: 6,
    title: "options that it does not know are refused when the run is planned",
    needs: ["method:validateOptions"],
    async run({ provider }) {
      const work = (async () => provider.validateOptions?.({ noSuchOptionOfAnybody: true }))();
      const error = await refused(
        work,
        ["validation", "configuration", "unsupported-capability"],
        "validateOptions() of an unknown option",
      );
      assert.ok(error.message.includes("noSuchOptionOfAnybody"), `The error does not name the option: ${error.message}`);
    },
  },
  {
    id: "errors-unknown-offer",
    point: 6,
    title: "an offer that does not exist is refused, and nothing is bought",
    needs: [],
    async run(context) {
      const [offer] = (await context.intent()).offers;
      const intent = context.intentOf({ offers: [{ ...offer, id: "no-such-offer", type: "no-such-type", market: "no-such-market" }] });
      const outcome = await context.provider.create(intent).catch((error: unknown) => error);
      if (RunctlError.is(outcome))
        assert.ok(
          ["validation", "not-found", "unsupported-capability", "no-capacity", "configuration"].includes(outcome.kind),
          `An unknown offer must be refused as invalid, not as ${outcome.kind}.`,
        );
      else
        assert.equal(
          (outcome as { kind?: string }).kind,
          "unavailable",
          `An offer that does not exist was answered with ${brief(outcome)}.`,
        );
      assert.deepEqual(await context.ofIntent(intent), [], "A machine was bought for an offer that does not exist.");
    },
  },
  {
    id: "errors-foreign-ref",
    point: 6,
    title: "a ref of another provider ends nothing here",
    needs: [],
    async run(context) {
      const machine = await context.running();
      await context.provider.terminate({ ...machine.ref, provider: "somebody-else" }).catch(() => undefined);
      await context.provider.terminate({ ...machine.ref, kind: "volume" }).catch(() => undefined);
      const { machines } = await context.provider.find({ ids: [machine.ref.id] });
      assert.equal(machines[0]?.state, "running", "terminate() of another provider's or another kind's ref ended a machine of ours.");
    },
  },
  {
    id: "errors-preempted",
    point: 6,
    title: "a machine that was taken away says why",
    needs: ["hook:interrupt"],
    async run(context) {
      const market = context.provider.capabilities.spot ? "spot" : undefined;
      const machine = await context.running(await context.intent({}, market));
      await context.hooks.interrupt?.(machine, { action: "terminate" });
      const { machines } = await context.until(
        { ids: [machine.ref.id] },
        (listing) => listing.machines[0]?.state !== "running",
        "the interrupted machine not to run",
        context.limit("ended"),
      );
      // A machine that is listed no more says nothing, and that is right.
      if (machines[0] !== undefined)
        assert.ok(
          (machines[0].stateReason ?? "") !== "",
          `The machine is ${machines[0].state} without a stateReason: nobody could tell an interruption from a crash.`,
        );
    },
  },
  {
    id: "errors-cause",
    point: 6,
    title: "the far side's own words are kept as the cause",
    needs: ["fault:errorAfter"],
    async run(context) {
      const intent = await context.intent();
      await context.inject("errorAfter", "create");
      const error: unknown = await context.provider.create(intent).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      assert.ok(RunctlError.is(error), `create() that meets a server error must throw a runctl error, not ${brief(error)}.`);
      const { cause } = error as { cause?: unknown };
      assert.ok(
        cause !== undefined || Object.keys(error.context).length > 0,
        "The error keeps neither a cause nor context of what the far side said.",
      );
    },
  },
  {
    id: "errors-typed",
    point: 6,
    title: "every error of every case was a runctl error that says what to do",
    needs: [],
    afterwards: true,
    async run({ observations }) {
      const raw = observations.flatMap(({ ok, error, operation, caseId }) =>
        ok || RunctlError.is(error) || isAbort(error) ? [] : [`${operation}() in ${caseId} threw the raw ${brief(error)}`],
      );
      assert.equal(raw.length, 0, [...new Set(raw)].join("; "));
      const speechless = observations.flatMap(({ error, operation }) =>
        RunctlError.is(error) && error.what.trim() === "" ? [`${operation}() threw an error without words`] : [],
      );
      assert.equal(speechless.length, 0, [...new Set(speechless)].join("; "));
    },
  },
  {
    id: "errors-secrets",
    point: 6,
    title: "no error and no answer of any case holds a secret",
    needs: ["hook:secrets"],
    afterwards: true,
    async run({ observations, hooks }) {
      const secrets = hooks.secrets ?? [];
      const leaks = new Set<string>();
      for (const { ok, error, result, operation } of observations) {
        // The cause is kept raw on purpose and is nobody's message.
        const text = ok ? JSON.stringify(result ?? null) : textOf(error);
        for (const secret of secrets)
          if (secret !== "" && text.includes(secret)) leaks.add(`${operation}() shows a secret in its ${ok ? "answer" : "error"}`);
      }
      assert.equal(leaks.size, 0, [...leaks].join("; "));
    },
  },
];

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || error.message.startsWith("conformance: aborted"));
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return [error.message, error.stack ?? "", JSON.stringify(error)].join("\n");
}
