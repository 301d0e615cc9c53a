import { describe, expect, it } from "vitest";
import { replayCase } from "../src/explore/run-case.ts";
import type { Scenario } from "../src/explore/scenario.ts";
import { onDemand } from "../src/explore/scenarios/on-demand.ts";

/** Listings show a machine 45 s after it was made: a state that is rebuilt at once cannot see the youngest. */
const lagging: Scenario = {
  ...onDemand,
  name: "lagging",
  title: "listings lag 45 s",
  cloud: { ...onDemand.cloud, listing: { lagMs: 45_000 } },
};

describe("a state that was lost while listings lag", () => {
  for (const at of [32, 33, 34, 35, 36, 37, 38, 40, 44, 50]) {
    for (const variant of ["applied", "late"] as const) {
      it(`P-02 P-03: death at call ${at}, ${variant}: nothing trains beside what the rebuilt state buys`, async () => {
        const { broken } = await replayCase(`lagging.A.s1.kill-${at}-${variant}.lose-state`, [lagging]);
        expect(broken).toEqual([]);
      });
    }
  }
});
