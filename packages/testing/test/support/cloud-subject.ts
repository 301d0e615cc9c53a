import type { HostSession, TrainingProvider } from "@runctl/core/provider";
import { HOST_CLIENT } from "@runctl/core/seams";
import { SeededRandom } from "../../src/clock/seeded-random.ts";
import { VirtualClock } from "../../src/clock/virtual-clock.ts";
import type { EmulatedCloudOptions } from "../../src/cloud/cloud-options.ts";
import { EmulatedCloud } from "../../src/cloud/emulated-cloud.ts";
import type { CloudOp, Fault } from "../../src/cloud/faults.ts";
import type { MachineContext, MachineHost } from "../../src/cloud/machine-host.ts";
import type { ConformanceHooks, FaultKind, FaultOperation } from "../../src/conformance/hooks.ts";
import type { ProviderSubject } from "../../src/conformance/options.ts";

/** The cloud's words for our faults. What is missing it cannot do. */
const FAULTS: Partial<Record<FaultKind, Fault>> = {
  lost: "lost",
  replyLost: "reply-lost",
  errorAfter: "error-after-effect",
  throttle: "throttle",
  throttleRetryAfter: { kind: "throttle", retryAfterMs: 7_000 },
  auth: "expired",
  permission: "permission",
  capacity: "unavailable",
  quota: "quota",
  incomplete: "incomplete",
  deleteLies: "lie",
};

const OPERATIONS: Partial<Record<FaultOperation, CloudOp>> = {
  "volumes.create": "volume-create",
  "volumes.attach": "volume-attach",
  "volumes.detach": "volume-detach",
  "volumes.delete": "volume-delete",
};

/** A subject with every hook the emulated cloud can serve. */
export interface CloudSubject extends ProviderSubject {
  cloud: EmulatedCloud;
  clock: VirtualClock;
  hooks: ConformanceHooks & { faults: NonNullable<ConformanceHooks["faults"]> };
}

/** An emulated cloud on its own virtual clock, ready for the suite. */
export function cloudSubject(options: EmulatedCloudOptions = {}): CloudSubject {
  const clock = new VirtualClock();
  const contexts = new Map<string, MachineContext>();
  const cloud = new EmulatedCloud({
    clock,
    random: new SeededRandom("conformance"),
    regions: [
      { name: "us-test-1", zones: ["us-test-1a", "us-test-1b"] },
      { name: "eu-test-1", zones: ["eu-test-1a"] },
    ],
    spot: { onReclaim: "stop" },
    transitions: { pendingMs: 20_000, endingMs: 5_000, stoppingMs: 5_000 },
    listing: { lagMs: [0, 5_000], pageSize: 2 },
    multiPool: true,
    // Models do not run it; a host that ends itself needs one.
    hostHooks: () => ({ terminate: "curl -X DELETE https://cloud.test/machines/self" }),
    host: (context) => {
      contexts.set(context.id, context);
      return modelledHost();
    },
    ...options,
  });
  const script = (kind: FaultKind) => (operation: FaultOperation, times: number) => {
    const fault = FAULTS[kind] as Fault;
    cloud.faults.next(OPERATIONS[operation] ?? (operation as CloudOp), ...Array.from({ length: times }, () => fault));
  };
  const kinds = Object.keys(FAULTS) as FaultKind[];
  let heal: () => void = () => undefined;
  return {
    cloud,
    clock,
    provider: cloud.client(),
    again: (): TrainingProvider => cloud.client(),
    drive: (work) => clock.run(work),
    hooks: {
      faults: {
        ...Object.fromEntries(kinds.map((kind) => [kind, script(kind)])),
        timeout: (operation, times) => {
          // An answer that comes long after the client's own patience.
          cloud.faults.next(OPERATIONS[operation] ?? (operation as CloudOp), ...Array.from({ length: times }, () => "reply-lost" as const));
        },
        detachStuck: () => {
          for (const volume of cloud.shelf.volumes.values()) volume.stuck = true;
        },
        tagFailure: (_operation, times) => {
          if (cloud.tagging === "after-create") cloud.faults.next("tag", ...Array.from({ length: times }, () => "down" as const));
          return cloud.tagging === "after-create";
        },
      },
      clearFaults: () => cloud.faults.clear(),
      foreign: () => ({ provider: cloud.name, kind: "machine", id: cloud.plant({ tags: { owner: "somebody" } }) }),
      interrupt: (machine, { action, noticeSeconds }) => {
        if (action === "rebalance") cloud.rebalance(machine.ref.id);
        else if (action === "maintenance") cloud.maintenance(machine.ref.id, { noticeMs: (noticeSeconds ?? 0) * 1_000 });
        else cloud.reclaim(machine.ref.id, { noticeMs: (noticeSeconds ?? 0) * 1_000, action });
      },
      endFromInside: async (machine) => {
        const context = contexts.get(machine.ref.id);
        if (cloud.capabilities.guard === "host-calls-api") await context?.endItself();
        else context?.powerOff();
      },
      listLag: (ms) => {
        cloud.listing.lagMs = ms;
      },
      threePages: 6,
      invoice: () => {
        const { total, currency } = cloud.invoice();
        return { amount: total, currency };
      },
      permissionName: (operation) => operation,
      partition: (cut) => {
        heal();
        heal = cut ? cloud.network.cut("client-cloud") : () => undefined;
      },
      secrets: ["sk-conformance-secret"],
    },
  };
}

/** A host that can be reached and is a model: cases that run real commands do not apply. */
function modelledHost(): MachineHost {
  const session: HostSession = {
    home: "/home/runctl",
    exec: async () => ({ exitCode: 0, stdout: "", stderr: "" }),
    write: async () => undefined,
    upload: async () => undefined,
    download: async () => undefined,
    read: async () => undefined,
    close: async () => undefined,
  };
  return {
    boot: () => undefined,
    notice: () => undefined,
    halt: () => undefined,
    connect: async () => Object.assign({}, session, { [HOST_CLIENT]: {} }),
  };
}
