import assert from "node:assert/strict";
import type { ConformanceCase } from "../case.ts";
import { refused } from "../context.ts";

/** Point 5: throttling, expired credentials, missing permissions. */
export const accessCases: ConformanceCase[] = [
  {
    id: "access-throttled",
    point: 5,
    title: "throttling is said to be throttling, and nothing is bought",
    needs: ["fault:throttle"],
    async run(context) {
      const intent = await context.intent();
      await context.inject("throttle", "create", 50);
      const error = await refused(context.provider.create(intent), ["throttled"], "A throttled create()");
      assert.equal(error.retryable, true, "A throttled call can be tried again; the error says that it cannot.");
      await context.clearFaults();
      await context.create(intent);
    },
  },
  {
    id: "access-retry-after",
    point: 5,
    title: "the time that the far side asks to wait is handed on",
    needs: ["fault:throttleRetryAfter"],
    async run(context) {
      const intent = await context.intent();
      await context.inject("throttleRetryAfter", "create", 50);
      const error = await refused(context.provider.create(intent), ["throttled"], "A throttled create()");
      assert.ok((error.retryAfterMs ?? 0) > 0, "The reply said how long to wait, the error's retryAfterMs does not.");
    },
  },
  {
    id: "access-expired",
    point: 5,
    title: "credentials that expire in the middle are an authentication error, and new ones are taken up",
    needs: ["fault:auth"],
    async run(context) {
      const { provider } = context;
      const machine = await context.running();
      await context.inject("auth", "find", 50);
      await refused(provider.find({ ids: [machine.ref.id] }), ["authentication"], "find() with expired credentials");
      await context.clearFaults();
      await context.inject("auth", "terminate", 50);
      await refused(provider.terminate(machine.ref), ["authentication"], "terminate() with expired credentials");
      await context.clearFaults();
      await context.inject("auth", "create", 50);
      await refused(provider.create(await context.intent()), ["authentication"], "create() with expired credentials");
      await context.clearFaults();
      // The same client, no new one: credentials renew while a run lives.
      await provider.terminate(machine.ref);
      await context.gone(machine);
    },
  },
  {
    id: "access-permission",
    point: 5,
    title: "a missing permission is a permission error for that one action",
    needs: ["fault:permission"],
    async run(context) {
      const machine = await context.running();
      await context.inject("permission", "terminate", 50);
      await refused(context.provider.terminate(machine.ref), ["permission"], "terminate() without the permission");
      const { machines } = await context.provider.find({ ids: [machine.ref.id] });
      assert.equal(machines[0]?.state, "running", "The refused terminate had an effect, or find() fails with it.");
      await context.clearFaults();
      await context.provider.terminate(machine.ref);
    },
  },
  {
    id: "access-permission-named",
    point: 5,
    title: "the error names the missing permission",
    needs: ["fault:permission", "hook:permissionName"],
    async run(context) {
      const name = context.hooks.permissionName?.("create") ?? "";
      const intent = await context.intent();
      await context.inject("permission", "create", 50);
      const error = await refused(context.provider.create(intent), ["permission"], "create() without the permission");
      assert.ok(JSON.stringify([error.message, error.context]).includes(name), `The error does not name ${name}: ${error.message}`);
    },
  },
  {
    id: "access-doctor",
    point: 5,
    title: "doctor() names a missing permission before money is spent",
    needs: ["method:doctor", "fault:permission", "hook:permissionName"],
    async run(context) {
      const name = context.hooks.permissionName?.("create") ?? "";
      const named = async (): Promise<boolean> =>
        ((await context.provider.doctor?.()) ?? []).some(
          (finding) => finding.severity === "error" && JSON.stringify(finding).includes(name),
        );
      assert.equal(await named(), false, "doctor() reports a permission as missing that is there.");
      await context.inject("permission", "create", 50);
      assert.equal(await named(), true, `doctor() does not report ${name} as missing: it would show only when a machine is bought.`);
    },
  },
];
