import assert from "node:assert/strict";
import type { HostNotice, Machine } from "@runctl/core/provider";
import { CannotSay, type ConformanceCase } from "../case.ts";
import type { ConformanceContext } from "../context.ts";

/** Point 7: notices, interruptions, and what is left afterwards. */
export const spotCases: ConformanceCase[] = [
  {
    id: "spot-market",
    point: 7,
    title: "a machine bought on the spot market is one",
    needs: ["capability:spot"],
    async run(context) {
      const machine = await context.running(await context.intent({}, "spot"));
      if (machine.market !== undefined) assert.equal(machine.market, "spot", "A spot machine was bought and another came.");
    },
  },
  {
    id: "spot-notice",
    point: 7,
    title: "the notice arrives in time, and says what will happen",
    needs: ["capability:notice", "hook:interrupt"],
    async run(context) {
      const seconds = context.provider.capabilities.noticeSeconds ?? 0;
      const machine = await spotMachine(context);
      const before = context.clock.now();
      await context.hooks.interrupt?.(machine, { action: "terminate", noticeSeconds: seconds });
      const notice = await noticed(context, machine);
      assert.equal(notice.action, "terminate");
      if (notice.at !== undefined)
        assert.ok(
          Math.abs(Date.parse(notice.at) - before - seconds * 1_000) < 10_000 + seconds * 100,
          `The notice says ${notice.at}, ${seconds} s were announced.`,
        );
    },
  },
  {
    id: "spot-no-notice",
    point: 7,
    title: "a machine that is taken away without notice stops being shown as running",
    needs: ["hook:interrupt"],
    async run(context) {
      const market = context.provider.capabilities.spot ? "spot" : undefined;
      const machine = await context.running(await context.intent({}, market));
      await context.hooks.interrupt?.(machine, { action: "terminate" });
      await context.gone(machine);
      await context.provider.terminate(machine.ref);
    },
  },
  {
    id: "spot-rebalance",
    point: 7,
    title: "a rebalance hint is a hint: the machine goes on",
    needs: ["capability:notice", "method:notices", "hook:interrupt"],
    async run(context) {
      const machine = await spotMachine(context);
      try {
        await context.hooks.interrupt?.(machine, { action: "rebalance" });
      } catch (error) {
        throw new CannotSay("not-provable", `hook interrupt cannot give a rebalance hint: ${String(error)}`);
      }
      const notice = await noticed(context, machine);
      assert.equal(notice.action, "rebalance", "A rebalance hint was handed on as something else.");
      const { machines } = await context.provider.find({ ids: [machine.ref.id] });
      assert.equal(machines[0]?.state, "running");
    },
  },
  {
    id: "spot-stop-resume",
    point: 7,
    title: "a machine that an interruption stopped can be started again",
    needs: ["capability:spot", "method:start", "hook:interrupt"],
    async run(context) {
      const machine = await spotMachine(context);
      try {
        await context.hooks.interrupt?.(machine, { action: "stop" });
      } catch (error) {
        throw new CannotSay("not-provable", `hook interrupt cannot stop a machine: ${String(error)}`);
      }
      await context.state(machine, ["stopped"], context.limit("ended"));
      await context.provider.start?.(machine.ref);
      await context.state(machine, ["running"], context.limit("running"));
    },
  },
];

async function spotMachine(context: ConformanceContext): Promise<Machine> {
  return context.running(await context.intent({}, context.provider.capabilities.spot ? "spot" : undefined));
}

/** The first notice, through the provider's API or through the script that the host would run. */
async function noticed(context: ConformanceContext, machine: Machine): Promise<HostNotice> {
  const { provider } = context;
  const begun = context.clock.monotonic();
  const script = provider.notices === undefined ? hookScript(context) : undefined;
  if (provider.notices === undefined && script === undefined)
    throw new CannotSay("not-provable", "notices come by a built-in source of the host agent only");
  for (;;) {
    const notice = script === undefined ? await provider.notices?.(machine) : await byScript(context, machine, script);
    const waited = context.clock.monotonic() - begun;
    if (notice !== undefined) {
      context.measure("noticeAfterMs", waited);
      return notice;
    }
    if (waited > context.limit("notice")) assert.fail(`No notice after ${Math.round(waited / 100) / 10} s.`);
    await context.pass(250);
  }
}

function hookScript(context: ConformanceContext): string | undefined {
  const intent = context.intents.at(-1);
  return intent === undefined ? undefined : context.provider.hostHooks?.(intent).notice;
}

async function byScript(context: ConformanceContext, machine: Machine, script: string): Promise<HostNotice | undefined> {
  const session = await context.connect(machine);
  const { stdout, exitCode, stderr } = await session.exec(["sh", "-c", script]);
  assert.equal(exitCode, 0, `The notice script failed: ${stderr}`);
  return stdout.trim() === "" ? undefined : (JSON.parse(stdout) as HostNotice);
}
