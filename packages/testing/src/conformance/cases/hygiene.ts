import assert from "node:assert/strict";
import type { ConformanceCase } from "../case.ts";
import { leftBehind } from "../traces.ts";

/** Point 12: a guest in somebody's process. */
export const hygieneCases: ConformanceCase[] = [
  {
    id: "hygiene-handles",
    point: 12,
    title: "no timer, socket or process is left once it is closed",
    needs: [],
    async run(context) {
      const { provider } = context;
      const left = await leftBehind(async () => {
        const machine = await context.running();
        if (provider.connect !== undefined) await (await context.connect(machine)).close();
        await provider.terminate(machine.ref);
        await context.gone(machine);
        await provider.close?.();
      });
      assert.equal(left.length, 0, `After everything was closed these keep the process alive: ${left.join(", ")}.`);
    },
  },
  {
    id: "hygiene-globals",
    point: 12,
    title: "no global, environment variable, process listener or working folder is changed",
    needs: [],
    async run(context) {
      const before = globals();
      const machine = await context.running();
      await context.provider.terminate(machine.ref);
      await context.gone(machine);
      const after = globals();
      const changed = Object.keys(before).filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]));
      assert.equal(changed.length, 0, `It changed: ${changed.map((key) => `${key} (${difference(before[key], after[key])})`).join(", ")}.`);
    },
  },
  {
    id: "hygiene-exit",
    point: 12,
    title: "process.exit was never called",
    needs: [],
    afterwards: true,
    async run(context) {
      const calls = context.observations.filter((observation) => observation.operation === "process.exit");
      assert.deepEqual(
        calls.map((call) => call.caseId),
        [],
        "A library must not end its user's process.",
      );
    },
  },
];

/** What is in one list and not in the other. */
function difference(before: string[] = [], after: string[] = []): string {
  return [...after.filter((one) => !before.includes(one)), ...before.filter((one) => !after.includes(one))].join(", ");
}

/** Names only of the environment: its values may be secrets. */
function globals(): Record<string, string[]> {
  return {
    globals: Object.getOwnPropertyNames(globalThis).sort(),
    environment: Object.keys(process.env).sort(),
    "working folder": [process.cwd()],
    listeners: ["SIGINT", "SIGTERM", "SIGHUP", "exit", "beforeExit", "uncaughtException", "unhandledRejection", "warning"].map(
      (event) => `${event}: ${process.listenerCount(event)}`,
    ),
  };
}
