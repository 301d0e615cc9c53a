import { TimeoutError, ValidationError } from "../errors/kinds.ts";
import { RunctlError } from "../errors/runctl-error.ts";
import { abortable } from "../util/abort.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { type Random, systemRandom } from "../util/random.ts";
import { sleep } from "../util/sleep.ts";

/** One look: done with a value, or not yet, with what was seen ("pending", "throttled") for the timeout error. */
export type PollResult<T> = { done: true; value: T } | { done: false; state: string };

export interface WaitOptions {
  /** Shortest wait between two looks, in milliseconds. Default 1,000. */
  minMs?: number | undefined;
  /** Longest wait between two looks. Default 15,000. */
  maxMs?: number | undefined;
  /** How long to wait in all, in milliseconds of the monotonic clock. */
  timeoutMs: number;
  /** What is waited for, for the error: "machine i-0abc to be running". */
  what?: string | undefined;
  signal?: AbortSignal | undefined;
  clock?: Clock | undefined;
  random?: Random | undefined;
}

function checkWait(minMs: number, maxMs: number, timeoutMs: number): void {
  const wrong = [minMs, maxMs].some((ms) => !Number.isFinite(ms) || ms <= 0) || Number.isNaN(timeoutMs) || timeoutMs < 0 || minMs > maxMs;
  if (!wrong) return;
  throw new ValidationError({
    what: `Waiting with minMs ${minMs}, maxMs ${maxMs}, timeoutMs ${timeoutMs} makes no sense.`,
    why: "minMs must be above 0 and not above maxMs, timeoutMs not negative.",
    fix: ["For example { minMs: 1000, maxMs: 15000, timeoutMs: 600000 }."],
    context: { minMs, maxMs, timeoutMs: String(timeoutMs) },
  });
}

/** The waits double from minMs to maxMs and are drawn at random between minMs and that; a last look comes just before the end. */
function nextWaitMs(look: number, minMs: number, maxMs: number, leftMs: number, random: Random): number {
  const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(look - 1, 40));
  const drawn = minMs + random.next() * (ceiling - minMs);
  return leftMs - drawn < minMs ? Math.max(0, Math.min(drawn, leftMs)) : drawn;
}

/**
 * Looks again and again until `poll` says done. A retryable error of a look counts as a state ("RUNCTL_THROTTLED") and its
 * `retryAfterMs` is honoured up to maxMs; any other error ends the wait as it is. In the style of smithy's waiter.
 *
 * @throws TimeoutError with every state seen and how often in `context.observed`; the signal's own reason; ValidationError
 */
export async function waitFor<T>(poll: (look: number) => Promise<PollResult<T>>, options: WaitOptions): Promise<T> {
  const { minMs = 1_000, maxMs = Math.max(15_000, minMs), timeoutMs, signal } = options;
  checkWait(minMs, maxMs, timeoutMs);
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const observed = new Map<string, number>();
  const began = clock.monotonic();
  for (let look = 1; ; look += 1) {
    signal?.throwIfAborted();
    let asked = 0;
    let state: string;
    try {
      const result = await abortable(poll(look), signal);
      if (result.done) return result.value;
      state = result.state;
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      if (!RunctlError.is(error) || !error.retryable) throw error;
      state = error.code;
      asked = Math.min(maxMs, error.retryAfterMs ?? 0);
    }
    observed.set(state, (observed.get(state) ?? 0) + 1);
    const leftMs = timeoutMs - (clock.monotonic() - began);
    if (leftMs <= 0) throw waitedTooLong(options, observed, state);
    const waitMs = Math.min(leftMs, Math.max(asked, nextWaitMs(look, minMs, maxMs, leftMs, random)));
    await sleep(clock, waitMs, signal);
  }
}

function waitedTooLong(options: WaitOptions, observed: Map<string, number>, last: string): TimeoutError {
  const seen = [...observed].map(([state, times]) => `${state} × ${times}`).join(", ");
  return new TimeoutError({
    what: `Waiting for ${options.what ?? "it"} took longer than ${options.timeoutMs} ms.`,
    why: `Seen meanwhile: ${seen}; last: ${last}.`,
    fix: ["Allow more time, or look at why it stays in that state."],
    context: { observed: Object.fromEntries(observed), last, timeoutMs: options.timeoutMs },
  });
}
