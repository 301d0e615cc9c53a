import type { Machine, ResourceRef } from "@runctl/core/provider";

/** What a hook can do to the next calls of one operation, as the far side or the network would. */
export type FaultKind =
  /** The request is lost on its way: no effect, no reply. */
  | "lost"
  /** The effect happens, the reply is lost. */
  | "replyLost"
  /** The effect happens, the reply is a server error (HTTP 500 or the like). */
  | "errorAfter"
  /** The effect happens, no reply within the client's own limit. */
  | "timeout"
  /** Too many requests, without saying how long to wait. Nothing happens. */
  | "throttle"
  /** Too many requests, and the reply says how long to wait. Nothing happens. */
  | "throttleRetryAfter"
  /** The credentials have expired. Nothing happens. */
  | "auth"
  /** This one action is not allowed. Nothing happens. */
  | "permission"
  /** No such machine to be had now. Nothing happens. */
  | "capacity"
  /** The account's limit is reached. Nothing happens. */
  | "quota"
  /** One page, region or account of a listing cannot be read. */
  | "incomplete"
  /** The reply says yes and nothing happens. */
  | "deleteLies"
  /** The machine is made, and the tags are not. Only where the two are separate calls. */
  | "tagFailure"
  /** A volume that does not let go of its machine. */
  | "detachStuck";

/** Operations that faults are put on: methods of the provider, and of its volumes as `volumes.attach`. */
export type FaultOperation =
  | "offers"
  | "create"
  | "find"
  | "terminate"
  | "remove"
  | "stop"
  | "start"
  | "tag"
  | "costs"
  | "identity"
  | "volumes.create"
  | "volumes.attach"
  | "volumes.detach"
  | "volumes.delete";

/** Lets the next `times` calls of `operation` meet the fault. `false`: this operation cannot meet it, so nothing can be proven. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook that says nothing has done it.
export type FaultHook = (operation: FaultOperation, times: number) => boolean | void | Promise<boolean | void>;

/** How a machine is taken away. */
export interface Interruption {
  action: "terminate" | "stop" | "rebalance" | "maintenance";
  /** Seconds between the notice and the end. Absent: no notice, the machine is gone at once. Not used by "rebalance". */
  noticeSeconds?: number | undefined;
}

/**
 * What the suite needs from outside to provoke a provider: usually the provider's own fake server, or an emulator. A hook that is
 * missing makes the cases that need it "not provable", never "passed".
 */
export interface ConformanceHooks {
  /** One function for each fault that can be put on. */
  faults?: Partial<Record<FaultKind, FaultHook>> | undefined;
  /** Takes every fault away that was put on and not met. Called after each case. */
  clearFaults?: (() => void | Promise<void>) | undefined;
  /** Puts a running machine of somebody else (none of our tags) into the same account and tells its ref. */
  foreign?: (() => ResourceRef | Promise<ResourceRef>) | undefined;
  /** Takes a machine away as the spot market does. */
  interrupt?: ((machine: Machine, interruption: Interruption) => void | Promise<void>) | undefined;
  /** New machines show in listings only after so many milliseconds. 0: at once. */
  listLag?: ((ms: number) => void | Promise<void>) | undefined;
  /** How many machines fill at least three pages of a listing. */
  threePages?: number | undefined;
  /** Does what the guardian on the machine does at its limit: power off, or the provider's `terminate` hook. */
  endFromInside?: ((machine: Machine) => void | Promise<void>) | undefined;
  /** What the far side's own meters say that everything cost until now. */
  invoice?: (() => { amount: number; currency: string } | Promise<{ amount: number; currency: string }>) | undefined;
  /** How the far side calls the permission for an operation; the error and `doctor()` must name it. */
  permissionName?: ((operation: FaultOperation) => string) | undefined;
  /** Cuts the client from the far side, and joins them again. */
  partition?: ((cut: boolean) => void | Promise<void>) | undefined;
  /** The credentials and other secrets in use: they may show in no error, listing or recording. */
  secrets?: string[] | undefined;
}
