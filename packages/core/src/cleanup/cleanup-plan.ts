import { z } from "zod";
import type { Money } from "../provider/money.ts";
import type { Notice } from "../provider/plan.ts";
import type { ResourceRef } from "../provider/resource.ts";
import { parseOrThrow } from "../tracker/registration.ts";
import type { ResolvedRules } from "./cleanup-rules.ts";
import type { Veto } from "./veto.ts";

/** "state" (default): what this state store made. Wider scopes also list other states' things of the project or account; these are only reported. */
export type CleanupScope = "state" | "project" | "account";

/** One thing that may go. */
export interface CleanupItem {
  /** Text form of the ref. */
  id: string;
  ref: ResourceRef;
  name: string;
  /** "mark": a tag now, deletion on a later pass. "delete". "finish": an earlier deletion that is not confirmed. */
  action: "mark" | "delete" | "finish";
  reason: string;
  ageMs?: number | undefined;
  /** What it burns; absent: unknown. */
  pricePerHour?: Money | undefined;
  /** The facts behind the reason, for people. */
  evidence: string[];
  /** What was seen; `apply` refuses an item that has changed. */
  fingerprint: string;
  /** Ids of items that go first. */
  neededBy: string[];
}

/** A plan is data: print it, store it, review it, apply it. */
export interface CleanupPlan {
  v: 1;
  /** ISO. */
  createdAt: string;
  stateId: string;
  scope: CleanupScope;
  rules: ResolvedRules;
  /** Account of each provider at the time of the plan. */
  accounts: Record<string, string>;
  items: CleanupItem[];
  /** Ours and kept, with every reason. */
  kept: Array<{ id: string; name: string; reasons: Veto[] }>;
  /** Other states' things in a wider scope. Never touched from here. */
  reported: Array<{ id: string; name: string; stateId: string; ageMs?: number | undefined; pricePerHour?: Money | undefined }>;
  /** How many things are ours and alive: what the share cap is measured against. */
  ownTotal: number;
  /** Caps that this plan breaks: `apply` refuses it. */
  blocked: Notice[];
  /** Providers that could not be asked: what they hold is not in the plan. */
  failures: Notice[];
}

/** What `apply` did. A dry run fills `would` only. */
export interface CleanupReport {
  dryRun: boolean;
  /** Gone: the provider said so twice. */
  deleted: string[];
  /** Marked for a later pass. */
  marked: string[];
  /** Deletion was asked for but is not confirmed: it still counts and costs; the next pass goes on with it. */
  pending: Array<{ id: string; why: string }>;
  /** Left alone: changed since the plan, or no longer safe. */
  refused: Array<{ id: string; reasons: Veto[] }>;
  would: Array<{ id: string; action: CleanupItem["action"] }>;
}

const schema = z.lazy(() => {
  const text = z.string();
  const money = z.object({ amount: z.number(), currency: text });
  return z.object({
    v: z.literal(1),
    createdAt: text,
    stateId: text,
    scope: z.enum(["state", "project", "account"]),
    rules: z.object({
      minAgeMs: z.number(),
      zombieAgeMs: z.number(),
      graceMs: z.number(),
      planValidForMs: z.number(),
      maxCount: z.number(),
      maxShare: z.number(),
      maxHourlyValue: z.union([z.literal(false), z.number()]),
      confirmWithinMs: z.number(),
      what: z.enum(["compute", "data"]),
      force: z.boolean(),
    }),
    accounts: z.record(text, text),
    items: z.array(z.object({ id: text, action: z.enum(["mark", "delete", "finish"]), fingerprint: text, pricePerHour: money.optional() })),
  });
});

/** Checks a plan that may come from a file. @throws ValidationError */
export function checkPlan(plan: CleanupPlan): CleanupPlan {
  parseOrThrow(schema, plan, "The cleanup plan", "await cleanup.apply(await cleanup.plan())");
  return plan;
}
