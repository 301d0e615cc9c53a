import { z } from "zod";
import type { ResourceRecord } from "../cost/resource-record.ts";
import { transition } from "../cost/transition.ts";
import { ValidationError } from "../errors/kinds.ts";
import type { Money } from "../provider/money.ts";
import { formatRef, type MachineState, parseRef, type ResourceRef } from "../provider/resource.ts";

/** What `register` takes: something that exists already and that the ledger shall count. */
export interface Registration {
  /** A ref, or its text form "provider/region/kind/id". */
  ref: ResourceRef | string;
  name?: string | undefined;
  /** Default "running". */
  state?: MachineState | undefined;
  /** Absent: unknown, so that sums become incomplete; 0 says free. */
  pricePerHour?: Money | undefined;
  storagePricePerHour?: Money | undefined;
  /** ISO time of launch by the provider's record. Default: now. Cost counts from here. */
  createdAt?: string | undefined;
  project?: string | undefined;
  user?: string | undefined;
  runId?: string | undefined;
  attempt?: number | undefined;
  tags?: Record<string, string> | undefined;
  type?: string | undefined;
  market?: string | undefined;
  region?: string | undefined;
  zone?: string | undefined;
}

export const machineStateSchema = z.lazy(() => z.enum(["pending", "running", "stopping", "stopped", "ending", "ended", "unknown"]));
export const isoSchema = z.lazy(() =>
  z.string().refine((value) => !Number.isNaN(Date.parse(value)), "must be an ISO time such as 2026-01-31T12:00:00Z"),
);

const schema = z.lazy(() => {
  const money = z.strictObject({ amount: z.number().finite().nonnegative(), currency: z.string().regex(/^[A-Z]{3}$/) });
  const text = z.string().min(1).max(512);
  return z.strictObject({
    ref: z.union([text, z.strictObject({ provider: text, account: text.optional(), region: text.optional(), kind: text, id: text })]),
    name: text.optional(),
    state: machineStateSchema.optional(),
    pricePerHour: money.optional(),
    storagePricePerHour: money.optional(),
    createdAt: isoSchema.optional(),
    project: text.optional(),
    user: text.optional(),
    runId: text.optional(),
    attempt: z.number().int().nonnegative().optional(),
    tags: z.record(z.string(), z.string()).optional(),
    type: text.optional(),
    market: text.optional(),
    region: text.optional(),
    zone: text.optional(),
  });
});

/** Checks a registration and makes its ledger record. @throws ValidationError naming the field. */
export function recordOf(input: Registration, context: { stateId: string; project: string; user: string; now: string }): ResourceRecord {
  const parsed = parseOrThrow(
    schema,
    input,
    "The registration",
    '{ ref: "aws/us-east-1/machine/i-0abc", pricePerHour: { amount: 1.2, currency: "USD" } }',
  );
  const ref = typeof parsed.ref === "string" ? parseRef(parsed.ref) : parsed.ref;
  if (ref === undefined) {
    throw new ValidationError({
      what: `ref ${JSON.stringify(parsed.ref)} (string) is not a resource.`,
      why: "A resource is named by provider, region where there is one, kind and id.",
      fix: ['For example "aws/us-east-1/machine/i-0abc".'],
    });
  }
  const createdAt = parsed.createdAt ?? context.now;
  const blank: ResourceRecord = {
    id: formatRef(ref),
    ref,
    name: parsed.name ?? ref.id,
    state: "pending",
    stateId: context.stateId,
    project: parsed.project ?? context.project,
    user: parsed.user ?? context.user,
    runId: parsed.runId,
    attempt: parsed.attempt,
    tags: parsed.tags ?? {},
    type: parsed.type,
    market: parsed.market,
    region: parsed.region ?? ref.region,
    zone: parsed.zone,
    createdAt,
    segments: [],
  };
  return transition(blank, {
    state: parsed.state ?? "running",
    at: createdAt,
    evidence: "observed",
    pricePerHour: parsed.pricePerHour,
    storagePricePerHour: parsed.storagePricePerHour,
  });
}

/** Zod at the edge, our errors outwards: the field, what it got, an example. */
export function parseOrThrow<T>(of: z.ZodType<T>, input: unknown, subject: string, example: string): T {
  const result = of.safeParse(input);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = issue?.path.join(".") ?? "";
  throw new ValidationError({
    what: `${subject} is wrong${field === "" ? "" : ` at ${field}`}: ${issue?.message ?? "unreadable"}.`,
    fix: [`For example ${example}.`],
    context: { field },
  });
}
