import { z } from "zod";
import { parseDuration } from "../spec/units.ts";
import { parseOrThrow } from "../tracker/registration.ts";

/** How careful cleanup is. Durations are milliseconds or text such as "10m". */
export interface CleanupRules {
  /** Younger things are kept, by the provider's own creation time. Default "5m" (original.md §2.5). */
  minAge?: number | string | undefined;
  /** Machines that belong to no run are left alone until this age or their own end. Default "24h" (original.md §2.5). */
  zombieAge?: number | string | undefined;
  /** Time between the pass that marks and the pass that deletes. 0 deletes in one pass. Default "10m". */
  grace?: number | string | undefined;
  /** A plan is refused when it is older. Default "10m". */
  planValidFor?: number | string | undefined;
  /** At most so many deletions a plan. Default 20. */
  maxCount?: number | undefined;
  /** At most this share of what is ours, where that is more than 4 things. Default 0.5. */
  maxShare?: number | undefined;
  /** At most this burn per hour is deleted by one plan, in USD; false: no cap. An unknown price breaks the cap. Default 50. */
  maxHourlyValue?: number | false | undefined;
  /** How long one apply waits for the provider to say that a thing is gone. Default "5m"; afterwards it is reported as pending. */
  confirmWithin?: number | string | undefined;
  /** "compute" (default): machines only. "data": volumes, snapshots, images … only. Never both in one plan. */
  what?: "compute" | "data" | undefined;
  /** Overrides age and activity, never protection. Default false. */
  force?: boolean | undefined;
}

/** Rules with defaults filled in, as a plan carries them. */
export interface ResolvedRules {
  minAgeMs: number;
  zombieAgeMs: number;
  graceMs: number;
  planValidForMs: number;
  maxCount: number;
  maxShare: number;
  maxHourlyValue: number | false;
  confirmWithinMs: number;
  what: "compute" | "data";
  force: boolean;
}

const schema = z.lazy(() => {
  const duration = z.union([z.number(), z.string()]).optional();
  return z.strictObject({
    minAge: duration,
    zombieAge: duration,
    grace: duration,
    planValidFor: duration,
    maxCount: z.number().int().nonnegative().optional(),
    maxShare: z.number().min(0).max(1).optional(),
    maxHourlyValue: z.union([z.literal(false), z.number().finite().nonnegative()]).optional(),
    confirmWithin: duration,
    what: z.enum(["compute", "data"]).optional(),
    force: z.boolean().optional(),
  });
});

/** @throws ValidationError naming the rule that is wrong. */
export function resolveRules(rules: CleanupRules): ResolvedRules {
  const checked = parseOrThrow(schema, rules, "The cleanup rules", '{ minAge: "5m", maxCount: 20 }');
  return {
    minAgeMs: parseDuration(checked.minAge ?? "5m", "minAge"),
    zombieAgeMs: parseDuration(checked.zombieAge ?? "24h", "zombieAge"),
    graceMs: parseDuration(checked.grace ?? "10m", "grace"),
    planValidForMs: parseDuration(checked.planValidFor ?? "10m", "planValidFor"),
    maxCount: checked.maxCount ?? 20,
    maxShare: checked.maxShare ?? 0.5,
    maxHourlyValue: checked.maxHourlyValue ?? 50,
    confirmWithinMs: parseDuration(checked.confirmWithin ?? "5m", "confirmWithin"),
    what: checked.what ?? "compute",
    force: checked.force ?? false,
  };
}
