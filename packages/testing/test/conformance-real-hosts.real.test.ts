import { describe, it } from "vitest";
import { EmulatedCloud } from "../src/cloud/emulated-cloud.ts";
import { testProvider } from "../src/conformance/test-provider.ts";
import { processHooks, processHost } from "../src/hosts/process-host.ts";

// Real commands on the emulated cloud's machines; the rest of the cloud is tested under virtual time (conformance-cloud.test.ts).
testProvider(
  () => {
    const hosts = processHost();
    const cloud = new EmulatedCloud({ host: hosts, hostHooks: () => processHooks(), capabilities: { settleMs: 0, pollMs: 50 } });
    return { provider: cloud.client(), again: () => cloud.client(), dispose: () => hosts.dispose() };
  },
  {
    describe,
    it,
    name: "the emulated cloud's machines of real processes keep the contract",
    only: ["11", "hygiene-handles", "manifest-methods", "lifecycle-terminate-twice"],
    limits: { poll: 20, burstBytes: 30_000_000 },
  },
);
