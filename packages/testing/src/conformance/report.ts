import { ValidationError } from "@runctl/core/provider";
import { z } from "zod";

/** The points of the list, in the words of the report. */
export const POINTS: Readonly<Record<number, string>> = {
  1: "Manifest",
  2: "Lifecycle twice",
  3: "Ambiguity",
  4: "Listing",
  5: "Throttle and access",
  6: "Errors",
  7: "Spot",
  8: "Volumes",
  9: "Price",
  10: "Abort, crash, two clients",
  11: "Commands and files",
  12: "Hygiene",
  13: "Recorded mode",
};

const status = z.enum(["passed", "failed", "excused", "not-provable", "not-applicable", "skipped"]);

const caseResult = z.strictObject({
  id: z.string(),
  point: z.number().int().min(0),
  title: z.string(),
  /**
   * Only "passed" proves something. "excused": failed and known. "not-provable": a hook is missing. "not-applicable": not declared.
   * "skipped": not asked for, or the spend cap.
   */
  status,
  /** Why it failed, or why it says nothing. */
  why: z.string().optional(),
  /** Real time that it took, in milliseconds. */
  ms: z.number().nonnegative(),
});

const providerClass = z.strictObject({
  /** What was proven. A: at most one machine for an intent, and it is found. B: found, duplicates can happen. C: neither. */
  class: z.enum(["A", "B", "C"]),
  /** What the capabilities claim. */
  declared: z.enum(["A", "B", "C"]),
  /** Cases that the class rests on. */
  proven: z.array(z.string()),
  /** Cases that would have to be proven too, and could not: the class is assumed so far. */
  assumed: z.array(z.string()),
  /** Cases that speak against a better class. */
  against: z.array(z.string()),
  exposure: z.strictObject({
    /** What a lost answer can cost until somebody looks: "none", a "duplicate" that is found, or a machine that only the "ttl" ends. */
    kind: z.enum(["none", "duplicate", "ttl"]),
    /** Does anything end a machine that nobody feeds? */
    guarded: z.boolean(),
    /** For how long a duplicate may live unseen: settle window and two polls. */
    unseenMs: z.number().nonnegative().optional(),
    /** Boot "session" only: measured time from create to the first connection. Until then no guard is armed. */
    unarmedMs: z.number().nonnegative().optional(),
    text: z.string(),
  }),
});

/** The form of the JSON report. */
export const reportSchema = z.strictObject({
  v: z.literal(1),
  kind: z.enum(["provider", "object-store", "state-store"]),
  subject: z.strictObject({ name: z.string(), capabilities: z.record(z.string(), z.json()).optional() }),
  runtime: z.strictObject({ name: z.string(), version: z.string(), declared: z.array(z.string()) }),
  /** Nothing failed. Cases that could not be proven do not count against it: read `counts`. */
  ok: z.boolean(),
  counts: z.record(status, z.number().int().nonnegative()),
  cases: z.array(caseResult),
  /** Absent for stores. */
  class: providerClass.optional(),
  /** Figures that were measured, in milliseconds; the largest of each counts: reachableAfterMs, noticeAfterMs. */
  measures: z.record(z.string(), z.number()),
  live: z.strictObject({ spendCap: z.number(), reserved: z.number() }).optional(),
  /** What still existed of this run at its end, with what it costs. Should be empty. */
  leftovers: z.array(z.string()),
  ms: z.number().nonnegative(),
});

/** One case's result. */
export type CaseResult = z.infer<typeof caseResult>;
/** Class and exposure of a provider. */
export type ProviderClass = z.infer<typeof providerClass>;
/** Everything that a run of the suite found. */
export type ConformanceReport = z.infer<typeof reportSchema>;

/** Reads a report's JSON. @throws ValidationError saying what is wrong with it. */
export function parseReport(value: unknown): ConformanceReport {
  const parsed = reportSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.slice(0, 5).map((issue) => `${issue.path.map(String).join(".") || "it"}: ${issue.message}`);
  throw new ValidationError({ what: `This is no conformance report: ${problems.join("; ")}.`, context: { problems } });
}

/** Counts and verdict over finished cases. */
export function summarise(cases: readonly CaseResult[]): Pick<ConformanceReport, "ok" | "counts"> {
  const counts = { passed: 0, failed: 0, excused: 0, "not-provable": 0, "not-applicable": 0, skipped: 0 };
  for (const { status: one } of cases) counts[one] += 1;
  return { ok: counts.failed === 0 && counts.passed > 0, counts };
}

/** Name and version of what runs this program. */
export function runtime(): { name: string; version: string } {
  const { versions } = process as { versions: Record<string, string | undefined> };
  if (versions.bun !== undefined) return { name: "bun", version: versions.bun };
  if (versions.deno !== undefined) return { name: "deno", version: versions.deno };
  return { name: "node", version: versions.node ?? "unknown" };
}
