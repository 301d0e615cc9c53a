import { describe, expect, it } from "vitest";
import { EC2_LIKE } from "../src/cloud/cloud-presets.ts";
import { useWorlds } from "./support/worlds.ts";

const MINUTE = 60_000;
const newWorld = useWorlds();

describe("a spot machine that is taken back in its first hour", () => {
  it("P-19 costs nothing: it is left to be taken, the whole window long, while its replacement trains", async () => {
    const world = newWorld({
      clouds: [{ ...EC2_LIKE, spot: { reclaimAfterMs: [20 * MINUTE] }, billing: { ...EC2_LIKE.billing, diskPerGibMonth: 0 } }],
      job: { steps: 400, stepSeconds: 6 },
    });
    const controller = world.controller();
    const run = await world.run(controller.runctl.train(world.spec({ market: "spot" })));
    const result = await world.run(run.result());
    expect(result.status).toBe("succeeded");
    const cloud = world.clouds[0];
    const [first, second] = [...(cloud?.machines() ?? [])];
    expect(first?.reason).toContain("Server.SpotInstanceTermination");
    expect((first?.endedAt ?? 0) - (first?.createdAt ?? 0)).toBe(22 * MINUTE);
    expect(second?.createdAt).toBeLessThan((first?.createdAt ?? 0) + 21 * MINUTE);
    const bill = cloud?.invoice();
    expect(bill?.lines[0]?.total).toBe(0);
    expect(result.cost.total?.amount).toBeCloseTo(bill?.total ?? -1, 5);
    await world.run(controller.close());
  });
});
