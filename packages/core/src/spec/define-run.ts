import type { RunSpec } from "./run-spec.ts";

/**
 * Returns the spec as it is, with literal types and with unknown keys refused by the compiler.
 * Nothing is checked at run time here; `plan` and `train` do that.
 */
export function defineRun<const S extends RunSpec>(spec: S & { [K in Exclude<keyof S, keyof RunSpec>]: never }): S {
  return spec;
}
