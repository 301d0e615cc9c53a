import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { local } from "@runctl/provider-local";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testProvider } from "../src/conformance/test-provider.ts";

let home = "";
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "runctl-conformance-local-"));
});
afterAll(() => rm(home, { recursive: true, force: true }));

testProvider(
  () => {
    const make = () => local({ home, pricePerHour: 1.5, spot: { pricePerHour: 0.5 } });
    const provider = make();
    return {
      provider,
      again: make,
      hooks: {
        interrupt: async (machine, { action, noticeSeconds }) => {
          if (action !== "terminate" || noticeSeconds !== undefined) throw new Error("a local machine is only ever taken away at once");
          await provider.simulateInterruption(machine.ref);
        },
      },
    };
  },
  {
    describe,
    it,
    name: "provider-local keeps the contract",
    limits: { poll: 20 },
    onReport: (report) => {
      expect(report.class?.class).toBe("A");
    },
  },
);
