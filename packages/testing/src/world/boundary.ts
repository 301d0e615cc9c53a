/** One call of a simulated process to the world outside it: a place where it can die. */
export interface Boundary {
  /** Place among all calls of the world, from 0. */
  index: number;
  /** Name of the controller that called. */
  controller: string;
  /** Place among this controller's calls, from 1: what a plan names. */
  at: number;
  /** Milliseconds of the world's wall clock. */
  time: number;
  port: "provider" | "host" | "store" | "state";
  /** The operation: "create", "append", "put"; "create#1" between the steps of a create. */
  op: string;
  /** What it was about: an intent's id, a resource, a stream with the events' types, an object's URI. */
  what: string;
  /** Whether the call may change the world; false for looks. */
  hasEffect: boolean;
}

/**
 * How a process dies at its call number `at` (from 1). "never": the call never left. "applied": the effect takes place, the reply
 * arrives nowhere. "late": the effect takes place when the world is told to (`world.releaseLate()`).
 */
export interface KillPlan {
  at: number;
  variant: "never" | "applied" | "late";
}

/** A process that stops in the middle of its call number `at`: the effect takes place, the reply waits until it goes on. */
export interface SleepPlan {
  at: number;
  sleepMs: number;
  /** Its monotonic clock stands still meanwhile, as on a laptop with its lid closed. */
  suspend?: boolean | undefined;
}

/** What is to happen to a process, each at one of its calls. */
export type ProcessPlan = KillPlan | SleepPlan;
