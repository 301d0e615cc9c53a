import * as z from "zod";
import { ValidationError } from "../errors/kinds.ts";
import type { Clock } from "../util/clock.ts";
import type { Random } from "../util/random.ts";

/** What `onRetry` is told before each wait. */
export interface RetryNotice {
  /** The attempt that failed, from 1. */
  attempt: number;
  error: unknown;
  /** Milliseconds until the next attempt. */
  delayMs: number;
}

/** How to repeat an operation. Every field is optional. */
export interface RetryPolicy {
  /** Attempts in all, the first included. Default 5; Infinity is allowed. */
  attempts?: number | undefined;
  /** Longest wait before the second attempt, in milliseconds. Default 100. */
  initialMs?: number | undefined;
  /** What the wait is multiplied by each time. Default 2. */
  factor?: number | undefined;
  /** Longest wait of all, in milliseconds; also for what the other side asks. Default 30,000. */
  capMs?: number | undefined;
  /** "full" (default): a random wait between 0 and the computed one, so that many callers do not return together. */
  jitter?: "full" | "none" | undefined;
  /** Ends waiting and repeating; the rejection is the signal's own reason. */
  signal?: AbortSignal | undefined;
  /** Which errors are worth another attempt. Default: a runctl error's own `retryable`; other errors are not. Aborts never are. */
  isRetryable?: ((error: unknown) => boolean) | undefined;
  /** Called before each wait; what it throws ends the retries. */
  onRetry?: ((notice: RetryNotice) => void) | undefined;
  /** Default: the machine's clock. */
  clock?: Clock | undefined;
  /** Default: the operating system's generator. */
  random?: Random | undefined;
}

const policySchema = z.lazy(() => {
  const finiteMs = z.number({ error: "must be a number of milliseconds" }).finite().nonnegative({ error: "must not be negative" });
  return z
    .strictObject({
      attempts: z
        .custom<number>((value) => value === Number.POSITIVE_INFINITY || (Number.isInteger(value) && (value as number) >= 1), {
          error: "must be a whole number from 1 on, or Infinity",
        })
        .optional()
        .transform((value) => value ?? 5),
      initialMs: finiteMs.optional().transform((value) => value ?? 100),
      factor: z
        .number({ error: "must be a number" })
        .finite()
        .min(1, { error: "must be at least 1: waits must not shrink" })
        .optional()
        .transform((value) => value ?? 2),
      capMs: finiteMs.optional().transform((value) => value ?? 30_000),
      jitter: z
        .enum(["full", "none"], { error: 'must be "full" or "none"' })
        .optional()
        .transform((value) => value ?? "full"),
      signal: z.unknown().optional(),
      isRetryable: z.unknown().optional(),
      onRetry: z.unknown().optional(),
      clock: z.unknown().optional(),
      random: z.unknown().optional(),
    })
    .refine((policy) => policy.capMs >= policy.initialMs, { path: ["capMs"], error: "must not be below initialMs" });
});

/** A policy with its defaults filled in. */
export interface FullRetryPolicy {
  attempts: number;
  initialMs: number;
  factor: number;
  capMs: number;
  jitter: "full" | "none";
}

/** @throws ValidationError that names the field, what it holds and an example */
export function checkRetryPolicy(policy: RetryPolicy): FullRetryPolicy {
  const parsed = policySchema.safeParse(policy);
  if (parsed.success) {
    const { attempts, initialMs, factor, capMs, jitter } = parsed.data;
    return { attempts, initialMs, factor, capMs, jitter };
  }
  const [issue] = parsed.error.issues;
  const field = issue?.path.join(".") ?? "";
  const value = (policy as Record<string, unknown>)[field];
  const name = field === "" ? "The retry policy" : `The retry policy's ${field}`;
  throw new ValidationError({
    what: `${name} ${field === "" ? (issue?.message ?? "is wrong") : `(${typeof value} ${String(value)}) ${issue?.message ?? "is wrong"}`}.`,
    fix: ["For example { attempts: 5, initialMs: 100, factor: 2, capMs: 30000 }."],
    context: { field },
    cause: parsed.error,
  });
}
