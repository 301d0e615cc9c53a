import type { ConformanceContext } from "./context.ts";
import type { ConformanceHooks, FaultKind } from "./hooks.ts";

/** What a case needs before it can say anything, as data: `capability:spot`, `method:stop`, `fault:replyLost`, `hook:foreign` … */
export type Need =
  | `capability:${"token" | "findable" | "spot" | "notice" | "multiPool" | "gang" | "no-gang" | "tagsAtCreate" | "guard" | "no-volumes"}`
  | `method:${"stop" | "start" | "connect" | "tag" | "notices" | "usage" | "validateOptions" | "doctor" | "volumes" | "snapshots"}`
  | `fault:${FaultKind}`
  | `hook:${Exclude<keyof ConformanceHooks, "faults" | "clearFaults">}`
  | "second-client"
  | "real-host"
  | "recording";

/** One rule of the contract. */
export interface ConformanceCase {
  /** Stable: reports, excuses and saboteurs name it. */
  id: string;
  /** The point of the reference's list, 1 to 13. */
  point: number;
  title: string;
  needs: Need[];
  /** Looks at what all other cases saw, so it comes last. */
  afterwards?: true | undefined;
  run(context: ConformanceContext): Promise<void>;
}

/** How a case ended. Only "passed" proves anything. */
export type CaseStatus = "passed" | "failed" | "excused" | "not-provable" | "not-applicable" | "skipped";

/** Thrown inside a case that cannot go on for lack of something: the case is neither passed nor failed. */
export class CannotSay extends Error {
  readonly status: "not-provable" | "not-applicable" | "skipped";
  constructor(status: CannotSay["status"], why: string) {
    super(why);
    this.name = "CannotSay";
    this.status = status;
  }
}
