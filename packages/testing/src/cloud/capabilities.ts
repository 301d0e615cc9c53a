import type { Capabilities } from "@runctl/core/provider";
import type { EmulatedCloudOptions, ProviderClass, Tagging } from "./cloud-options.ts";
import type { Pool } from "./pool.ts";

const IDENTITY = { A: "token", B: "name", C: "none" } as const;

/** What a cloud's client declares: what follows from its class, its market and its guard, and what the options say instead. */
export function capabilitiesOf(cloud: {
  options: EmulatedCloudOptions;
  class: ProviderClass;
  tagging: Tagging;
  pools: ReadonlyMap<string, Pool>;
  noticeMs: number;
}): Capabilities {
  const { options, noticeMs } = cloud;
  const spot = [...cloud.pools.values()].some((pool) => pool.market === "spot");
  return {
    identity: IDENTITY[cloud.class],
    boot: "session",
    guard: options.onPowerOff === "keeps-billing" ? "host-calls-api" : "os-poweroff",
    containers: "on-host",
    spot,
    ...(spot && givesNotice(options, noticeMs) ? { noticeSeconds: noticeMs / 1000 } : {}),
    multiPool: options.multiPool ?? false,
    gang: options.gang !== "none",
    tagsAtCreate: cloud.tagging === "at-create",
    settleMs: 60_000,
    pollMs: 10_000,
    ...options.capabilities,
  };
}

/** Whether a notice has a way to anybody: over the API, or by a hook on the machine. */
export function givesNotice(options: EmulatedCloudOptions, noticeMs: number): boolean {
  return noticeMs > 0 && (options.without?.includes("notices") !== true || options.hostHooks !== undefined);
}
