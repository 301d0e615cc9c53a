import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConformanceModule, FaultHook, FaultOperation } from "@runctl/testing";
import { tiny } from "./provider.ts";
import { type Trouble, tinyCloud } from "./server.ts";

const KEY = "tiny-secret-key";

/** How the service names what the suite wants to disturb. */
const CALLS: Partial<Record<FaultOperation, string>> = {
  create: "POST machines",
  find: "GET machines",
  terminate: "DELETE machine",
  tag: "PATCH machine",
};

/** A fresh cloud for each case, and every way that it can be rude. */
async function factory() {
  const folder = await mkdtemp(join(tmpdir(), "tiny-cloud-"));
  const cloud = await tinyCloud(folder, KEY);
  const client = () => tiny({ url: cloud.url, key: KEY, timeoutMs: 5_000 });
  const rude =
    (rest: Omit<Trouble, "call" | "times">): FaultHook =>
    (operation, times) => {
      const call = CALLS[operation];
      if (call === undefined) return false;
      cloud.trouble.push({ call, times, ...rest });
      return true;
    };
  return {
    provider: client(),
    again: client,
    hooks: {
      faults: {
        lost: rude({ when: "before", status: 0 }),
        replyLost: rude({ when: "after", status: 0 }),
        errorAfter: rude({ when: "after", status: 500 }),
        timeout: rude({ when: "after", status: 504 }),
        throttle: rude({ when: "before", status: 429 }),
        throttleRetryAfter: rude({ when: "before", status: 429, headers: { "retry-after": "7" } }),
        auth: rude({ when: "before", status: 401 }),
        permission: ((operation, times) => {
          const call = CALLS[operation];
          if (call !== undefined)
            cloud.trouble.push({ call, times, when: "before", status: 403, body: { message: "Not allowed.", permission: call } });
          return call !== undefined;
        }) as FaultHook,
        capacity: rude({ when: "before", status: 507 }),
        quota: rude({ when: "before", status: 402 }),
        incomplete: rude({ when: "before", status: 500 }),
        deleteLies: rude({ when: "before", status: 200, body: {} }),
      },
      clearFaults: () => void cloud.trouble.splice(0),
      foreign: () => {
        const machine = {
          id: "tm-foreign",
          name: "theirs",
          token: "theirs",
          labels: {},
          state: "running" as const,
          created: new Date().toISOString(),
          home: join(folder, "theirs"),
        };
        cloud.machines.set(machine.id, machine);
        return { provider: "tiny", kind: "machine", id: machine.id };
      },
      interrupt: (machine, { action, noticeSeconds }) => {
        if (action !== "terminate" || noticeSeconds !== undefined) throw new Error("this cloud takes machines without a word");
        return cloud.take(machine.ref.id);
      },
      threePages: 5,
      invoice: () => ({ amount: cloud.bill(), currency: "USD" }),
      permissionName: (operation) => CALLS[operation] ?? operation,
      partition: (cut) =>
        void (cut ? cloud.trouble.push({ call: "GET machines", times: 1_000, when: "before", status: 0 }) : cloud.trouble.splice(0)),
      secrets: [KEY],
    },
    async dispose() {
      await cloud.close();
      await rm(folder, { recursive: true, force: true });
    },
  } satisfies Awaited<ReturnType<ConformanceModule["factory"]>>;
}

/** What runctl-conformance runs. */
export const conformance: ConformanceModule = { factory, runtimes: ["node"], limits: { poll: 50 } };
