import { describe, expect, it } from "vitest";
import type { EmulatedCloudOptions } from "../src/cloud/cloud-options.ts";
import { EC2_LIKE, LYCEUM_LIKE, RUNPOD_LIKE } from "../src/cloud/cloud-presets.ts";
import { useWorlds } from "./support/worlds.ts";

const newWorld = useWorlds();
const CLOUDS: Array<[string, EmulatedCloudOptions]> = [
  ["EC2", EC2_LIKE],
  ["RunPod", RUNPOD_LIKE],
  ["Lyceum", LYCEUM_LIKE],
  ["one whose listings lag", { listing: { lagMs: 30_000, stateLagMs: 30_000 } }],
];

describe("a run on a cloud like", () => {
  it.each(CLOUDS)(
    "%s: nothing goes wrong, so nobody is alarmed; one machine, ended, and the ledger is the invoice",
    async (_name, options) => {
      // An hour: rounding up to whole seconds is far below 0.1 % of it.
      const world = newWorld({ clouds: [options], job: { steps: 600, stepSeconds: 6 } });
      const [cloud] = world.clouds;
      const controller = world.controller();
      const alarms: string[] = [];
      const heard = (async () => {
        for await (const event of controller.runctl.events()) if (event.type === "alarm") alarms.push(event.what);
      })();
      const run = await world.run(controller.runctl.train(world.spec()));
      const result = await world.run(run.result());
      expect(result.status).toBe("succeeded");
      await world.run(controller.close());
      await world.run(heard);
      expect(alarms).toEqual([]);
      expect([...(cloud?.machines() ?? [])].map(({ state }) => state)).toEqual(["ended"]);
      const invoice = cloud?.invoice().total ?? 0;
      expect(Math.abs((result.cost.total?.amount ?? 0) - invoice)).toBeLessThan(0.001 * invoice);
      // Asked for once where the end can be seen to come.
      if (options.listing?.stateLagMs === undefined) expect(cloud?.counts.terminate).toBe(1);
    },
  );
});
