import { RunctlError } from "../errors/runctl-error.ts";
import { isAbort } from "../util/abort.ts";
import { systemClock } from "../util/clock.ts";
import { type Random, systemRandom } from "../util/random.ts";
import { sleep } from "../util/sleep.ts";
import { checkRetryPolicy, type FullRetryPolicy, type RetryPolicy } from "./retry-policy.ts";

/** The wait after failed attempt `attempt` (from 1), before jitter. */
function backoffMs(policy: FullRetryPolicy, attempt: number): number {
  // The power overflows to Infinity after about a thousand attempts, and 0 × Infinity is no wait at all.
  return policy.initialMs === 0 ? 0 : Math.min(policy.capMs, policy.initialMs * policy.factor ** (attempt - 1));
}

/** What the other side asked us to wait, if it makes sense: positive and finite. */
function askedMs(error: unknown): number | undefined {
  const asked = (error as { retryAfterMs?: unknown } | null | undefined)?.retryAfterMs;
  return typeof asked === "number" && Number.isFinite(asked) && asked > 0 ? asked : undefined;
}

/** The next wait. A longer wish of the other side is honoured up to the cap; a shorter one does not make us hurry. */
export function retryDelayMs(policy: FullRetryPolicy, attempt: number, error: unknown, random: Random): number {
  const full = backoffMs(policy, attempt);
  const own = policy.jitter === "full" ? full * random.next() : full;
  return Math.min(policy.capMs, Math.max(own, askedMs(error) ?? 0));
}

function defaultRetryable(error: unknown): boolean {
  return RunctlError.is(error) && error.retryable;
}

/**
 * Runs `operation` until it succeeds: by default 5 attempts, waits of 100 ms × 2 up to 30 s with full jitter (the defaults of the
 * AWS SDKs' standard mode, with a longer cap), `retryAfterMs` of an error honoured up to the cap. An abort is never retried.
 *
 * @param operation gets the number of the attempt, from 1, and the policy's signal
 * @throws the operation's own error, unwrapped, when it is not worth repeating or when there is only one attempt; after the last attempt
 * the last error with `context.attempts` and the earlier errors in the chain of causes (other errors than runctl's: unwrapped);
 * the signal's own reason when that aborts; ValidationError for a policy that makes no sense
 */
export async function retry<T>(
  operation: (attempt: number, signal: AbortSignal | undefined) => T | PromiseLike<T>,
  policy: RetryPolicy = {},
): Promise<T> {
  const full = checkRetryPolicy(policy);
  const { signal } = policy;
  const clock = policy.clock ?? systemClock;
  const random = policy.random ?? systemRandom;
  const isRetryable = policy.isRetryable ?? defaultRetryable;
  const earlier: unknown[] = [];
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    let failure: unknown;
    try {
      return await operation(attempt, signal);
    } catch (error) {
      failure = error;
    }
    // Whatever the operation made of it: the caller asked to stop.
    if (signal?.aborted === true) throw signal.reason;
    if (isAbort(failure) || !isRetryable(failure)) throw failure;
    if (attempt >= full.attempts) throw exhausted(failure, attempt, earlier);
    remember(earlier, failure);
    const delayMs = retryDelayMs(full, attempt, failure, random);
    policy.onRetry?.({ attempt, error: failure, delayMs });
    await sleep(clock, delayMs, signal);
  }
}

/** Endless retries must not collect endless errors: the first and the newest few tell the story. */
function remember(earlier: unknown[], error: unknown): void {
  earlier.push(error);
  if (earlier.length > 10) earlier.splice(1, 1);
}

/** The last error itself, so that its class and identity stay, with what happened before attached. */
function exhausted(error: unknown, attempts: number, earlier: unknown[]): unknown {
  if (attempts === 1 || !RunctlError.is(error)) return error;
  error.context.attempts = attempts;
  error.cause ??= new AggregateError(earlier, `${earlier.length} earlier attempts failed`);
  return error;
}
