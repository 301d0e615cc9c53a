import { z } from "zod";

// The contract's answers, checked as a stranger's program would read them. Unknown fields of a provider's own are let through.

const iso = z.string().refine((text) => Number.isFinite(Date.parse(text)) && /^\d{4}-\d\d-\d\dT/.test(text), "must be an ISO 8601 time");
const money = z.object({ amount: z.number().finite().nonnegative(), currency: z.string().regex(/^[A-Z]{3}$/, "must be an ISO 4217 code") });
const ref = z.object({
  provider: z.string().min(1),
  account: z.string().optional(),
  region: z.string().optional(),
  kind: z.string().min(1),
  id: z.string().min(1),
});
const tags = z.record(z.string(), z.string());
const machine = z.object({
  ref,
  name: z.string(),
  state: z.enum(["pending", "running", "stopping", "stopped", "ending", "ended", "unknown"]),
  tags,
  createdAt: iso.optional(),
  endedAt: iso.optional(),
  pricePerHour: money.optional(),
  address: z.record(z.string(), z.string()).optional(),
});
const other = z.object({ ref, name: z.string(), tags, createdAt: iso.optional(), pricePerHour: money.optional() });
const volume = other.extend({
  sizeBytes: z.number().positive(),
  state: z.enum(["creating", "available", "in-use", "deleting", "unknown"]),
  zone: z.string().optional(),
  attachedTo: ref.optional(),
});

/** Capabilities, without a word that the contract does not know: a misspelt one would promise nothing. */
export const capabilitiesShape = z.strictObject({
  identity: z.enum(["token", "name", "none"]),
  boot: z.enum(["user-data", "entrypoint", "session"]),
  guard: z.enum(["os-poweroff", "host-calls-api", "none"]),
  containers: z.enum(["on-host", "is-machine", "none"]),
  spot: z.boolean(),
  noticeSeconds: z.number().nonnegative().optional(),
  multiPool: z.boolean(),
  gang: z.boolean(),
  tagsAtCreate: z.boolean(),
  settleMs: z.number().nonnegative().optional(),
  pollMs: z.number().positive().optional(),
  sharedHost: z.boolean().optional(),
});

const offer = z.object({
  id: z.string().min(1),
  provider: z.string(),
  type: z.string().min(1),
  accelerators: z.array(
    z.object({ name: z.string().min(1), count: z.number().int().positive(), memoryBytes: z.number().positive().optional() }),
  ),
  cpus: z.number().positive().optional(),
  memoryBytes: z.number().positive().optional(),
  region: z.string().optional(),
  zone: z.string().optional(),
  market: z.string().min(1),
  pricePerHour: money.optional(),
  maxPricePerHour: money.optional(),
  price: z.object({ source: z.string().min(1), at: iso }).optional(),
  can: z.object({ stop: z.boolean(), notice: z.boolean(), endItself: z.boolean() }),
});

/** What each operation may answer. Operations without an entry answer nothing. */
export const resultShapes: Partial<Record<string, z.ZodType>> = {
  offers: z.array(offer),
  create: z.union([
    z.object({ kind: z.literal("created"), machines: z.array(machine).min(1), also: z.array(ref) }),
    z.object({ kind: z.literal("queued"), ref, expectedStart: iso.optional() }),
    z.object({
      kind: z.literal("unavailable"),
      pools: z.array(
        z.object({
          offerId: z.string(),
          scope: z.enum(["zone", "region", "type", "account"]),
          tried: z.boolean(),
          retryAfterMs: z.number().nonnegative().optional(),
        }),
      ),
    }),
  ]),
  find: z.object({ machines: z.array(machine), others: z.array(other), complete: z.boolean() }),
  costs: z.array(
    z.object({
      from: iso,
      to: iso,
      what: z.enum(["compute", "storage", "transfer"]),
      pricePerHour: money,
      evidence: z.enum(["observed", "told-by-host", "inferred", "billed"]),
    }),
  ),
  identity: z.object({ id: z.string().min(1), name: z.string().optional() }),
  notices: z.object({ action: z.enum(["terminate", "stop", "hibernate", "rebalance", "maintenance"]), at: iso.optional() }).optional(),
  usage: z.object({ at: iso, disks: z.array(z.unknown()), gpus: z.array(z.unknown()), processes: z.array(z.unknown()) }),
  doctor: z.array(z.object({ id: z.string(), severity: z.enum(["ok", "warning", "error"]), what: z.string(), fix: z.array(z.string()) })),
  "volumes.create": volume,
  "volumes.list": z.array(volume),
};

/** What is wrong with a value, in one line; undefined when it fits. */
export function shapeProblems(shape: z.ZodType, value: unknown): string | undefined {
  const parsed = shape.safeParse(value);
  if (parsed.success) return undefined;
  return parsed.error.issues.map((issue) => `${issue.path.map(String).join(".") || "it"}: ${issue.message}`).join("; ");
}
